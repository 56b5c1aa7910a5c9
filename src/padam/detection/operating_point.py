"""Operating point: the threshold and temporal filter with which a scorer decides on titles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.detection import matching
from padam.detection.temporal_filter import (
    NO_FILTER,
    TemporalFilter,
    filter_segments,
    fullest_windows,
)


@dataclass(frozen=True)
class OperatingPoint:
    """Threshold and temporal filter with which a scorer decides on a title."""

    threshold: float
    filter: TemporalFilter = NO_FILTER


@dataclass(frozen=True)
class TitleScores:
    """The segments of one scorer in one split, sorted by title and time."""

    titles: npt.NDArray[np.object_]
    times: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    truth: npt.NDArray[np.bool_]
    bounds: npt.NDArray[np.int64]  # rows of title i: bounds[i] … bounds[i + 1]

    @classmethod
    def of(cls, rows: pd.DataFrame, labels: pd.DataFrame) -> TitleScores:
        """Sort the rows of one scorer and split, and match them with the labels."""
        rows = rows.sort_values(["title", "start_s"], kind="stable").reset_index(drop=True)
        titles = rows["title"].to_numpy(dtype=object)
        changes = np.flatnonzero(titles[1:] != titles[:-1]) + 1
        return cls(
            titles,
            rows[["start_s", "end_s"]].to_numpy(dtype=np.float64),
            rows["score"].to_numpy(dtype=np.float64),
            matching.segment_truth(rows, labels),
            np.concatenate([[0], changes, [len(rows)]]),
        )

    @property
    def slices(self) -> list[slice]:
        """Rows of each title."""
        return [slice(a, b) for a, b in zip(self.bounds[:-1], self.bounds[1:], strict=True)]

    def detections(self, point: OperatingPoint) -> npt.NDArray[np.bool_]:
        """Segments flagged and kept by the filter at an operating point."""
        flags = self.scores >= point.threshold
        kept = [
            filter_segments(flags[s], self.times[s], point.filter.x_s, point.filter.y_s)
            for s in self.slices
        ]
        return np.concatenate(kept)

    def sum_by_title(self, values: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """How many segments of each title are set."""
        return np.add.reduceat(values.astype(np.int64), self.bounds[:-1])


def tune_titles(
    split: TitleScores, filters: Sequence[TemporalFilter], threshold_candidates: int = 150
) -> OperatingPoint:
    """Joint search of x, y and threshold for the greatest title-level F1 (PADAM §5.1).

    A title counts as found when a kept detection overlaps a label, as falsely detected when
    something is kept but nothing overlaps. Of equally good points the weakest filter is taken, and
    the middle of its equally good thresholds. A threshold of NaN, which flags nothing, where no
    title is defective.
    """
    actual = int((split.sum_by_title(split.truth) > 0).sum())
    thresholds = _threshold_candidates(split.scores, threshold_candidates)
    if actual == 0 or len(thresholds) == 0:
        return OperatingPoint(float("nan"))
    found = np.zeros((len(filters), len(thresholds)), dtype=np.int64)
    predicted = np.zeros_like(found)
    windows = sorted({f.y_s for f in filters})
    for s in split.slices:
        flags = split.scores[s][None] >= thresholds[:, None]
        for y_s in windows:
            most, most_true = fullest_windows(flags, split.times[s], split.truth[s], y_s)
            for index, each in enumerate(filters):
                if each.y_s == y_s:
                    least = each.x_s - 1e-6
                    predicted[index] += most >= least
                    found[index] += most_true >= least
    f1 = 2 * found / (predicted + actual)
    best = int(np.argmax(f1.max(axis=1)))
    ties = np.flatnonzero(f1[best] == f1[best].max())
    return OperatingPoint(float(thresholds[ties[len(ties) // 2]]), filters[best])


def _threshold_candidates(scores: npt.NDArray[np.float64], limit: int) -> npt.NDArray[np.float64]:
    """Distinct scores, highest first; beyond `limit` by rank, finest at the top.

    Defects are rare, so the threshold lies among the highest scores.
    """
    ranked = np.unique(scores[~np.isnan(scores)])[::-1]
    if len(ranked) <= limit:
        return ranked
    ranks = np.geomspace(1, len(ranked), limit).round().astype(int) - 1
    return np.asarray(ranked[np.unique(ranks)])


def title_scores(test: TitleScores, using: TemporalFilter) -> npt.NDArray[np.float64]:
    """The highest threshold at which each title is still flagged; NaN for a title never flagged."""
    result = np.full(len(test.bounds) - 1, np.nan)
    for index, s in enumerate(test.slices):
        thresholds = np.unique(test.scores[s][~np.isnan(test.scores[s])])[::-1]
        if len(thresholds):
            flags = test.scores[s][None] >= thresholds[:, None]
            most, _ = fullest_windows(flags, test.times[s], test.truth[s], using.y_s)
            flagged = most >= using.x_s - 1e-6
            if flagged.any():
                result[index] = thresholds[np.argmax(flagged)]
    return result
