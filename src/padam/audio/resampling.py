"""Sample rate conversion of whole signals."""

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
