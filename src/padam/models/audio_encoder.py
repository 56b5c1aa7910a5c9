"""Audio encoder: an Audio Spectrogram Transformer over 0.4 s windows (PADAM §4.1)."""

from typing import Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from padam.models.log_mel import LogMel
from padam.models.transformer import TransformerBlock, initialise

EMBEDDING_WIDTH: Final = 384
PATCH: Final = 16
PATCH_STRIDE: Final = 10
FREQUENCY_PATCHES: Final = 12  # 128 mel bands; bands 126-127 are in no patch
TIME_PATCHES: Final = 3
SPECIAL_TOKENS: Final = 2  # AST's classification and distillation tokens

AudioEncoderSize = Literal["tiny", "small", "paper", "ast_base"]
WindowCoverage = Literal["published", "whole"]

# Frames from one patch to the next. At 10 the last of 3 patches ends with frame 35 of 41, so what
# happens in a window's last 37.5 ms is not seen; at 12 it ends with frame 39, which hears the
# window to its end.
TIME_STRIDES: Final[dict[str, int]] = {"published": PATCH_STRIDE, "whole": 12}


class AudioEncoderConfig(BaseModel):
    """Size of the encoder; the default is the laptop's ``small`` (paper: 12 layers, 6, 384)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: int = Field(4, ge=1, le=48)
    heads: int = Field(3, ge=1, le=32)
    width: int = Field(192, ge=8, le=2048)
    mlp_ratio: float = Field(4.0, gt=0, le=16)
    dropout: float = Field(0.0, ge=0, lt=1)
    window_coverage: WindowCoverage = "published"

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "AudioEncoderConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self


AUDIO_ENCODER_SIZES: Final[dict[str, AudioEncoderConfig]] = {
    "tiny": AudioEncoderConfig(depth=2, heads=3, width=96),
    "small": AudioEncoderConfig(depth=4, heads=3, width=192),
    "paper": AudioEncoderConfig(depth=12, heads=6, width=EMBEDDING_WIDTH),
    "ast_base": AudioEncoderConfig(depth=12, heads=12, width=768),
}
"""Named sizes; `ast_base` is that of the AudioSet checkpoints which the authors of AST publish."""


class AudioEncoder(nn.Module):
    """AST on windows of 0.4 s: (T, 384) embeddings at 133 ms, T = 75 per 10 s.

    16×16 patches with stride 10 on 128 mels × 41 frames give 12×3 patches. After the last layer
    the special tokens are dropped and the 12 frequency rows averaged, which leaves 3 embeddings
    a window. Encoders narrower or wider than 384 end in a linear projection to 384.

    In the published geometry frames 36-40 of every window are in no patch: 9.4 % of the time is
    not heard, and a click there leaves no trace. `window_coverage` "whole" (extension) spreads the
    3 patches over the whole window; weights of the one fit the other.
    """

    def __init__(self, config: AudioEncoderConfig | None = None) -> None:
        super().__init__()
        self.config = config or AudioEncoderConfig()
        width = self.config.width
        self.log_mel = LogMel()
        stride = (PATCH_STRIDE, TIME_STRIDES[self.config.window_coverage])
        self.patches = nn.Conv2d(1, width, PATCH, stride=stride)
        self.special_tokens = nn.Parameter(torch.empty(1, SPECIAL_TOKENS, width))
        positions = SPECIAL_TOKENS + FREQUENCY_PATCHES * TIME_PATCHES
        self.positions = nn.Parameter(torch.empty(1, positions, width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, self.config.heads, self.config.mlp_ratio, self.config.dropout)
            for _ in range(self.config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.projection: nn.Module = (
            nn.Identity() if width == EMBEDDING_WIDTH else nn.Linear(width, EMBEDDING_WIDTH)
        )
        self.apply(initialise)
        nn.init.trunc_normal_(self.special_tokens, std=0.02)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, waveform: Tensor) -> Tensor:
        """Return embeddings (B, 3·k, 384) of ``waveform`` (B, 6400·k), 16 kHz mono in [-1, 1].

        Raises ValueError where the length is no whole number of 0.4 s windows.
        """
        embeddings = self.encode_windows(self.log_mel(waveform))
        return embeddings.reshape(waveform.shape[0], -1, EMBEDDING_WIDTH)

    def encode_windows(self, log_mel: Tensor) -> Tensor:
        """Return embeddings (W, 3, 384) of standardised log-mel windows (W, 128, 41)."""
        patches = self.patches(log_mel.unsqueeze(1)).flatten(2).transpose(1, 2)
        special = self.special_tokens.expand(len(patches), -1, -1)
        tokens = torch.cat([special, patches], dim=1) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        grid = self.norm(tokens)[:, SPECIAL_TOKENS:].unflatten(1, (FREQUENCY_PATCHES, TIME_PATCHES))
        embeddings: Tensor = self.projection(grid.mean(dim=1))
        return embeddings
