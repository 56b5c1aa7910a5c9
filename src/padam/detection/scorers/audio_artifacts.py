"""Audio Artifacts (AA) as a scorer: a segment is as defective as its worst chunk.

AA decides on chunks of 1 s; PADAM §5 says that it has 2 s. CNN6 takes either.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.audio import Audio
from padam.defects.audio_artifacts.config import CLASSES, SAMPLE_RATE
from padam.detection.operating_point import OperatingPoint
from padam.detection.scorers.base import PROBABILITY_PREFIX, score_in_batches
from padam.detection.scorers.padam import only_where
from padam.detection.segments import SEGMENT_S, SILENCE
from padam.models.cnn6 import Cnn6
from padam.training.artifact_chunks import chunk_log_mel
from padam.training.artifact_evaluation import classify

DEFECT_OF: Final = {"hum": "hum", "hiss": "hiss", "distortion": "clipping", "click": "clicks"}
"""The defect of PADAM that each of AA's classes is."""


class AudioArtifactsScorer:
    """Score 1 - p(no defect) of a segment's worst chunk, in [0, 1]; NaN if silent or not finite.

    p_hum, p_hiss, p_clipping and p_clicks are each class's greatest probability in the segment.
    """

    name = "audio_artifacts"
    sample_rate = SAMPLE_RATE
    segment_s = SEGMENT_S

    def __init__(
        self,
        model: Cnn6,
        *,
        chunk_s: float | None = None,
        run_id: str | None = None,
        operating_point: OperatingPoint | None = None,
        batch_segments: int = 6,
    ) -> None:
        """Score with `model`, in chunks of `chunk_s`: as it was trained unless told otherwise.

        Raises ValueError where a segment is no whole number of chunks.
        """
        self.chunk_s = model.config.chunk_s if chunk_s is None else chunk_s
        count = self.segment_s / self.chunk_s if self.chunk_s > 0 else 0.0
        if count < 1 or abs(count - round(count)) > 1e-9:
            raise ValueError(
                f"chunk_s is {self.chunk_s}; a segment of {self.segment_s:g} s must be a whole "
                "number of chunks, as of 1 s or 2 s"
            )
        self.model = model
        self.run_id = run_id
        self.version = run_id or "untrained"
        self.operating_point = operating_point
        self._chunks = round(count)
        self._batch_segments = batch_segments

    def score(self, blocks: Iterable[Audio]) -> pd.DataFrame:
        """Columns start_s, end_s, channel, score, p_<defect> …; see `Scorer.score`."""
        return score_in_batches(
            blocks, self.sample_rate, self._score_rows, batch_segments=self._batch_segments
        )

    def _score_rows(self, rows: Audio) -> dict[str, npt.NDArray[np.floating]]:
        finite = np.asarray(np.isfinite(rows).all(axis=1))
        usable = np.where(finite[:, None], rows, 0)
        judged = np.abs(usable).max(axis=1, initial=0) > SILENCE
        chunks = usable.reshape(len(rows) * self._chunks, -1)
        by_chunk = classify(self.model, chunk_log_mel(chunks))
        greatest = by_chunk.reshape(len(rows), self._chunks, -1).max(axis=1)
        clean = by_chunk[:, 0].reshape(len(rows), self._chunks).min(axis=1)
        columns: dict[str, npt.NDArray[np.floating]] = {"score": 1 - clean.astype(np.float64)}
        for number, name in enumerate(CLASSES):
            if name in DEFECT_OF:
                columns[f"{PROBABILITY_PREFIX}{DEFECT_OF[name]}"] = greatest[:, number]
        return only_where(judged, columns)
