"""Video encoder: ViViT with joint space-time attention, used in stage 1's training only."""

from typing import Final, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from padam.models.audio_encoder import EMBEDDING_WIDTH
from padam.models.transformer import TransformerBlock, initialise

FRAME_RATE: Final = 25.0
WINDOW_VIDEO_FRAMES: Final = 10  # 0.4 s at 25 fps
TUBELET_FRAMES: Final = 2
TUBELET_SIZE: Final = 16
TIME_STEPS: Final = WINDOW_VIDEO_FRAMES // TUBELET_FRAMES

VideoEncoderSize = Literal["tiny", "small", "paper"]


class VideoEncoderConfig(BaseModel):
    """Size of the encoder and its frames; the default is the laptop's ``small``.

    Paper: 12 layers, 12 heads, frames of 144×256.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    depth: int = Field(4, ge=1, le=48)
    heads: int = Field(3, ge=1, le=32)
    width: int = Field(192, ge=8, le=2048)
    frame_height: int = Field(64, ge=16, le=1024, multiple_of=TUBELET_SIZE)
    frame_width: int = Field(112, ge=16, le=1024, multiple_of=TUBELET_SIZE)
    mlp_ratio: float = Field(4.0, gt=0, le=16)
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_divide_width(self) -> "VideoEncoderConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self

    @property
    def frame_size(self) -> tuple[int, int]:
        """Height and width of a frame in pixels."""
        return self.frame_height, self.frame_width


VIDEO_ENCODER_SIZES: Final[dict[str, VideoEncoderConfig]] = {
    "tiny": VideoEncoderConfig(depth=2, heads=3, width=96, frame_height=48, frame_width=80),
    "small": VideoEncoderConfig(depth=4, heads=3, width=192, frame_height=64, frame_width=112),
    "paper": VideoEncoderConfig(
        depth=12, heads=12, width=EMBEDDING_WIDTH, frame_height=144, frame_width=256
    ),
}


class VideoEncoder(nn.Module):
    """ViViT (model 1: joint space-time attention) on windows of 10 frames (PADAM §4.1).

    Tubelets of 2×16×16 give 5 time steps × (height/16 · width/16) tokens; the mean over space
    leaves 5 embeddings of 384 a window. Other widths end in a linear projection to 384.
    """

    def __init__(self, config: VideoEncoderConfig | None = None) -> None:
        super().__init__()
        self.config = config or VideoEncoderConfig()
        width = self.config.width
        rows, columns = (size // TUBELET_SIZE for size in self.config.frame_size)
        self.tubelets = nn.Linear(3 * TUBELET_FRAMES * TUBELET_SIZE**2, width)
        self.positions = nn.Parameter(torch.empty(1, TIME_STEPS * rows * columns, width))
        self.blocks = nn.ModuleList(
            TransformerBlock(width, self.config.heads, self.config.mlp_ratio, self.config.dropout)
            for _ in range(self.config.depth)
        )
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.projection: nn.Module = (
            nn.Identity() if width == EMBEDDING_WIDTH else nn.Linear(width, EMBEDDING_WIDTH)
        )
        self.apply(initialise)
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, frames: Tensor) -> Tensor:
        """Return embeddings (B, 5·k, 384) of ``frames`` (B, 10·k, 3, height, width) at 25 fps.

        Frames are RGB, uint8 or float in [0, 1]. Raises ValueError for another shape.
        """
        tokens = self.tubelets(self._cut_tubelets(frames)) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        steps = self.norm(tokens).unflatten(1, (TIME_STEPS, -1)).mean(dim=2)
        embeddings: Tensor = self.projection(steps)
        return embeddings.reshape(frames.shape[0], -1, EMBEDDING_WIDTH)

    def _cut_tubelets(self, frames: Tensor) -> Tensor:
        """Return (B·k, 5 · rows · columns, 1536) pixel values in [-1, 1]."""
        height, width = self.config.frame_size
        count = frames.shape[1] if frames.ndim == 5 else 0
        if frames.shape[2:] != (3, height, width) or not count or count % WINDOW_VIDEO_FRAMES:
            raise ValueError(
                f"Frames have shape {tuple(frames.shape)}; expected (batch, frames, 3, {height}, "
                f"{width}) with a whole number of {WINDOW_VIDEO_FRAMES}-frame windows."
            )
        scale = 127.5 if frames.dtype == torch.uint8 else 0.5
        pixels = frames.to(self.positions.dtype) / scale - 1.0
        rows, columns = height // TUBELET_SIZE, width // TUBELET_SIZE
        grid = pixels.reshape(
            -1, TIME_STEPS, TUBELET_FRAMES, 3, rows, TUBELET_SIZE, columns, TUBELET_SIZE
        )
        return grid.permute(0, 1, 4, 6, 2, 3, 5, 7).flatten(4).flatten(1, 3)
