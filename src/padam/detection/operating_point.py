"""Operating point: the threshold and temporal filter with which a scorer decides on titles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    """Threshold and temporal filter with which a scorer decides on a title.

    `name` is that of a point that was asked for by name.
    """

    threshold: float
    filter: TemporalFilter = NO_FILTER
    name: str | None = None


@dataclass(frozen=True)
class TitleScores:
    """The segments of one scorer in one split, sorted by title and time.

    `index` is the title of each segment, as its place in `names`; a title may have no segment.
    `defective` (titles,) says which have a label, also one that no segment overlaps.
    """

    names: tuple[str, ...]
    index: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    truth: npt.NDArray[np.bool_]
    defective: npt.NDArray[np.bool_]
    bounds: npt.NDArray[np.int64]  # rows of title i: bounds[i] … bounds[i + 1]

    @classmethod
    def of(
        cls, rows: pd.DataFrame, labels: pd.DataFrame, names: Iterable[str] | None = None
    ) -> TitleScores:
        """Sort the rows of one scorer and split, and match them with the labels.

        `names` are the titles of the split, those of the rows unless given. Raises ValueError for
        a row of another title.
        """
        known = pd.Index(
            sorted({str(name) for name in (rows["title"] if names is None else names)})
        )
        index = known.get_indexer(pd.Index(rows["title"].astype(str)))
        if (index < 0).any():
            other = rows["title"].astype(str).to_numpy()[index < 0][0]
            raise ValueError(f"there are scores of '{other}', which is no title of this split")
        order = np.lexsort((rows["start_s"].to_numpy(dtype=np.float64), index))
        index = index[order].astype(np.int64)
        bounds = np.searchsorted(index, np.arange(len(known) + 1))
        times = rows[["start_s", "end_s"]].to_numpy(dtype=np.float64)[order]
        return cls(
            tuple(known),
            index,
            times,
            rows["score"].to_numpy(dtype=np.float64)[order],
            matching.sorted_truth(times, bounds, known, labels),
            known.isin(labels["title"].astype(str)),
            bounds,
        )

    def overlapping(self, labels: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Which segments overlap one of these labels."""
        return self.overlapped_s(labels) > 0

    def overlapped_s(self, labels: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Seconds of each segment that the longest lasting label in it overlaps."""
        return matching.sorted_overlaps(self.times, self.bounds, pd.Index(self.names), labels)

    @property
    def slices(self) -> list[slice]:
        """Rows of each title."""
        return [slice(a, b) for a, b in zip(self.bounds[:-1], self.bounds[1:], strict=True)]

    @property
    def scored(self) -> npt.NDArray[np.bool_]:
        """Which segments the scorer could judge."""
        return ~np.isnan(self.scores)

    def detections(self, point: OperatingPoint) -> npt.NDArray[np.bool_]:
        """Segments flagged and kept by the filter at an operating point."""
        flags = self.scores >= point.threshold
        kept = [
            filter_segments(flags[s], self.times[s], point.filter.x_s, point.filter.y_s)
            for s in self.slices
        ]
        return np.concatenate(kept) if kept else np.zeros(0, dtype=bool)

    def sum_by_title(self, values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
        """Sum over the segments of each title, (titles,)."""
        weights = np.asarray(values, dtype=np.float64)
        sums = np.bincount(self.index, weights=weights, minlength=len(self.names))
        return sums.astype(np.float64)


@dataclass(frozen=True)
class FilterSearch:
    """F1 of titles (filters, thresholds) at every filter and threshold that was tried."""

    filters: tuple[TemporalFilter, ...]
    thresholds: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]

    @property
    def best(self) -> OperatingPoint:
        """Of equally good points the weakest filter, and the middle of its equal thresholds.

        A threshold of NaN, which flags nothing, where there was nothing to tune on.
        """
        if not self.f1.size:
            return OperatingPoint(float("nan"))
        best = int(np.argmax(self.f1.max(axis=1)))
        ties = np.flatnonzero(self.f1[best] == self.f1[best].max())
        return OperatingPoint(float(self.thresholds[ties[len(ties) // 2]]), self.filters[best])

    def surface(self) -> pd.DataFrame:
        """A row per filter: x_s, y_s, and the greatest F1 with the threshold that gives it."""
        rows = []
        for using, f1 in zip(self.filters, self.f1, strict=True):
            threshold = FilterSearch((using,), self.thresholds, f1[None]).best.threshold
            rows.append((using.x_s, using.y_s, threshold, f1.max() if f1.size else np.nan))
        return pd.DataFrame(rows, columns=["x_s", "y_s", "threshold", "f1"])


def search_filters(
    split: TitleScores, filters: Sequence[TemporalFilter], threshold_candidates: int = 150
) -> FilterSearch:
    """Title-level F1 of every filter with every threshold, on all titles of a split (PADAM §5.1).

    A title counts as found when a kept detection overlaps a label, as falsely detected when
    something is kept but nothing overlaps. Nothing is searched where no title is defective.
    """
    actual = int(split.defective.sum())
    thresholds = _threshold_candidates(split.scores, threshold_candidates)
    if actual == 0 or len(thresholds) == 0:
        return FilterSearch(tuple(filters), thresholds, np.zeros((len(filters), 0)))
    found = np.zeros((len(filters), len(thresholds)), dtype=np.int64)
    predicted = np.zeros_like(found)
    windows = sorted({f.y_s for f in filters})
    for s in split.slices:
        flags = split.scores[s][None] >= thresholds[:, None]
        # Most thresholds lie between two scores of this title, where they flag the same.
        _, first, same = np.unique(flags.sum(axis=1), return_index=True, return_inverse=True)
        if not flags.any():
            continue
        for y_s in windows:
            most, most_true = (
                values[same]
                for values in fullest_windows(flags[first], split.times[s], split.truth[s], y_s)
            )
            for index, each in enumerate(filters):
                if each.y_s == y_s:
                    least = each.x_s - 1e-6
                    predicted[index] += most >= least
                    found[index] += most_true >= least
    return FilterSearch(tuple(filters), thresholds, 2 * found / (predicted + actual))


def tune_titles(
    split: TitleScores, filters: Sequence[TemporalFilter], threshold_candidates: int = 150
) -> OperatingPoint:
    """Joint search of x, y and threshold for the greatest title-level F1 (PADAM §5.1)."""
    return search_filters(split, filters, threshold_candidates).best


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
    result = np.full(len(test.names), np.nan)
    for index, s in enumerate(test.slices):
        thresholds = np.unique(test.scores[s][~np.isnan(test.scores[s])])[::-1]
        if len(thresholds):
            flags = test.scores[s][None] >= thresholds[:, None]
            most, _ = fullest_windows(flags, test.times[s], test.truth[s], using.y_s)
            flagged = most >= using.x_s - 1e-6
            if flagged.any():
                result[index] = thresholds[np.argmax(flagged)]
    return result
