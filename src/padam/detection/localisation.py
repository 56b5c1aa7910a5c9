"""Where in its segments a detection lies: only flagged segments, and those beside them, pay."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.audio import Audio
from padam.detection.scorers.base import EVIDENCE_PREFIX
from padam.models.event_localiser import WINDOWS, EventLocaliser
from padam.models.native_evidence.windows import MARGIN_S, WINDOW_NAMES, evidence_windows

COLUMNS = [f"{EVIDENCE_PREFIX}{number}" for number in range(WINDOWS)]
_DECISION = 0.6
"""Probability from which on a window belongs to an event: earlier, events begin too early."""

Flags = npt.NDArray[np.bool_]


@dataclass
class _Segment:
    """One segment: its audio (C, samples), of which the end is left once it is measured.

    `judged` and `flagged` are (C,), `windows` the evidence (C, 25, F) of the `measured` channels.
    """

    audio: Audio
    judged: Flags
    flagged: Flags
    measured: Flags = field(init=False)
    windows: npt.NDArray[np.float32] = field(init=False)


class Localisation:
    """Evidence e_<n> of the segments of one title that are flagged, and of those beside them.

    Segments come in order. Each is measured once the next is known, and looked at with those beside
    it once the second next is; but for these two and 1.2 s, no audio waits. Channels are judged
    each by itself, on the scale of the score: a window reaches the threshold where a defect is more
    likely heard in it than not.
    """

    def __init__(self, localiser: EventLocaliser, threshold: float, sample_rate: int) -> None:
        self._localiser = localiser
        self._threshold = threshold
        self._sample_rate = sample_rate
        self._near: deque[_Segment | None] = deque([None] * 4, maxlen=4)
        self._count = 0
        self._found: dict[int, tuple[Flags, npt.NDArray[np.float64]]] = {}

    def add(self, audio: Audio, scores: npt.ArrayLike) -> None:
        """Take the next segment (C, samples) at the sample rate, with its scores (C,)."""
        values = np.asarray(scores, dtype=np.float64)
        self._push(_Segment(audio, np.isfinite(values), values >= self._threshold))

    def finish(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the table of the title with columns e_<n>, NaN where nothing was looked at.

        table: a row for each channel of each segment that was added, in their order.
        """
        for _ in range(2):
            self._push(None)
        values = np.full((len(table), WINDOWS), np.nan)
        for number, (measured, found) in self._found.items():
            first = number * len(measured)
            values[first : first + len(measured)][measured] = found
        evidence = pd.DataFrame(values, columns=COLUMNS, index=table.index)
        return pd.concat([table, evidence], axis=1)

    def _push(self, segment: _Segment | None) -> None:
        self._near.append(segment)
        self._count += 1
        first, second, third, last = self._near
        if third is not None:
            self._measure(second, third, last)
        if second is not None and second.measured.any():
            self._found[self._count - 3] = second.measured, self._evidence(first, second, third)

    def _measure(self, before: _Segment | None, segment: _Segment, after: _Segment | None) -> None:
        """Measure the channels of a segment that are flagged in it, or in one beside it."""
        near = [each for each in (before, segment, after) if each is not None]
        flagged = np.logical_or.reduce([each.flagged for each in near])
        chosen = segment.measured = segment.judged & flagged
        segment.windows = np.zeros((len(chosen), WINDOWS, len(WINDOW_NAMES)), dtype=np.float32)
        if chosen.any():
            segment.windows[chosen] = evidence_windows(
                segment.audio[chosen],
                self._sample_rate,
                None if before is None else before.audio[chosen],
                None if after is None else after.audio[chosen],
            )
        # what the windows of the next segment reach into is kept
        margin = math.ceil(MARGIN_S * self._sample_rate) + 1
        if before is not None:
            before.audio = before.audio[:, :0]
        segment.audio = segment.audio[:, -margin:].copy()

    def _evidence(
        self, before: _Segment | None, segment: _Segment, after: _Segment | None
    ) -> npt.NDArray[np.float64]:
        """Evidence (channels, 25) of the measured channels of a segment."""
        channels = segment.measured
        windows, heard = [], []
        for each in (before, segment, after):
            known = channels & each.measured if each else np.zeros_like(channels)
            found = each.windows if each else np.zeros_like(segment.windows)
            windows.append(found[channels])
            heard.append(np.repeat(known[channels, None], WINDOWS, axis=1))
        joined = np.concatenate(windows, axis=1), np.concatenate(heard, axis=1)
        probability = self._localiser.probabilities(*joined)[:, WINDOWS : 2 * WINDOWS]
        level = float(np.clip(self._threshold, 0, 1))
        return np.interp(probability, [0, _DECISION, 1], [0, level, 1])
