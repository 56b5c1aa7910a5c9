"""How the energy of bands rises and falls: bursts, holes, and the steadiness of noise."""

from itertools import pairwise
from typing import Final

import numpy as np

from padam.models.native_evidence.frames import Floats, decibels, mean_of_greatest, overlapping
from padam.models.native_evidence.spectrogram import FLOOR_DB, Spectrogram

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


def measure(spectrum: Spectrogram) -> list[float]:
    """Return the values of `NAMES`."""
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
