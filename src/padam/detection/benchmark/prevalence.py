"""How rare defects are: how many intervals of which durations, and the share really obtained."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.detection.benchmark.config import BenchmarkConfig
from padam.detection.matching import overlaps
from padam.detection.segments import SEGMENT_S, segment_times

# of a title, at most this share is defective, and intervals keep apart
_FULL_SHARE = 0.5
_BISECTIONS = 60


def draw_durations(
    rng: np.random.Generator,
    all_s: npt.NDArray[np.float64],
    defective_s: npt.NDArray[np.float64],
    config: BenchmarkConfig,
) -> list[tuple[float, ...]]:
    """Durations in s of the intervals of each defective title, to approach the target prevalence.

    `all_s` and `defective_s` are the durations of all titles and of the defective ones. Durations
    are log-uniform in `defect_s`, whose upper end is lowered, though never below a segment, where
    the target asks for fewer defective segments; where it asks for more, titles get more intervals.
    A defective title has one interval at least: with few clean hours the prevalence stays higher.
    """
    titles = len(defective_s)
    if not titles:
        return []
    budget = config.segment_prevalence * float(np.sum(all_s)) / SEGMENT_S
    low, high = config.defect_s
    intervals = max(titles, round(budget / _segments_hit(low, high)))
    longest = _longest_s(budget / intervals, low, high)
    counts = [intervals // titles + (i < intervals % titles) for i in range(titles)]
    drawn = []
    for title_s, count in zip(defective_s, counts, strict=True):
        longest_here = min(longest, _FULL_SHARE * float(title_s))
        durations = np.exp(rng.uniform(np.log(low), np.log(max(longest_here, low)), count))
        fits = np.cumsum(durations) <= _FULL_SHARE * title_s
        fits[0] = True
        drawn.append(tuple(float(duration) for duration in durations[fits]))
    return drawn


def prevalence(titles: pd.DataFrame, labels: pd.DataFrame) -> tuple[int, int]:
    """Number of segments that a label overlaps, and of all segments of the titles."""
    hit = total = 0
    intervals = {str(title): rows for title, rows in labels.groupby("title")}
    for title, duration_s in zip(titles["title"], titles["duration_s"], strict=True):
        times = segment_times(float(duration_s))
        total += len(times)
        if str(title) in intervals:
            rows = intervals[str(title)][["start_s", "end_s"]].to_numpy(dtype=np.float64)
            hit += int(overlaps(times, rows).sum())
    return hit, total


def _segments_hit(low: float, high: float) -> float:
    """Expected number of segments that an interval overlaps, which begins anywhere."""
    mean_s = low if high <= low else (high - low) / float(np.log(high / low))
    return 1 + mean_s / SEGMENT_S


def _longest_s(segments: float, low: float, high: float) -> float:
    """The upper end at which an interval hits so many segments, between a segment and `high`."""
    least = min(high, max(low, SEGMENT_S))
    if _segments_hit(low, least) >= segments:
        return least
    if _segments_hit(low, high) <= segments:
        return high
    below, above = least, high
    for _ in range(_BISECTIONS):
        middle = (below + above) / 2
        below, above = (middle, above) if _segments_hit(low, middle) < segments else (below, middle)
    return below
