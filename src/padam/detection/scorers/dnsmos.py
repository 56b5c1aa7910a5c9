"""DNSMOS P.835 as a baseline scorer: score = −OVRL, so that greater is more defective."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.audio import Audio
from padam.detection.operating_point import OperatingPoint
from padam.detection.scorers.base import score_in_batches
from padam.detection.segments import SEGMENT_S
from padam.quality.dnsmos import Dnsmos


class DnsmosScorer:
    """Overall quality (OVRL) of each segment and channel, negated: from -5 to -1; NaN if silent."""

    name = "dnsmos"
    sample_rate = 16_000
    segment_s = SEGMENT_S
    run_id: str | None = None
    operating_point: OperatingPoint | None = None

    def __init__(self) -> None:
        self.version = version("speechmos")
        self._metric = Dnsmos()

    def score(self, blocks: Iterable[Audio]) -> pd.DataFrame:
        """Columns start_s, end_s, channel, score; see `Scorer.score`."""
        return score_in_batches(blocks, self.sample_rate, self._score_rows, batch_segments=1)

    def _score_rows(self, rows: Audio) -> dict[str, npt.NDArray[np.floating]]:
        # Resampling overshoots full scale, which the metric refuses; a player would clip it.
        limited = np.clip(rows, -1, 1)
        # No reference is needed: the metric looks at the degraded signal alone.
        values = [self._metric.score(row, row).value for row in limited]
        return {"score": -np.asarray(values, dtype=np.float64)}
