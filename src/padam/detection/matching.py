"""Matching: scored segments against labelled defects, and the threshold that suits them best.

A segment is truly defective when it overlaps a labelled defect, however little (PADAM §5.1). A NaN
score means that the scorer could not judge the segment. It raises no detection, so a defective
segment left unscored counts as missed, and its time counts neither as clean nor as scored.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

LABEL_COLUMNS = ["title", "start_s", "end_s", "defect"]

Flags = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float64]


def longest_overlaps(
    times: npt.NDArray[np.float64], intervals: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """How long each of the times (n, 2) is shared with one of the intervals (m, 2), in s.

    The longest of them counts; 0 where none shares more than a point. An interval of NaN is none.
    """
    if len(intervals) == 0 or len(times) == 0:
        return np.zeros(len(times))
    starts, ends = times[:, :1], times[:, 1:]
    shared = np.minimum(ends, intervals[:, 1]) - np.maximum(starts, intervals[:, 0])
    return np.asarray(np.fmax.reduce(shared, axis=1, initial=0.0))


def overlaps(
    times: npt.NDArray[np.float64], intervals: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """Which of the times (n, 2) share more than a point with any of the intervals (m, 2), in s."""
    return longest_overlaps(times, intervals) > 0


def segment_truth(segments: pd.DataFrame, labels: pd.DataFrame) -> Flags:
    """Which segments (columns title, start_s, end_s) overlap a label of the same title."""
    truth = np.zeros(len(segments), dtype=bool)
    if segments.empty or labels.empty:
        return truth
    index, names = pd.factorize(segments["title"].astype(str))
    order = np.argsort(index, kind="stable")
    times = segments[["start_s", "end_s"]].to_numpy(dtype=np.float64)
    bounds = np.searchsorted(index[order], np.arange(len(names) + 1))
    truth[order] = sorted_truth(times[order], bounds, pd.Index(names), labels)
    return truth


def sorted_truth(
    times: npt.NDArray[np.float64],
    bounds: npt.NDArray[np.int64],
    names: pd.Index,
    labels: pd.DataFrame,
) -> Flags:
    """As `segment_truth`, of times (n, 2) sorted by title: those of names[i] begin at bounds[i]."""
    return sorted_overlaps(times, bounds, names, labels) > 0


def sorted_overlaps(
    times: npt.NDArray[np.float64],
    bounds: npt.NDArray[np.int64],
    names: pd.Index,
    labels: pd.DataFrame,
) -> npt.NDArray[np.float64]:
    """Seconds (n,) of each time that the longest lasting label in it overlaps, sorted likewise."""
    shared = np.zeros(len(times))
    title = names.get_indexer(pd.Index(labels["title"].astype(str)))
    intervals = labels[["start_s", "end_s"]].to_numpy(dtype=np.float64)
    for number in np.unique(title[title >= 0]):
        rows = slice(bounds[number], bounds[number + 1])
        shared[rows] = longest_overlaps(times[rows], intervals[title == number])
    return shared


def best_threshold(scores: Scores, truth: Flags) -> float:
    """The threshold (flag: score ≥ threshold) with the greatest F1 over all segments.

    Of equally good thresholds the highest is taken: it raises the fewest alarms. NaN, which flags
    nothing, where there is no defective or no scored segment to tune on.
    """
    scores = np.asarray(scores, dtype=np.float64)
    truth = np.asarray(truth, dtype=bool)
    scored = ~np.isnan(scores)
    if not truth.any() or not (scored & truth).any():
        return float("nan")
    order = np.argsort(-scores[scored], kind="stable")
    ranked, hits = scores[scored][order], np.cumsum(truth[scored][order])
    # Only the last of equal scores is a place where a threshold can lie.
    last = np.append(ranked[1:] != ranked[:-1], True)
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + truth.sum())
    return float(ranked[last][np.argmax(f1[last])])


def average_precision(scores: Scores, truth: Flags) -> float:
    """Area under the precision–recall steps, 0 to 1; the unscored rank last; NaN if one class."""
    # Here, since a scan, which needs no scikit-learn, would wait a second for it.
    from sklearn.metrics import average_precision_score

    truth = np.asarray(truth, dtype=bool)
    if truth.all() or not truth.any():
        return float("nan")
    scores = np.asarray(scores, dtype=np.float64)
    # Below every real score, yet finite: scikit-learn refuses infinities.
    floor = np.nanmin(scores) - 1.0 if not np.isnan(scores).all() else 0.0
    return float(average_precision_score(truth, np.where(np.isnan(scores), floor, scores)))
