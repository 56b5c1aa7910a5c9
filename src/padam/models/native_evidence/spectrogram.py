"""The short-time spectrum that several families of evidence look at."""

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from scipy.fft import rfft
from scipy.signal.windows import hann

from padam.models.native_evidence.frames import Floats, decibels

FRAME_S: Final = 512 / 48_000
EDGES_HZ: Final = (0, 150, 400, 800, 1600, 3000, 5000, 7500, 10_000, 13_000)
FLOOR_DB: Final = -100.0


class Spectrogram(NamedTuple):
    """Frames of about 10.7 ms, half overlapping, relative to the mean power of a frame."""

    power: Floats
    """(frames, bins)."""
    bands: Floats
    """(frames, 9), each band of `EDGES_HZ` in dB; -100 where the rate has none."""
    bin_hz: float
    frame_rate: float


def spectrogram(samples: Floats, sample_rate: int) -> Spectrogram:
    """Return the short-time power of samples (N,), at least four frames of it."""
    hop = max(8, round(FRAME_S * sample_rate / 2))
    size = 2 * hop
    padded = np.pad(samples, (0, max(0, 4 * size - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    spectrum = rfft(frames * hann(size, sym=False).astype(np.float32), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    power /= max(float(power.sum(axis=1).mean()), 1e-20)
    bin_hz = sample_rate / size
    starts = np.minimum(np.ceil(np.array(EDGES_HZ) / bin_hz).astype(int), power.shape[1])
    sums = np.zeros((len(power), len(EDGES_HZ) - 1), dtype=np.float32)
    for band, (first, stop) in enumerate(pairwise(starts)):
        if stop > first:
            sums[:, band] = power[:, first:stop].sum(axis=1)
    return Spectrogram(power, decibels(sums, FLOOR_DB), bin_hz, sample_rate / hop)
