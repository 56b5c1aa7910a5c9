"""What a linear predictor does not expect: clicks, steps and the gaps between them."""

from typing import Final

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import maximum_filter1d, median_filter
from scipy.signal.windows import hann

from padam.models.native_evidence.frames import TINY, Floats, decibels, mean_of_greatest, pieces

ORDER: Final = 24
FRAME_S: Final = 0.02
OUTLIER_RATIOS: Final = (10, 20, 40)
CELLS: Final = 8  # of a frame
REACHES: Final = (2, 4)
"""How many cells before and after a burst or a gap are compared with it."""
NAMES: Final = (
    "outlier_max",
    "outlier_top_10",
    "outlier_top_40",
    *(f"outliers_above_{ratio}" for ratio in OUTLIER_RATIOS),
    "outlier_level",
    "outlier_width",
    "outlier_narrow",
    "residual_kurtosis_top_10",
    "residual_kurtosis",
    *(
        f"residual_{name}_{reach}"
        for reach in REACHES
        for name in ("burst_10", "burst_50", "gap_10", "gaps")
    ),
    "prediction_gain_top",
    "prediction_gain",
    "steepest_step",
)


def measure(samples: Floats, sample_rate: int) -> list[float]:
    """Return the values of `NAMES` for samples (N,) of which the greatest is 1."""
    residual, gain_db = predictor_residual(samples, sample_rate)
    seconds = len(samples) / sample_rate
    magnitude = np.abs(residual)
    # The scale is that of the loudest frame beside: an onset is no outlier of what it begins.
    scale = np.median(magnitude[:, ::8], axis=1)
    scale = np.maximum(maximum_filter1d(scale, 3), median_filter(scale, 7)) + 1e-5
    greatest = magnitude.max(axis=1)
    ratio = greatest / scale
    width = (magnitude > 0.25 * greatest[:, None]).sum(axis=1) * (48_000 / sample_rate)
    first = np.argsort(-ratio)[:10]
    rms = float(np.sqrt(np.mean(np.square(samples))))
    squares = np.square(residual)
    kurtosis = np.square(squares).mean(axis=1) / np.square(squares.mean(axis=1) + 1e-12)
    return [
        float(np.log(ratio.max() + 1)),
        float(np.log(mean_of_greatest(ratio, 10) + 1)),
        float(np.log(mean_of_greatest(ratio, 40) + 1)),
        *(float(np.log1p((ratio > least).sum() / seconds)) for least in OUTLIER_RATIOS),
        float(np.log((mean_of_greatest(greatest, 10) + 1e-4) / (rms + 1e-4))),
        float(np.log(width[first].mean() + 1)),
        float(np.log(mean_of_greatest(ratio / (1 + width / 8), 10) + 1)),
        float(np.log(mean_of_greatest(kurtosis, 10) + 1)),
        float(np.log(np.median(kurtosis) + 1)),
        *_bursts_and_gaps(squares, seconds),
        -mean_of_greatest(-gain_db, 20),
        float(np.median(gain_db)),
        _steepest_step(samples, residual.shape[1]),
    ]


def predictor_residual(samples: Floats, sample_rate: int) -> tuple[Floats, Floats]:
    """Return the residual (frames, samples) of a predictor of order 24 for each 20 ms.

    And each frame's prediction error to its energy in dB (frames,). Autocorrelation method with a
    Hann window, Levinson's recursion; a white floor 50 dB below keeps it stable.
    """
    size = next_fast_len(round(FRAME_S * sample_rate) + ORDER, real=True)
    step = size - ORDER
    count = max(1, -(-len(samples) // step))
    padded = np.zeros(ORDER + count * step, dtype=np.float32)
    padded[ORDER : ORDER + len(samples)] = samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::step]
    windowed = rfft(frames * hann(size, sym=False).astype(np.float32), axis=1)
    power = windowed.real**2 + windowed.imag**2
    lags = np.outer(np.arange(power.shape[1]), np.arange(ORDER + 1))
    cosines = np.cos(2 * np.pi / size * lags).astype(np.float32)
    cosines[1 : (size + 1) // 2] *= 2
    coefficients, gain = _levinson((power @ cosines).astype(np.float64))
    filters = rfft(coefficients.astype(np.float32), size, axis=1)
    residual = irfft(rfft(frames, axis=1) * filters, size, axis=1)[:, ORDER:]
    return residual, decibels(gain, -60)


def _levinson(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the filters (frames, order + 1) and the share of the energy that they leave."""
    energy = correlation[:, 0] * (1 + 1e-5) + 1e-12
    filters = np.zeros_like(correlation)
    filters[:, 0] = 1
    error = energy.copy()
    for order in range(1, correlation.shape[1]):
        reflection = -(filters[:, :order] * correlation[:, order:0:-1]).sum(axis=1) / error
        reflection = np.clip(reflection, -0.9999, 0.9999)
        filters[:, 1 : order + 1] += reflection[:, None] * filters[:, order - 1 :: -1]
        error *= 1 - reflection**2
    return filters, error / energy


def _bursts_and_gaps(squares: Floats, seconds: float) -> list[float]:
    """Return how far the residual rises for a moment above both sides, and falls below them, in dB.

    Cells of 2.5 ms; means of the 10 and of the 50 greatest, and the number of gaps per second.
    """
    cell = squares.shape[1] // CELLS
    flat = squares.reshape(-1)
    level = decibels(flat[: len(flat) // cell * cell].reshape(-1, cell).mean(axis=1), -110)
    found: list[float] = []
    for reach in REACHES:
        before, middle, after = level[: -2 * reach], level[reach:-reach], level[2 * reach :]
        burst = np.minimum(middle - before, middle - after)
        gap = np.minimum(before - middle, after - middle)
        found += [mean_of_greatest(burst, 10), mean_of_greatest(burst, 50)]
        found += [mean_of_greatest(gap, 10), float(np.log1p((gap > 20).sum() / seconds))]
    return found


def _steepest_step(samples: Floats, length: int) -> float:
    """Return how the steepest steps of 20 ms compare with the effective one, on a log scale."""
    steps = pieces(np.abs(np.diff(samples, append=samples[-1:])), length)
    ratio = steps.max(axis=1) / (np.sqrt(np.square(steps).mean(axis=1)) + 1e4 * TINY)
    return float(np.log(mean_of_greatest(ratio, 10) + 1))
