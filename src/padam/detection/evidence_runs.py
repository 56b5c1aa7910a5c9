"""Runs of evidence: stretches of 0.4 s windows that together lie above a level.

A lone window of a clean stretch may lie above the threshold by chance, and one within a defect
below it. So what counts is how much evidence adjoining windows gather: the sum of what each lies
above the threshold, less what those between them lie below. That is the likelihood ratio of a
change and back between two levels as far above the threshold as below it (Page's cumulative sum).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
class Windows:
    """Consecutive windows of one channel: evidence, times, and the segment of each, all (n,)."""

    values: Floats
    starts_s: Floats
    ends_s: Floats
    rows: npt.NDArray[np.intp]

    def gains(self, level: float) -> Floats:
        """By how much each window (n,) lies above a level; so low that it parts if not scored."""
        return np.nan_to_num(self.values - level, nan=-1.0 - len(self.values))

    def runs(self, level: float, gap_s: float | None = None) -> list[Run]:
        """Runs above a level in order; what was not scored parts them.

        A run that holds evidence below the level for longer than `gap_s` seconds is parted there:
        by a run of what is lacking, which lacks more than any part of it. It stays whole where it
        gathers enough and none of its parts would.
        """
        gains = self.gains(level)

        def lasts(gap: Run) -> bool:
            start_s, end_s = self.times(gap)
            return gap_s is not None and end_s - start_s > gap_s + ADJACENT_S

        def parted(run: Run) -> list[Run]:
            gaps = filter(lasts, _runs_within(-gains, run.first, run.stop))
            cuts = [cut for gap in gaps for cut in (gap.first, gap.stop)]
            if not cuts:
                return [run]
            parts = [
                part
                for first, stop in itertools.pairwise((run.first, *cuts, run.stop))
                for within in _runs_within(gains, first, stop)
                for part in parted(within)
            ]
            faint = not any(gathers_enough(part, level) for part in parts)
            return [run] if faint and gathers_enough(run, level) else parts

        return [part for run in _runs_within(gains, 0, len(gains)) for part in parted(run)]

    def times(self, run: Run) -> tuple[float, float]:
        """When a run begins and ends, in seconds."""
        return float(self.starts_s[run.first]), float(self.ends_s[run.stop - 1])

    def higher(self, row: int) -> list[Run]:
        """The higher part of a segment, if it and those beside it have one; else nothing.

        It may reach over their borders.
        """
        near = np.flatnonzero(np.abs(self.rows - row) <= 1)
        values = self.values[near]
        level = two_levels(values[np.isfinite(values)])
        if level is None:
            return []
        runs = _runs_within(self.gains(level), int(near[0]), int(near[-1]) + 1)
        own = [run for run in runs if self.rows[run.first] <= row <= self.rows[run.stop - 1]]
        return [max(own, key=lambda run: run.total)] if own else []


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


def gathers_enough(run: Run, threshold: float) -> bool:
    """Whether a run gathers enough to count by itself."""
    return run.total >= _ENOUGH * (1 - threshold)


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


def _runs_within(gains: Floats, first: int, stop: int) -> list[Run]:
    """Maximal runs of a part of the gains, counted from the beginning of the whole."""
    found = maximal_runs(gains[first:stop])
    return [Run(first + run.first, first + run.stop, run.total) for run in found]
