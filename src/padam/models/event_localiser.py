"""Event localiser: in which 0.4 s of a flagged segment a defect is heard (our extension).

The classifier was fitted on 10 s, so what it says of shorter windows is their segment's verdict
more than their own. This network looks at the native-rate evidence of short windows and at how each
differs from those around it: a stack of dilated convolutions over time, as in temporal
convolutional networks (Bai et al., 2018), over a segment and the two beside it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from padam.models.native_evidence.windows import WINDOW_NAMES, WINDOWS_VERSION

WINDOWS: Final = 25
"""Windows of 0.4 s in a segment of 10 s."""
ROWS_AT_ONCE: Final = 256
_FARTHEST: Final = 6.0
"""Standard deviations that a value counts at the most."""


class EventLocaliserConfig(BaseModel):
    """Size of the localiser, and the evidence that it was made for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(48, ge=1, le=1024)
    dilations: tuple[int, ...] = Field((1, 2, 4, 8), min_length=1, description="one a block")
    dropout: float = Field(0.4, ge=0, lt=1)
    windows: str = Field(WINDOWS_VERSION, description="version of the evidence of the windows")


class EventLocaliser(nn.Module):
    """Logits of each window of a sequence, from its evidence and that of the windows around it."""

    def __init__(self, config: EventLocaliserConfig | None = None) -> None:
        super().__init__()
        self.config = config or EventLocaliserConfig()
        features, width, dropout = len(WINDOW_NAMES), self.config.width, self.config.dropout
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.dropout = nn.Dropout(dropout)
        self.first = nn.Conv1d(2 * features + 1, width, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(nn.GELU(), nn.Dropout(dropout)),
                nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation),
                *(nn.GELU(), nn.Dropout(dropout)),
                nn.Conv1d(width, width, 1),
            )
            for dilation in self.config.dilations
        )
        self.last = nn.Sequential(nn.GELU(), nn.Conv1d(width, 1, 1))

    def forward(self, windows: Tensor, heard: Tensor) -> Tensor:
        """Return logits (B, T) of evidence (B, T, F); `heard` (B, T) is 0 where there is none.

        Beside each standardised value stands how far it lies from the median of the sequence.
        """
        known = heard[..., None] > 0
        values = (windows - self.mean) / self.scale
        median = torch.where(known, values, torch.nan).nanmedian(dim=1, keepdim=True).values
        joined = torch.cat([values, values - median], dim=-1).clamp(-_FARTHEST, _FARTHEST)
        joined = torch.where(known, joined, 0.0)
        present = known.to(joined.dtype)
        hidden = self.first(torch.cat([self.dropout(joined), present], dim=-1).transpose(1, 2))
        for block in self.blocks:
            hidden = hidden + block(hidden) * present.transpose(1, 2)
        logits: Tensor = self.last(hidden)[:, 0]
        return logits

    def probabilities(
        self, windows: npt.NDArray[np.float32], heard: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.float64]:
        """Return in [0, 1] how surely a defect is heard in each window.

        windows: (B, T, F), heard: (B, T). The result is (B, T), NaN where nothing was heard. The
        network is to be in evaluation mode.
        """
        parts = [np.zeros((0, windows.shape[1]))]
        with torch.inference_mode():
            for first in range(0, len(windows), ROWS_AT_ONCE):
                rows = slice(first, first + ROWS_AT_ONCE)
                logits = self(torch.from_numpy(windows[rows]), torch.from_numpy(heard[rows]))
                parts.append(torch.sigmoid(logits).double().numpy())
        return np.where(heard, np.concatenate(parts), np.nan)
