"""Media files and signals: stream, decode, encode, resample, loudness, level.

Audio is `(channels, samples)` float32 in [-1, 1] with its sample rate beside it.
"""

import numpy as np
import numpy.typing as npt

Audio = npt.NDArray[np.float32]
"""Samples of shape (channels, samples), float32, nominally in [-1, 1]."""

__all__ = ["Audio"]
