"""Sample rate conversion of whole signals, and of signals that come block by block."""

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
import soxr

from padam.audio import Audio


def resample(
    audio: Audio, from_rate: int, to_rate: int, quality: Literal["HQ", "VHQ"] = "VHQ"
) -> Audio:
    """Convert (channels, samples) to another rate, aligned to the input's first sample.

    `quality` is soxr's: VHQ keeps 28 bits, HQ 20 bits at half the cost. The result has exactly
    `round(samples * to_rate / from_rate)` samples. Raises ValueError for a rate that is not
    positive.
    """
    if from_rate <= 0 or to_rate <= 0:
        raise ValueError(f"sample rates must be positive, got {from_rate} and {to_rate} Hz")
    if from_rate == to_rate:
        return audio.astype(np.float32, copy=True)
    samples = round(audio.shape[1] * to_rate / from_rate)
    result = np.zeros((audio.shape[0], samples), dtype=np.float32)
    if samples == 0:
        return result
    for channel, source in zip(result, audio, strict=True):
        converted = soxr.resample(
            np.ascontiguousarray(source, np.float32), from_rate, to_rate, quality
        )
        # soxr rounds its own way: at most one sample is missing or too many
        count = min(samples, len(converted))
        channel[:count] = converted[:count]
    return result


def resample_blocks(blocks: Iterable[Audio], from_rate: int, to_rate: int) -> Iterator[Audio]:
    """Convert consecutive blocks (channels, samples) as one signal, with soxr's VHQ.

    The filter delays: a block may come out shorter than it is, even empty, and the rest follows.
    Together they have exactly `round(samples * to_rate / from_rate)` samples. Raises ValueError for
    a rate that is not positive.
    """
    if from_rate <= 0 or to_rate <= 0:
        raise ValueError(f"sample rates must be positive, got {from_rate} and {to_rate} Hz")
    if from_rate == to_rate:
        yield from blocks
        return
    resampler: soxr.ResampleStream | None = None
    channels = taken = given = 0
    for block in blocks:
        if resampler is None:
            channels = block.shape[0]
            resampler = soxr.ResampleStream(
                from_rate, to_rate, channels, dtype="float32", quality="VHQ"
            )
        taken += block.shape[1]
        converted = resampler.resample_chunk(np.ascontiguousarray(block.T))
        given += len(converted)
        yield converted.T
    if resampler is not None:
        tail = resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True)
        yield tail[: max(0, round(taken * to_rate / from_rate) - given)].T
