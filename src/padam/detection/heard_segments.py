"""Segments of a title as the model hears them, cut from blocks at whichever rate they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from padam.audio import Audio
from padam.audio.resampling import resample_blocks
from padam.detection.segments import SEGMENT_S, Segment, iter_segments
from padam.models.native_evidence import native_evidence
from padam.training.embedding import SAMPLE_RATE


@dataclass(frozen=True)
class HeardSegment:
    """One segment: its times, and its audio (C, 160 000) at 16 kHz, mirrored where short.

    `native_evidence` (C, K) is that of the audio at the blocks' own rate, K = 0 without, and
    `native` (C, samples) that audio, no samples of it where it was not asked for.
    """

    start_s: float
    end_s: float
    audio: Audio
    native_evidence: npt.NDArray[np.float32]
    native: Audio


def heard_segments(
    blocks: Iterable[Audio],
    sample_rate: int,
    segment_s: float = SEGMENT_S,
    *,
    with_evidence: bool = False,
    with_native: bool = False,
) -> Iterator[HeardSegment]:
    """Cut consecutive blocks (C, samples) at `sample_rate` into segments, and convert them.

    The conversion runs through, so that no segment has edges of its own. Memory holds a block and
    a few segments. What is not finite counts as silence in the evidence, and in the audio at the
    blocks' rate.
    """
    waiting: deque[Segment] = deque()

    def native() -> Iterator[Audio]:
        for segment in iter_segments(blocks, sample_rate, segment_s):
            waiting.append(segment)
            yield segment.audio[:, : round((segment.end_s - segment.start_s) * sample_rate)]

    converted = resample_blocks(native(), sample_rate, SAMPLE_RATE)
    for heard in iter_segments(converted, SAMPLE_RATE, segment_s):
        segment = waiting.popleft()
        evidence = kept = np.zeros((len(heard.audio), 0), dtype=np.float32)
        if with_evidence or with_native:
            finite = np.nan_to_num(segment.audio, posinf=0, neginf=0)
        if with_evidence:
            evidence = native_evidence(finite, sample_rate)
        if with_native:
            kept = finite
        yield HeardSegment(segment.start_s, segment.end_s, heard.audio, evidence, kept)
