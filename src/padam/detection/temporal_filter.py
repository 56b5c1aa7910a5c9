"""Temporal filter: X seconds of detections within a rolling window of Y seconds (PADAM §5.1).

The window rolls continuously and counts the *duration* of detections inside it, since 45 s is no
multiple of a 10 s segment. A detection is kept when some window that holds at least X seconds of
detections reaches into it. The title is flagged when a detection is kept.

Within a window the sum of detections is piecewise linear in the window's onset, so its peaks lie
where a window starts with a detection or ends with one; only these windows need looking at.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from padam.detection.segments import SEGMENT_S

# Sums of durations such as 0.1 · 450 may fall short of 45 by rounding.
_TOLERANCE_S = 1e-6


class TemporalFilter(BaseModel):
    """X seconds of detections within a rolling window of Y seconds; 0/0 keeps every detection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x_s: float = Field(default=0.0, ge=0)
    y_s: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _window_holds_x(self) -> TemporalFilter:
        if self.y_s < self.x_s:
            raise ValueError(f"a window of y_s={self.y_s} s cannot hold x_s={self.x_s} s")
        return self


NO_FILTER = TemporalFilter()
WHOLE_SEGMENT = TemporalFilter(x_s=SEGMENT_S, y_s=SEGMENT_S)
"""Keeps whole segments, and the short last one of a title only along with the one before it."""


def filter_segments(
    flags: npt.NDArray[np.bool_], times: npt.NDArray[np.float64], x_s: float, y_s: float
) -> npt.NDArray[np.bool_]:
    """Flags (segments,) that survive the filter; times (segments, 2) in seconds, in order."""
    TemporalFilter(x_s=x_s, y_s=y_s)
    flags = np.asarray(flags, dtype=bool)
    if x_s == 0 or not flags.any():
        return flags.copy()
    windows = _window_starts(times[flags], y_s)
    full = windows[_held_s(flags[None], times, windows, y_s)[0] >= x_s - _TOLERANCE_S]
    # Windows are sorted: a segment is reached when one starts in [start - y, end].
    first = np.searchsorted(full, times[:, 0] - y_s - _TOLERANCE_S, side="left")
    last = np.searchsorted(full, times[:, 1] + _TOLERANCE_S, side="right")
    return np.asarray(flags & (last > first))


def title_decision(
    flags: npt.NDArray[np.bool_], times: npt.NDArray[np.float64], x_s: float, y_s: float
) -> bool:
    """Whether the title is defective: a detection survives the filter."""
    return bool(filter_segments(flags, times, x_s, y_s).any())


def fullest_windows(
    flags: npt.NDArray[np.bool_],
    times: npt.NDArray[np.float64],
    truth: npt.NDArray[np.bool_],
    y_s: float,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Most seconds of detections that any window of `y_s` holds, for many thresholds at once.

    flags: (thresholds, segments); times: (segments, 2); truth: (segments,). Returns two arrays
    (thresholds,): over all windows, and over those that reach into a detection that is true. The
    filter keeps something exactly when x ≤ the first, and something true when x ≤ the second, so
    that one call serves every x. -1 stands for no such window.
    """
    rows = len(flags)
    anything, something_true = flags.any(axis=1), (flags & truth).any(axis=1)
    if y_s == 0 or not anything.any():
        return np.where(anything, 0.0, -1.0), np.where(something_true, 0.0, -1.0)
    used = flags.any(axis=0)
    windows = _window_starts(times[used], y_s)
    held = _held_s(flags, times, windows, y_s)
    most = np.where(anything, held.max(axis=1), -1.0)
    most_true = np.full(rows, -1.0)
    if something_true.any():
        count = np.zeros((rows, len(times) + 1), dtype=np.int32)
        np.cumsum(flags & truth, axis=1, out=count[:, 1:])
        begun = np.searchsorted(times[:, 0], windows + y_s + _TOLERANCE_S, side="right")
        over = np.searchsorted(times[:, 1], windows - _TOLERANCE_S, side="left")
        reaches = count[:, begun] > count[:, over]
        most_true = np.where(reaches, held, -1.0).max(axis=1)
    return most, most_true


def _window_starts(detections: npt.NDArray[np.float64], y_s: float) -> npt.NDArray[np.float64]:
    return np.unique(np.concatenate([detections[:, 0], detections[:, 1] - y_s]))


def _held_s(
    flags: npt.NDArray[np.bool_],
    times: npt.NDArray[np.float64],
    windows: npt.NDArray[np.float64],
    y_s: float,
) -> npt.NDArray[np.float64]:
    """Seconds of detections in each window, (thresholds, windows), by the integral of the flags."""
    lengths = times[:, 1] - times[:, 0]
    integral = np.zeros((len(flags), len(times) + 1))
    np.cumsum(flags * lengths, axis=1, out=integral[:, 1:])

    def until(moments: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        index = np.clip(np.searchsorted(times[:, 0], moments, side="right") - 1, 0, None)
        part_s = np.clip(moments - times[index, 0], 0, lengths[index])
        whole = integral[:, index]
        return whole + (integral[:, index + 1] - whole) * (part_s / lengths[index])

    return until(windows + y_s) - until(windows)
