"""SCOREQ as a baseline scorer: score = −MOS, so that greater is more defective.

The published network without reference, for natural speech (Ragano, Skoglund and Hines, NeurIPS
2024), as its authors export it to ONNX. The weights are not ours to ship: they come from a path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pandas as pd

from padam.audio import Audio
from padam.detection.operating_point import OperatingPoint
from padam.detection.scorers.base import score_in_batches
from padam.detection.segments import SEGMENT_S
from padam.quality.base import Signal
from padam.quality.guards import unscorable_channel
from padam.quality.installed_weights import WeightsAbsentError, WeightsError

STRIDE = 320
"""Samples that the network's convolutions step over; a signal is filled up to a multiple."""
_SOURCE = "get it by `padam weights fetch scoreq`"


class ScoreqScorer:
    """Overall quality of each segment and channel at 16 kHz, negated: about -5 to -1.

    NaN where a channel is silent or not sound. Raises WeightsError where `weights` are missing, are
    not those of `sha256`, or are no network that takes one signal and gives one number.
    """

    name = "scoreq"
    sample_rate = 16_000
    segment_s = SEGMENT_S
    run_id: str | None = None
    operating_point: OperatingPoint | None = None

    def __init__(self, weights: str | Path, *, sha256: str | None = None) -> None:
        path = Path(weights)
        digest = _digest(path)
        if sha256 is not None and digest != sha256:
            raise WeightsError(f"{path}: sha256 is {digest}, expected {sha256}; {_SOURCE}")
        self.version = digest[:16]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        try:
            # by its path, since weights above 2 GB or beside the file are found by it
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has an error of its own for each kind of damage
            raise WeightsError(f"{path}: cannot be read as ONNX ({error}); {_SOURCE}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 2:
            raise WeightsError(f"{path}: does not take one signal (1, samples); {_SOURCE}")
        self._input = inputs[0].name

    def score(self, blocks: Iterable[Audio]) -> pd.DataFrame:
        """Columns start_s, end_s, channel, score; see `Scorer.score`."""
        return score_in_batches(blocks, self.sample_rate, self._score_rows, batch_segments=1)

    def rate(self, samples: Signal) -> float:
        """MOS, about 1 to 5, of one channel at 16 kHz."""
        missing = -samples.size % STRIDE
        signal = np.pad(np.asarray(samples, dtype=np.float32), (0, missing))
        found = self._session.run(None, {self._input: signal[None]})[0]
        return float(np.asarray(found).item())

    def _score_rows(self, rows: Audio) -> dict[str, npt.NDArray[np.floating]]:
        values = np.full(len(rows), np.nan)
        for number, row in enumerate(rows):
            if not np.isfinite(row).all():
                continue
            # Resampling overshoots full scale; a player would clip it.
            limited = np.clip(row, -1, 1)
            if unscorable_channel(limited, self.sample_rate) is None:
                values[number] = -self.rate(limited)
        return {"score": values}


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise WeightsAbsentError(f"{path}: cannot be read ({error.strerror}); {_SOURCE}") from error
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); {_SOURCE}") from error
