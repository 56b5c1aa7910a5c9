"""From when to when an event reaches, by the evidence of each 0.4 s: sharper than segments.

A lone window of a clean stretch may lie above the threshold by chance, and one within a defect
below it. So what counts is how much evidence adjoining windows gather: the sum of what each lies
above the threshold, less what those between them lie below. That is the likelihood ratio of a
change and back between two levels as far above the threshold as below it (Page's cumulative sum).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.detection.scorers.base import EVIDENCE_S, evidence_columns

Floats = npt.NDArray[np.float64]

# Segments that follow each other meet but for the rounding of their times.
ADJACENT_S = 1e-3
# A uniform distribution comes to 0.75, a normal one to 0.64: only two heaps of values to more.
_TWO_LEVELS = 0.8
_ENOUGH = 0.25  # of the way from the threshold to 1


@dataclass(frozen=True)
class Run:
    """Windows `first` to `stop` (exclusive) and the evidence that they gather, above 0."""

    first: int
    stop: int
    total: float


@dataclass(frozen=True)
class Span:
    """From when to when a detection reaches, in seconds; `sure`: by runs that gather enough."""

    start_s: float
    end_s: float
    sure: bool = False


def event_span(
    scores: pd.DataFrame,
    start_s: float,
    end_s: float,
    threshold: float,
    *,
    localised: bool = False,
) -> tuple[float, float]:
    """Start and end in seconds of an event in the flagged segments from `start_s` to `end_s`.

    scores: rows (start_s, end_s, channel, score, e_0, …) of the title. What counts are runs that
    touch a detection (a channel's segment at or above the threshold) and gather at least a quarter
    of the way from the threshold to 1. They may begin or end in the segment beside the flagged
    ones, of which the defect fills too little to flag it. A detection without such a run reaches
    over its higher windows, where these and the lower ones are two distinct levels; else over what
    there is above the threshold; and counts whole without that, as what is heard only over 10 s.
    Where the evidence is that of an event localiser, `localised`, such a detection counts only in
    an event in which there is no other: most are segments beside the defect that were taken for it.
    """
    starts, ends = (scores[name].to_numpy(dtype=np.float64) for name in ("start_s", "end_s"))
    inside = (starts >= start_s - ADJACENT_S) & (ends <= end_s + ADJACENT_S)
    beside = (np.abs(ends - start_s) <= ADJACENT_S) | (np.abs(starts - end_s) <= ADJACENT_S)
    detected = inside & (scores["score"].to_numpy(dtype=np.float64) >= threshold)
    spans: list[Span] = []
    channels = scores["channel"].to_numpy()
    for channel in np.unique(channels[detected]):
        own = np.flatnonzero((inside | beside) & (channels == channel))
        own = own[np.argsort(starts[own])]
        spans += _channel_spans(scores.iloc[own], detected[own], threshold)
    sure = [span for span in spans if span.sure]
    counting = sure if localised and sure else spans
    return min(span.start_s for span in counting), max(span.end_s for span in counting)


def maximal_runs(gains: npt.ArrayLike) -> list[Run]:
    """Disjoint runs of gains (n,) in order: each gathers more than any part of it.

    None of them would gather more if it were longer (Ruzzo and Tompa, ISMB 1999; linear time).
    """
    runs: list[Run] = []
    before: list[float] = []  # sum of all gains before each run
    lower: list[int] = []  # the nearest run to the left with less before it; -1: none
    position = 0.0
    for index, gain in enumerate(np.asarray(gains, dtype=np.float64).tolist()):
        reached = position + gain
        if gain > 0:
            first, low, left = index, position, len(runs) - 1
            while True:
                while left >= 0 and before[left] >= low:
                    left = lower[left]
                if left < 0 or before[left] + runs[left].total >= reached:
                    break
                # to go back to that run gathers more than either
                first, low, left = runs[left].first, before[left], left - 1
                del runs[left + 1 :], before[left + 1 :], lower[left + 1 :]
            runs.append(Run(first, index + 1, reached - low))
            before.append(low)
            lower.append(left)
        position = reached
    return runs


def two_levels(values: Floats) -> float | None:
    """Level half-way between two heaps of the values (n,), or None where they are no two heaps.

    The heaps are those that differ most for their spread (Otsu 1979).
    """
    ordered = np.sort(values)
    count = len(ordered)
    variance = float(ordered.var()) if count > 1 else 0.0
    if variance <= np.finfo(np.float64).eps:
        return None
    below = np.arange(1, count)
    sums = np.cumsum(ordered)
    low = sums[:-1] / below
    high = (sums[-1] - sums[:-1]) / (count - below)
    between = below * (count - below) / count**2 * (high - low) ** 2
    best = int(between.argmax())
    if between[best] / variance <= _TWO_LEVELS:
        return None
    return float((low[best] + high[best]) / 2)


def _channel_spans(
    rows: pd.DataFrame, detected: npt.NDArray[np.bool_], threshold: float
) -> Iterator[Span]:
    """Spans of the detections among the rows of one channel, which follow each other."""
    starts, ends = (rows[name].to_numpy(dtype=np.float64) for name in ("start_s", "end_s"))
    columns = evidence_columns(rows)
    evidence = rows[columns].to_numpy(dtype=np.float64).reshape(len(rows), len(columns))
    begun = starts[:, None] + EVIDENCE_S * np.arange(len(columns))
    # The last segment of a title was made longer by mirroring it.
    heard = begun < ends[:, None] - ADJACENT_S
    windows = Windows(
        values=evidence[heard],
        starts_s=begun[heard],
        ends_s=np.minimum(begun + EVIDENCE_S, ends[:, None])[heard],
        rows=np.nonzero(heard)[0],
    )
    touching: dict[int, list[Run]] = {}
    for run in windows.runs(threshold):
        for row in range(windows.rows[run.first], windows.rows[run.stop - 1] + 1):
            touching.setdefault(row, []).append(run)
    for row in np.flatnonzero(detected).tolist():
        runs = touching.get(row, [])
        enough = [run for run in runs if run.total >= _ENOUGH * (1 - threshold)]
        yield from (
            [windows.span(run, sure=True) for run in enough]
            or windows.higher(row)
            or [windows.span(run) for run in runs]
            or [Span(starts[row], ends[row])]
        )


@dataclass(frozen=True)
class Windows:
    """Consecutive windows of one channel: evidence, times, and the segment of each, all (n,)."""

    values: Floats
    starts_s: Floats
    ends_s: Floats
    rows: npt.NDArray[np.intp]

    def runs(self, level: float) -> list[Run]:
        """Runs above a level; what was not scored parts them."""
        return maximal_runs(np.nan_to_num(self.values - level, nan=-1.0 - len(self.values)))

    def span(self, run: Run, *, sure: bool = False) -> Span:
        """When a run begins and ends, in seconds."""
        return Span(float(self.starts_s[run.first]), float(self.ends_s[run.stop - 1]), sure)

    def higher(self, row: int) -> list[Span]:
        """When the higher part of a segment begins and ends, if it and those beside it have one.

        It may reach over their borders. Else nothing is returned.
        """
        near = np.abs(self.rows - row) <= 1
        part = Windows(self.values[near], self.starts_s[near], self.ends_s[near], self.rows[near])
        level = two_levels(part.values[np.isfinite(part.values)])
        if level is None:
            return []
        runs = part.runs(level)
        own = [run for run in runs if part.rows[run.first] <= row <= part.rows[run.stop - 1]]
        return [part.span(max(own, key=lambda run: run.total))] if own else []
