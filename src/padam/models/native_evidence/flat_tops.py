"""Waveforms that reach a level and stay there: clipping, also once a codec has rippled its tops."""

from typing import Final

import numpy as np
import numpy.typing as npt

from padam.models.native_evidence.frames import (
    Floats,
    mean_of_greatest,
    overlapping,
    pieces,
)

QUANTILES: Final = ((0.997, 0.96), (0.99, 0.9), (0.96, 0.8), (0.9, 0.6))
FRAME_S: Final = 0.02
NAMES: Final = (
    *(f"quantile_{round(1000 * q)}_{over}" for q, _ in QUANTILES for over in ("max", "mean")),
    *(f"peaks_{over}_{side}" for side in ("up", "down") for over in ("max", "mean")),
    *("mode_up", "mode_down", "mode_both"),
    *("near_top_share_max", "near_top_share", "near_top_slope_min", "near_top_slope"),
    *("kurtosis_50_ms_min", "kurtosis_50_ms"),
    *("level_share_max", "level_share_both", "level_share"),
    *("top_density", "next_density"),
)


def measure(samples: Floats, sample_rate: int) -> list[float]:
    """Return the values of `NAMES` for samples (N,) of which the greatest is 1."""
    rms = float(np.sqrt(np.mean(np.square(samples))))
    return [
        *_quantiles(samples, sample_rate),
        *_peaks(samples, sample_rate, rms),
        *_tops(samples, sample_rate, rms),
        *_levels(samples, sample_rate, rms),
        *_densities(samples, sample_rate, rms),
    ]


def _quantiles(samples: Floats, sample_rate: int) -> list[float]:
    """Return how near the outer quantiles of 1 s lie to each other; 1 is a flat top."""
    seconds = pieces(samples, sample_rate)[:, :: max(1, sample_rate // 12_000)]
    ordered = np.sort(seconds, axis=1)
    count = ordered.shape[1]

    def quantile(share: float) -> Floats:
        return ordered[:, min(count - 1, int(share * count))]

    median = quantile(0.5)
    found: list[float] = []
    for outer, inner in QUANTILES:
        up = (quantile(inner) - median) / (quantile(outer) - median + 1e-4)
        down = (median - quantile(1 - inner)) / (median - quantile(1 - outer) + 1e-4)
        both = (up + down) / 2
        found += [float(both.max()), float(both.mean())]
    return found


def _peaks(samples: Floats, sample_rate: int, rms: float) -> list[float]:
    """Return how alike the peaks of 20 ms are, in each direction: within 1 s, and throughout."""
    frames = pieces(samples, max(16, round(FRAME_S * sample_rate)))
    active = np.sqrt(np.square(frames).mean(axis=1)) > 0.1 * rms
    sides = (frames.max(axis=1), -frames.min(axis=1))
    found: list[float] = []
    for peaks in sides:
        ordered = np.sort(pieces(peaks, min(50, len(peaks))), axis=1)
        ratio = ordered[:, int(0.3 * ordered.shape[1])] / (np.abs(ordered[:, -1]) + 1e-3)
        found += [float(ratio.max()), float(ratio.mean())]
    modes = []
    for peaks in sides:
        cells = np.histogram(peaks[active], bins=128, range=(0.02, 1.02))[0]
        share = (cells[:-1] + cells[1:]).max() / max(1, int(active.sum()))
        modes.append(float(np.log1p(100 * share)))
    return [*found, *modes, min(modes)]


def _tops(samples: Floats, sample_rate: int, rms: float) -> list[float]:
    """Return, of 50 ms each, the share of samples near the extremes and how flat they are there."""
    length = max(16, sample_rate // 20)
    frames = pieces(samples, length)
    slopes = pieces(np.abs(np.diff(samples, append=samples[-1:])), length)
    highest, lowest = frames.max(axis=1, keepdims=True), frames.min(axis=1, keepdims=True)
    margin = 0.08 * (highest - lowest + 1e-5)
    near = (frames > highest - margin) | (frames < lowest + margin)
    count = near.sum(axis=1)
    squares = np.square(frames - frames.mean(axis=1, keepdims=True))
    variance = squares.mean(axis=1)
    active = np.square(frames).mean(axis=1) > 0.01 * rms**2
    if not active.any():
        active[:] = True
    share = (count / length)[active]
    slope = (slopes * near).sum(axis=1) / np.maximum(count, 1) / (slopes.mean(axis=1) + 1e-7)
    slope = np.log(slope[active] + 1e-3)
    kurtosis = np.square(squares).mean(axis=1) / np.square(variance + 1e-12)
    kurtosis = np.log(kurtosis[active] + 0.1)
    return [
        *(mean_of_greatest(share, 20), float(share.mean())),
        *(-mean_of_greatest(-slope, 20), float(slope.mean())),
        *(-mean_of_greatest(-kurtosis, 20), float(kurtosis.mean())),
    ]


def _levels(samples: Floats, sample_rate: int, rms: float) -> list[float]:
    """Return how many peaks of 5 ms, within 2 s, lie at one level, as few beyond it as may be."""
    frames = pieces(samples, max(8, sample_rate // 200))
    edges = np.exp(np.linspace(np.log(0.03), np.log(1.001), 145))  # steps of 2.4 %
    loud = edges[:-1] >= 0.5 * rms
    sides = [np.digitize(peaks, edges) - 1 for peaks in (frames.max(axis=1), -frames.min(axis=1))]
    found = []
    for window in overlapping(len(frames), 400):
        saturated = []
        for cells in sides:
            inside = cells[window]
            inside = inside[(inside >= 0) & (inside < len(loud))]
            counts = np.bincount(inside, minlength=len(loud)) * loud
            beyond = counts[::-1].cumsum()[::-1]
            pair = counts[:-1] + counts[1:]
            saturated.append((pair * pair / (beyond[:-1] + 1)).max() / (window.stop - window.start))
        found.append(saturated)
    shares = np.array(found)
    chosen = (shares.max(), shares.min(axis=1).max(), shares.mean())
    return [float(np.log(share + 0.01)) for share in chosen]


def _densities(samples: Floats, sample_rate: int, rms: float) -> list[float]:
    """Return how many samples of half a second lie in the top tenth of its range, and the next.

    Of both directions the lesser, on a log scale, relative to those in the range below.
    """
    halves = pieces(samples, max(16, sample_rate // 2))[:, :: max(1, sample_rate // 16_000)]
    active = np.sqrt(np.square(halves).mean(axis=1)) > 0.3 * rms
    if not active.any():
        active[:] = True
    ordered = np.sort(halves[active], axis=1)
    by_side = [_density(side) for side in (ordered, -ordered[:, ::-1])]
    return [min(values) for values in zip(*by_side, strict=True)]


def _density(ordered: Floats) -> tuple[float, float]:
    count = ordered.shape[1]
    top = ordered[:, min(count - 1, int(0.9985 * count)), None]

    def share(least: float) -> npt.NDArray[np.floating]:
        return (ordered >= least * top).sum(axis=1) / count

    above_90, above_80, above_60 = share(0.9), share(0.8), share(0.6)
    first = np.log(above_90 / (above_80 - above_90 + 0.002) + 0.05)
    second = np.log(above_80 / (above_60 - above_80 + 0.004) + 0.05)
    return mean_of_greatest(first, 2), mean_of_greatest(second, 2)
