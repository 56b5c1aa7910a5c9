"""NISQA v2 as a baseline scorer: score = −MOS, so that greater is more defective.

Torchmetrics' network and features (Mittag et al., Interspeech 2021) with the published weights,
which are not ours to ship (CC BY-NC-SA): they come from a path, and nothing is downloaded.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from padam.audio import Audio
from padam.detection.operating_point import OperatingPoint
from padam.detection.scorers.base import score_in_batches
from padam.detection.segments import SEGMENT_S
from padam.quality.base import Signal
from padam.quality.guards import unscorable_channel
from padam.quality.installed_weights import ExtraMissingError, read_checked
from padam.weights.known import NISQA_SHA256

DIMENSIONS = ("mos", "noisiness", "discontinuity", "coloration", "loudness")
_SOURCE = "get it by `padam weights fetch nisqa`, or from github.com/gabrielmittag/NISQA"


class NisqaScorer:
    """Overall quality of each segment and channel at 48 kHz, negated: about -5 to -1.

    The other dimensions are columns of their own, as NISQA gives them: noisiness, discontinuity,
    coloration, loudness. All are NaN where a channel is silent or not sound. Raises WeightsError
    where `weights` are missing or not the published ones, or torchmetrics or librosa is missing.
    """

    name = "nisqa"
    sample_rate = 48_000
    segment_s = SEGMENT_S
    run_id: str | None = None
    operating_point: OperatingPoint | None = None

    def __init__(self, weights: str | Path) -> None:
        content = read_checked(Path(weights), NISQA_SHA256, remedy=_SOURCE)
        self._nisqa = _torchmetrics_nisqa()
        self.version = f"2.0 torchmetrics {version('torchmetrics')}"
        checkpoint = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        self._settings: dict[str, Any] = checkpoint["args"]
        # Its public function finds the weights by a global folder, and where they are not there
        # downloads them unchecked: so the network is built here, from what was checked.
        self._network = self._nisqa._NISQADIM(self._settings)
        self._network.load_state_dict(checkpoint["model_state_dict"], strict=True)
        self._network.eval()

    def score(self, blocks: Iterable[Audio]) -> pd.DataFrame:
        """Columns start_s, end_s, channel, score, and the other dimensions; see `Scorer.score`."""
        return score_in_batches(blocks, self.sample_rate, self._score_rows, batch_segments=1)

    def rate(self, samples: Signal) -> dict[str, float]:
        """MOS and the other dimensions, 1 to 5, of one channel at 48 kHz of 0.5 to 52 s.

        Raises RuntimeError for a signal that is longer, or shorter than 0.15 s.
        """
        mel = self._nisqa._get_librosa_melspec(samples[None], self.sample_rate, self._settings)
        windows, count = self._nisqa._segment_specs(torch.from_numpy(mel), self._settings)
        with torch.inference_mode():
            values = self._network(windows, count.expand(1))[0]
        return dict(zip(DIMENSIONS, values.tolist(), strict=True))

    def _score_rows(self, rows: Audio) -> dict[str, npt.NDArray[np.floating]]:
        table = np.full((len(rows), len(DIMENSIONS)), np.nan)
        for number, row in enumerate(rows):
            if not np.isfinite(row).all():
                continue
            # Resampling overshoots full scale; a player would clip it.
            limited = np.clip(row, -1, 1)
            if unscorable_channel(limited, self.sample_rate) is None:
                table[number] = list(self.rate(limited).values())
        columns: dict[str, npt.NDArray[np.floating]] = {"score": -table[:, 0]}
        return columns | {name: table[:, n] for n, name in enumerate(DIMENSIONS) if n}


def _torchmetrics_nisqa() -> Any:
    for package in ("librosa", "torchmetrics"):
        if find_spec(package) is None:
            raise ExtraMissingError("nisqa", f"NISQA needs {package}: pip install 'padam[nisqa]'")
    return importlib.import_module("torchmetrics.functional.audio.nisqa")
