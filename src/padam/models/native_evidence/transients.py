"""How the energy of bands rises and falls: bursts, holes, and the steadiness of noise."""

from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from scipy.fft import rfft
from scipy.signal.windows import hann

from padam.models.native_evidence.frames import Floats, decibels, mean_of_greatest, overlapping

FRAME_S: Final = 512 / 48_000
EDGES_HZ: Final = (0, 150, 400, 800, 1600, 3000, 5000, 7500, 10_000, 13_000)
FLOOR_DB: Final = -100.0
QUIET_DB: Final = -80.0
"""What lies below it, relative to the mean level, is silence."""
GROUPS: Final = {"mid": (4, 7), "high": (7, 9)}
REACHES: Final = (2, 5, 12)
"""Frames of half of 10.7 ms before and after a burst or a hole that it is compared with."""
FLATNESS_HZ: Final = (180, 1900, 7500, 15_000, 24_000)
NAMES: Final = (
    *(
        f"{group}_{name}"
        for group in ("all", *GROUPS)
        for name in (
            *(f"{what}_{reach}" for reach in REACHES for what in ("burst", "hole")),
            *("rise", "fall", "flux"),
        )
    ),
    *("broad_rise", "broad_fall"),
    *(f"noise_flatness_{low}_hz" for low in FLATNESS_HZ[:-1]),
)


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


def measure(samples: Floats, sample_rate: int) -> list[float]:
    """Return the values of `NAMES` for samples (N,)."""
    spectrum = spectrogram(samples, sample_rate)
    bands = spectrum.bands
    levels = [decibels(spectrum.power.sum(axis=1), FLOOR_DB)]
    levels += [bands[:, slice(*group)].mean(axis=1) for group in GROUPS.values()]
    found: list[float] = []
    for level in levels:
        found += _bursts_and_holes(np.maximum(level, QUIET_DB))
    # in at least six of the nine bands at once
    change = bands[2:] - bands[:-2]
    found += [
        mean_of_greatest(np.sort(change, axis=1)[:, 3], 10),
        mean_of_greatest(np.sort(-change, axis=1)[:, 3], 10),
    ]
    return found + _noise_flatness(spectrum)


def _bursts_and_holes(level: Floats) -> list[float]:
    """Return how far a level in dB stands out for a moment, up and down, and how it changes."""
    found = []
    for reach in REACHES:
        before, middle, after = level[: -2 * reach], level[reach:-reach], level[2 * reach :]
        found.append(mean_of_greatest(np.minimum(middle - before, middle - after), 6))
        found.append(mean_of_greatest(np.minimum(before - middle, after - middle), 6))
    change = np.diff(level)
    found += [mean_of_greatest(change, 10), mean_of_greatest(-change, 10)]
    return [*found, float(np.log(np.median(np.abs(change)) + 0.1))]


def _noise_flatness(spectrum: Spectrogram) -> list[float]:
    """Return the flatness of the quietest fifth of 2 s, per band, of the flattest 2 s; 0 is white.

    The logarithm of the geometric over the arithmetic mean; the first edge leaves out the window's.
    """
    power = spectrum.power
    energy = power.sum(axis=1)
    edges = np.minimum(np.round(np.array(FLATNESS_HZ) / spectrum.bin_hz), power.shape[1])
    found = np.full(len(FLATNESS_HZ) - 1, -10.0)
    for window in overlapping(len(power), round(2 * spectrum.frame_rate)):
        inside = energy[window]
        quiet = power[window][inside <= np.quantile(inside, 0.2)].mean(axis=0) + 1e-12
        for band, (first, stop) in enumerate(pairwise(edges)):
            part = quiet[int(first) : int(stop)]
            if len(part) > 3:
                flatness = np.log(part).mean() - np.log(part.mean())
                found[band] = max(found[band], float(flatness))
    return found.tolist()
