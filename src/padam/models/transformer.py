"""Pre-norm transformer block, shared by the audio and the video encoder."""

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class TransformerBlock(nn.Module):
    """Self-attention and a GELU MLP, each behind a LayerNorm and a residual (ViT)."""

    def __init__(self, width: int, heads: int, mlp_ratio: float = 4.0, dropout: float = 0.0):
        super().__init__()
        hidden = int(width * mlp_ratio)
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width, eps=1e-6)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_output = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens (B, N, width) to the same shape."""
        tokens = tokens + self.dropout(self.attend(self.attention_norm(tokens)))
        return tokens + self.dropout(self.mlp(self.mlp_norm(tokens)))

    def attend(self, tokens: Tensor) -> Tensor:
        """Multi-head scaled dot-product self-attention by PyTorch's fused kernel."""
        batch, count, width = tokens.shape
        heads = self.query_key_value(tokens).view(batch, count, 3, self.heads, width // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.attention_output(mixed.transpose(1, 2).reshape(batch, count, width))


def initialise(module: nn.Module) -> None:
    """Initialise a linear layer as ViT does; use with `nn.Module.apply`."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
