"""How steady the level of bands is for a moment: noise of a source beneath has no syllables.

The level of Gaussian noise in a band fluctuates by no more than its bandwidth and the averaging
time allow; programme fluctuates more. What is measured over half a second and over one second
shows noise that fills a small part of a segment.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from padam.models.native_evidence.frames import Floats, decibels
from padam.models.native_evidence.spectrogram import Spectrogram

FRAMES: Final = 10
"""Frames of half of 10.7 ms whose power is averaged."""
EDGES_HZ: Final = tuple(np.geomspace(200, 15_000, 17))
SPANS: Final = {"half_second": 9, "second": 18}
"""Numbers of averages over which a level has to stay."""
LOUD_DB: Final = -50.0
"""What lies below it, relative to the mean level of all bands, is not looked at."""
UNSTEADY: Final = 3.0
"""Stands for bands that are not."""
QUIETEST_DB: Final = -70.0
_LOW, _MID, _HIGH = slice(0, 6), slice(5, 11), slice(10, 16)
NAMES: Final = tuple(
    f"{name}_{span}"
    for span in SPANS
    for name in (
        *(f"bands_{count}" for count in (2, 4, 7, 11)),
        *("low", "mid", "high", "bands_4_median", "bands_7_median"),
        *("level", "count"),
    )
)

_DB_PER_NEPER = 10 / np.log(10)
# of half-overlapping windows, the share that is independent
_INDEPENDENT = 0.6


def measure(spectrum: Spectrogram) -> list[float]:
    """Return the values of `NAMES`.

    Fluctuations are logarithms of a standard deviation in dB over that of Gaussian noise: about 0.3
    for noise, 1 to 3 for programme. Of `bands_4`, that of the fourth steadiest of 16 bands, at the
    steadiest moment; `level` is where the bands lie then, and `count` how many are steady.
    """
    level_db, expected_db = _band_levels(spectrum)
    found: list[float] = []
    for length in SPANS.values():
        if len(level_db) < length:
            found += [UNSTEADY] * 9 + [QUIETEST_DB, 0.0]
            continue
        mean_db = _moving_mean(level_db, length)
        variance = np.maximum(_moving_mean(level_db**2, length) - mean_db**2, 0)
        fluctuation = np.log(np.sqrt(variance) / expected_db + 0.3)
        fluctuation = np.where(mean_db > LOUD_DB, fluctuation, UNSTEADY)
        ordered = np.sort(fluctuation, axis=1)
        found += [float(ordered[:, nth].min()) for nth in (1, 3, 6, 10)]
        for part in (_LOW, _MID, _HIGH):
            found.append(float(np.sort(fluctuation[:, part], axis=1)[:, 2].min()))
        found += [float(np.median(ordered[:, nth])) for nth in (3, 6)]
        steadiest = int(ordered[:, 4].argmin())
        found.append(float(np.sort(mean_db[steadiest])[-6:].mean()))
        found.append(float((fluctuation[steadiest] < 0.5).sum()))
    return found


def _band_levels(spectrum: Spectrogram) -> tuple[npt.NDArray[np.float64], Floats]:
    """Return the level (averages, 16) in dB of every band, and how much noise fluctuates in it."""
    bins = spectrum.power.shape[1]
    first = np.round(np.array(EDGES_HZ) / spectrum.bin_hz).astype(int)
    stop = np.maximum(first[1:], first[:-1] + 1)
    averages = len(spectrum.power) // FRAMES
    power = np.zeros((averages, len(stop)))
    for band, (low, high) in enumerate(zip(first[:-1], stop, strict=True)):
        if low < bins:
            frames = spectrum.power[: averages * FRAMES, low:high].mean(axis=1)
            power[:, band] = frames.reshape(averages, FRAMES).mean(axis=1)
    level_db = decibels(power / max(float(power.mean()) if power.size else 0.0, 1e-20), QUIETEST_DB)
    independent = (stop - first[:-1]) * FRAMES * _INDEPENDENT
    return level_db.astype(np.float64), np.asarray(_DB_PER_NEPER / np.sqrt(independent))


def _moving_mean(values: npt.NDArray[np.float64], length: int) -> npt.NDArray[np.float64]:
    """Return the means of every `length` rows in a row."""
    summed = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), values]), axis=0)
    return np.asarray((summed[length:] - summed[:-length]) / length)
