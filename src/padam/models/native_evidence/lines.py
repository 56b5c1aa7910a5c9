"""Lines of the spectrum that stay: hum of any fundamental, told from tones that are played."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d
from scipy.signal.windows import hann

from padam.audio.resampling import resample
from padam.models.native_evidence.frames import Floats

RATE_HZ: Final = 4000
WINDOW: Final = 2048
SUMMED: Final = 7
"""Pairs of half-overlapping windows of half a second: 2 s."""
BRIEF: Final = 3
"""The same, of about 1 s, for lines that fill a small part of a segment."""
HIGHEST_HZ: Final = 1700
SHARES_DB: Final = (8, 14, 20)
FUNDAMENTALS_HZ: Final = (40.0, 600.0)
HARMONICS: Final = 12
MAINS_HZ: Final = (50, 60)
NAMES: Final = (
    *(f"steady_share_{level}_db" for level in SHARES_DB),
    *(f"steady_lines_{count}_{over}" for count in (3, 12) for over in ("max", "mean")),
    *("steady_count_max", "steady_count"),
    *(f"harmonics_{count}_{over}" for count in (4, HARMONICS) for over in ("max", "mean")),
    *("harmonics_count_max", "harmonics_count"),
    *(f"mains_{mains}_hz{top}" for mains in MAINS_HZ for top in ("", "_top_4")),
    *(f"brief_lines_{count}_{over}" for count in (3, 12) for over in ("max", "range", "median")),
    *("brief_share_max", "brief_share_range", "switched_lines_mean", "switched_lines_least"),
)


def measure(samples: Floats, sample_rate: int) -> list[float]:
    """Return the values of `NAMES` for samples (N,)."""
    spectrum, bin_hz = line_spectrum(samples, sample_rate)
    lines, steadiness_db, power = steady_lines(spectrum, SUMMED)
    total = power.sum(axis=1) + 1e-12 + 1e-3 * power.sum(axis=1).mean()
    found: list[float] = []
    for level in SHARES_DB:
        share = (power * (steadiness_db > level)).sum(axis=1) / total
        found.append(float(10 * np.log10(share + 1e-5).max()))
    ordered = np.sort(lines, axis=1)
    for count in (3, 12):
        strongest = ordered[:, -count:].mean(axis=1)
        found += [float(strongest.max()), float(strongest.mean())]
    count = (lines > 20).sum(axis=1)
    found += [float(np.log1p(count.max())), float(np.log1p(count.mean()))]
    found += _harmonics(maximum_filter1d(lines, 3, axis=1), bin_hz)
    return found + _brief_lines(spectrum)


def line_spectrum(
    samples: Floats, sample_rate: int
) -> tuple[npt.NDArray[np.complexfloating], float]:
    """Return the spectrum (frames, bins) of half-overlapping half seconds, and a bin's width."""
    low = resample(samples[None], sample_rate, RATE_HZ, "HQ")[0]
    bin_hz = RATE_HZ / WINDOW
    if len(low) < 2 * WINDOW:
        low = np.pad(low, (0, 2 * WINDOW - len(low)), mode="symmetric" if len(low) else "constant")
    frames = np.lib.stride_tricks.sliding_window_view(low, WINDOW)[:: WINDOW // 2]
    spectrum = rfft(frames * hann(WINDOW, sym=False).astype(np.float32), axis=1)
    return spectrum[:, : int(HIGHEST_HZ / bin_hz)], bin_hz


def steady_lines(
    spectrum: npt.NDArray[np.complexfloating], summed_pairs: int
) -> tuple[Floats, Floats, npt.NDArray[np.floating]]:
    """Return lines (n, bins), steadiness in dB and power, over every so many pairs of windows.

    Between half-overlapping windows a steady tone turns by a constant phase and keeps its level;
    the share of the energy of which that is true, over the rest, is its steadiness. A line is a
    peak of the spectrum with that value, up to 40 dB, the less the less it stands out.
    """
    energy = spectrum.real**2 + spectrum.imag**2
    turned = np.cumsum(spectrum[1:] * spectrum[:-1].conj(), axis=0)
    summed = np.cumsum((energy[1:] + energy[:-1]) / 2, axis=0)
    pairs = min(summed_pairs, len(turned))
    turned[pairs:] -= turned[:-pairs].copy()
    summed[pairs:] -= summed[:-pairs].copy()
    turned, power = turned[pairs - 1 :], np.maximum(summed[pairs - 1 :], 0) / pairs
    mean = float(energy.sum(axis=1).mean()) + 1e-20
    coherence = np.minimum(np.abs(turned) / pairs / (power + 1e-7 * mean), 1)
    steadiness = -10 * np.log10(1 - coherence + 1e-4)
    peak = (power >= maximum_filter1d(power, 5, axis=1)) & (power > 1e-5 * mean)
    around = uniform_filter1d(minimum_filter1d(power, 7, axis=1), 15, axis=1)
    stands_out = 10 * np.log10((power + 1e-8 * mean) / (around + 1e-8 * mean))
    lines = np.where(peak, np.minimum(steadiness, 40) * np.clip(stands_out / 20, 0, 1), 0)
    return lines, steadiness, power


def _brief_lines(spectrum: npt.NDArray[np.complexfloating]) -> list[float]:
    """Return how steady the lines of 1 s are at the best moment, and how they come and go."""
    lines, steadiness_db, power = steady_lines(spectrum, BRIEF)
    ordered = np.sort(lines, axis=1)
    found: list[float] = []
    for count in (3, 12):
        strongest = ordered[:, -count:].mean(axis=1)
        found += [float(strongest.max()), float(np.ptp(strongest)), float(np.median(strongest))]
    total = power.sum(axis=1) + 1e-12 + 1e-3 * power.sum(axis=1).mean()
    share = 10 * np.log10((power * (steadiness_db > SHARES_DB[1])).sum(axis=1) / total + 1e-5)
    switched = np.sort(lines.max(axis=0) - np.quantile(lines, 0.2, axis=0))[-6:]
    return [
        *found,
        *(float(share.max()), float(np.ptp(share))),
        *(float(switched.mean()), float(switched.min())),
    ]


def _harmonics(lines: Floats, bin_hz: float) -> list[float]:
    """Return how steady the harmonics of the best fundamental are, and those of the mains."""
    bins = lines.shape[1]
    low, high = np.log(FUNDAMENTALS_HZ)
    fundamentals = np.exp(np.arange(low, high, 0.006))
    index = np.rint(fundamentals[:, None] * np.arange(1, HARMONICS + 1) / bin_hz).astype(int)
    inside = index < bins
    values = lines[::2][:, np.where(inside, index, 0)] * inside
    heard = np.maximum(inside.sum(axis=1), 1)
    first = values[:, :, :4].sum(axis=2) / np.minimum(heard, 4)
    every = values.sum(axis=2) / np.sqrt(heard * HARMONICS)
    steady = (values > 12).sum(axis=2)
    found: list[float] = []
    for series in (first, every, steady):
        best = series.max(axis=1)
        found += [float(best.max()), float(best.mean())]
    for mains in MAINS_HZ:
        index = np.rint(mains * np.arange(1, 21) / bin_hz).astype(int)
        values = lines[:, index[index < bins]]
        strongest = np.sort(values, axis=1)[:, -4:]
        found += [float(values.mean(axis=1).max()), float(strongest.mean(axis=1).max())]
    return found
