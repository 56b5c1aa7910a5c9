"""Segments: the fixed, non-overlapping pieces of a title that are scored (PADAM §5.1: 10 s)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from padam.audio import Audio

SEGMENT_S = 10.0
MINIMUM_LAST_S = 1.0
SILENCE = 10 ** (-90 / 20)  # peak; dither of 16 bits is below it


@dataclass(frozen=True)
class Segment:
    """One segment of a title: its times, and its audio, mirrored to full length where short."""

    start_s: float
    end_s: float
    audio: Audio


def segment_times(
    duration_s: float, segment_s: float = SEGMENT_S, minimum_last_s: float = MINIMUM_LAST_S
) -> npt.NDArray[np.float64]:
    """Start and end of every segment of a title, shape (segments, 2), in seconds.

    The last, short segment is kept where it lasts at least `minimum_last_s`; the rest of a title is
    then never looked at. Raises ValueError for a length that is not positive.
    """
    if segment_s <= 0:
        raise ValueError(f"segment_s is {segment_s}; it must be above 0")
    # The margin keeps 30 s from becoming two whole segments and one of 9.999… s.
    whole = int(np.floor(duration_s / segment_s + 1e-9)) if duration_s > 0 else 0
    starts = np.arange(whole) * segment_s
    times = np.stack([starts, starts + segment_s], axis=1)
    rest_s = duration_s - whole * segment_s
    if rest_s >= minimum_last_s:
        times = np.vstack([times, [whole * segment_s, duration_s]])
    return times


def iter_segments(
    blocks: Iterable[Audio],
    sample_rate: int,
    segment_s: float = SEGMENT_S,
    minimum_last_s: float = MINIMUM_LAST_S,
) -> Iterator[Segment]:
    """Cut consecutive blocks of any length into segments; a segment and a block are in memory.

    The short last segment is mirrored to full length: zeros would look like a drop-out to a model,
    and a repetition would put a click at the joint.
    """
    length = round(segment_s * sample_rate)
    pending: list[Audio] = []
    held = 0
    position = 0
    for block in blocks:
        pending.append(block)
        held += block.shape[1]
        if held < length:
            continue
        audio = np.concatenate(pending, axis=1) if len(pending) > 1 else block
        whole = held // length
        for index in range(whole):
            start_s = (position + index * length) / sample_rate
            end_s = (position + (index + 1) * length) / sample_rate
            yield Segment(start_s, end_s, audio[:, index * length : (index + 1) * length])
        position += whole * length
        held -= whole * length
        # A copy, or the few samples left would keep the whole block alive.
        pending = [audio[:, whole * length :].copy()] if held else []
    if held >= max(1, round(minimum_last_s * sample_rate)):
        audio = np.concatenate(pending, axis=1)
        padded = np.pad(audio, ((0, 0), (0, length - held)), mode="symmetric")
        yield Segment(position / sample_rate, (position + held) / sample_rate, padded)
