"""Scorer: the one interface of PADAM, its ablations and every baseline.

A scorer takes the consecutive blocks of a title and gives one row per segment and channel. To
evaluation and detection all scorers are alike: the greater the score, the more defective.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.audio import Audio
from padam.detection.operating_point import OperatingPoint
from padam.detection.review_volume import ReviewPoint
from padam.detection.segments import SEGMENT_S, Segment, iter_segments

SEGMENT_COLUMNS = ["start_s", "end_s", "channel", "score"]
PROBABILITY_PREFIX = "p_"
EVIDENCE_PREFIX = "e_"
EVIDENCE_S = 0.4
FIRST_ROWS = 4096
"""Room for two hours of five channels; what is not used of it takes no memory."""

BatchScore = Callable[[Audio], dict[str, npt.NDArray[np.floating]]]


@runtime_checkable
class Scorer(Protocol):
    """What evaluation and detection know of a system."""

    name: str
    version: str
    sample_rate: int
    segment_s: float
    run_id: str | None

    @property
    def operating_point(self) -> OperatingPoint | None:
        """The decision that belongs to the model, where it has one."""
        ...

    def score(self, blocks: Iterable[Audio]) -> pd.DataFrame:
        """Rows (start_s, end_s, channel, score[, p_<defect> …, e_<n> …]) of consecutive blocks.

        Blocks are (channels, samples) at `sample_rate`, of any length. A greater score is more
        defective; NaN where the scorer could not judge. e_0, e_1, … are the scores of what was
        heard in each 0.4 s of the segment, and tell where in it a defect lies. A scorer that stands
        for several systems which share their work adds a column `scorer`.
        """
        ...


@runtime_checkable
class NativeRateScorer(Scorer, Protocol):
    """A scorer that may hear more at a source's own rate."""

    def at_rate(self, sample_rate: int) -> Scorer:
        """Return the scorer of a source of that rate; its `sample_rate` is that of its blocks."""
        ...


@runtime_checkable
class PackagedScorer(Scorer, Protocol):
    """A scorer that decides with a packaged model, which may have operating points by name."""

    model_name: str | None
    model_sha256: str | None
    review_points: Mapping[str, ReviewPoint]


@runtime_checkable
class LocalisingScorer(Scorer, Protocol):
    """A scorer that may give evidence of flagged segments only, sharper than its scores."""

    @property
    def localises(self) -> bool:
        """Whether it does."""
        ...

    def at_threshold(self, threshold: float) -> Scorer:
        """Return the scorer to which segments are flagged from that score on."""
        ...


def score_in_batches(
    blocks: Iterable[Audio],
    sample_rate: int,
    score_batch: BatchScore,
    *,
    segment_s: float = SEGMENT_S,
    batch_segments: int = 6,
) -> pd.DataFrame:
    """Cut blocks into segments and score (rows, samples) of `batch_segments` segments at a time.

    `score_batch` returns named columns, each (rows,); a row is one channel of one segment.
    """
    table = ScoreTable()
    batch: list[Segment] = []
    for segment in iter_segments(blocks, sample_rate, segment_s):
        batch.append(segment)
        if len(batch) == batch_segments:
            table.append(_score_rows(batch, score_batch))
            batch = []
    if batch:
        table.append(_score_rows(batch, score_batch))
    return table.frame()


def _score_rows(batch: Sequence[Segment], score_batch: BatchScore) -> pd.DataFrame:
    times = np.array([(segment.start_s, segment.end_s) for segment in batch])
    rows = np.concatenate([segment.audio for segment in batch], axis=0)
    return segment_rows(times, batch[0].audio.shape[0], score_batch(rows))


def segment_rows(
    times: npt.NDArray[np.float64], channels: int, columns: dict[str, npt.NDArray[np.floating]]
) -> pd.DataFrame:
    """Table of segments at `times` (S, 2), with a row for each of their channels.

    `columns` hold S · channels values, the channels of a segment next to each other.
    """
    return pd.DataFrame(
        {
            "start_s": np.repeat(times[:, 0], channels),
            "end_s": np.repeat(times[:, 1], channels),
            "channel": np.tile(np.arange(channels), len(times)),
            **columns,
        }
    )


class ScoreTable:
    """Rows of one batch after the other, numbers only, kept in one array.

    A table for each batch would lie among the large arrays of the scoring, as islands that keep the
    heap from using the space around them again: two hours took 230 MB more than 20 minutes.
    """

    def __init__(self) -> None:
        self._count = 0
        self._values: npt.NDArray[np.float64] = np.empty((0, 0))
        self._empty = pd.DataFrame(columns=SEGMENT_COLUMNS)

    def append(self, rows: pd.DataFrame) -> None:
        """Add rows; all batches have the columns of the first, KeyError for one that lacks some."""
        if not self._count:
            self._empty = rows.iloc[:0].copy()
            self._values = np.empty((FIRST_ROWS, rows.shape[1]))
        count = self._count + len(rows)
        if count > len(self._values):
            grown = np.empty((2 * count, self._values.shape[1]))
            grown[: self._count] = self._values[: self._count]
            self._values = grown
        self._values[self._count : count] = rows[list(self._empty.columns)].to_numpy(np.float64)
        self._count = count

    def frame(self) -> pd.DataFrame:
        """All rows as a table with the types of the first batch's columns."""
        if not self._count:
            return self._empty
        rows = pd.DataFrame(self._values[: self._count], columns=self._empty.columns)
        return rows.astype(self._empty.dtypes.to_dict())


def worst_channel(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per segment with the score of its worst channel; NaN only if no channel was scored.

    Columns that tell segments apart (scorer, split, title) are kept where present.
    """
    keys = [name for name in ("scorer", "split", "title") if name in scores.columns]
    keys += ["start_s", "end_s"]
    return scores.groupby(keys, sort=False)["score"].max().reset_index()


def evidence_columns(scores: pd.DataFrame) -> list[str]:
    """Return the columns of the evidence in order of time; none where the scorer gives none."""
    names = (str(name) for name in scores.columns if str(name).startswith(EVIDENCE_PREFIX))
    return sorted(names, key=lambda name: int(name.removeprefix(EVIDENCE_PREFIX)))
