"""Essentia's audio problem detectors as a baseline: the more they find, the more defective.

Each looks for one kind of flaw by signal processing (Alonso-Jiménez et al., AES 146, 2019).
Essentia is under the AGPL: an optional extra, imported only where this scorer is made.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.audio import Audio
from padam.detection.operating_point import OperatingPoint
from padam.detection.scorers.base import score_in_batches
from padam.detection.segments import SEGMENT_S
from padam.quality.base import Signal
from padam.quality.guards import unscorable_channel
from padam.quality.installed_weights import ExtraMissingError

FOUND_PREFIX = "found_"
DETECTORS = ("clicks", "discontinuities", "gaps", "hum", "noise_bursts", "saturation")
# The length that the detectors expect, and half of it as the step
FRAME, GAPS_FRAME = 512, 2048
# The default of 10 s finds no hum in a segment as long as that.
HUM_WINDOW_S = 5.0


class EssentiaMissingError(ExtraMissingError):
    """Essentia is not installed."""


class EssentiaScorer:
    """What six detectors find in each segment and channel at the file's own rate, 0 or more.

    The score is Σ log(1 + n) over the detectors, so that none drowns the others; n, in columns
    `found_<detector>`, counts clicks, discontinuities, gaps and saturated stretches, the frames of
    512 samples with noise bursts, and for hum its seconds weighted by its salience (0 to 1). All
    are NaN where a channel is silent or not sound. Raises EssentiaMissingError without Essentia.
    """

    name = "essentia"
    segment_s = SEGMENT_S
    run_id: str | None = None
    operating_point: OperatingPoint | None = None

    def __init__(self, sample_rate: int = 48_000) -> None:
        if sample_rate <= 0:
            raise ValueError(f"sample_rate {sample_rate} must be positive")
        self.sample_rate = sample_rate
        self._essentia = _standard_mode()
        self.version = version("essentia")

    def score(self, blocks: Iterable[Audio]) -> pd.DataFrame:
        """Columns start_s, end_s, channel, score, found_<detector> …; see `Scorer.score`."""
        return score_in_batches(blocks, self.sample_rate, self._score_rows, batch_segments=1)

    def find(self, samples: Signal) -> dict[str, float]:
        """What each detector finds in one channel (samples,), finite, of 0.5 s or more."""
        rate, essentia = self.sample_rate, self._essentia
        samples = np.ascontiguousarray(samples, dtype=np.float32)
        # Made anew, since they carry state from frame to frame.
        clicks = essentia.ClickDetector(sampleRate=rate, frameSize=FRAME, hopSize=FRAME // 2)
        steps = essentia.DiscontinuityDetector(frameSize=FRAME, hopSize=FRAME // 2)
        bursts = essentia.NoiseBurstDetector()
        saturation = essentia.SaturationDetector(
            sampleRate=rate, frameSize=FRAME, hopSize=FRAME // 2
        )
        gaps = essentia.GapsDetector(sampleRate=rate, frameSize=GAPS_FRAME, hopSize=GAPS_FRAME // 2)
        found = dict.fromkeys(DETECTORS, 0.0)
        for frame in self._frames(samples, FRAME):
            found["clicks"] += len(clicks(frame)[0])
            found["discontinuities"] += len(steps(frame)[0])
            found["noise_bursts"] += len(bursts(frame)) > 0
            found["saturation"] += len(saturation(frame)[0])
        for frame in self._frames(samples, GAPS_FRAME):
            found["gaps"] += len(gaps(frame)[0])
        hum = essentia.HumDetector(sampleRate=rate, timeWindow=HUM_WINDOW_S)
        _, _, saliences, starts, ends = hum(samples)
        found["hum"] = float(np.sum(saliences * (ends - starts)))
        return found

    def _frames(self, samples: Signal, length: int) -> Iterator[Signal]:
        frames: Iterator[Signal] = self._essentia.FrameGenerator(
            samples, frameSize=length, hopSize=length // 2, startFromZero=True
        )
        return frames

    def _score_rows(self, rows: Audio) -> dict[str, npt.NDArray[np.floating]]:
        table = np.full((len(rows), len(DETECTORS)), np.nan)
        for number, row in enumerate(rows):
            # The detector of hum never returns from NaN.
            if not np.isfinite(row).all():
                continue
            limited = np.clip(row, -1, 1)
            if unscorable_channel(limited, self.sample_rate) is None:
                table[number] = list(self.find(limited).values())
        columns: dict[str, npt.NDArray[np.floating]] = {"score": np.log1p(table).sum(axis=1)}
        return columns | {f"{FOUND_PREFIX}{name}": table[:, n] for n, name in enumerate(DETECTORS)}


def _standard_mode() -> Any:
    try:
        essentia = importlib.import_module("essentia")
    except ImportError:
        raise EssentiaMissingError(
            "essentia", "Essentia is not installed: pip install 'padam[essentia]' (AGPL)"
        ) from None
    # It tells of models that are not asked for, and of every segment without hum.
    essentia.log.infoActive = False
    essentia.log.warningActive = False
    return importlib.import_module("essentia.standard")
