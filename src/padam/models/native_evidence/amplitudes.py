"""Which amplitudes occur: runs of one value, and levels at equal distances."""

from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft

from padam.models.native_evidence.frames import Floats, overlapping

RUN_S: Final = (2.5 / 48_000, 0.0005, 0.008, 0.1)
"""Limits of short, medium and long runs; a longer one is a pause."""
RUN_NAMES: Final = ("short", "medium", "long")
CELLS: Final = 4096
COMB_LEVELS: Final = (3, 10, 28, 110, 500, 1000)
"""Limits of the levels per unit of the greatest amplitude that a comb is sought at."""
NAMES: Final = (
    *(f"{what}_runs_{length}" for length in RUN_NAMES for what in ("held", "zero")),
    "held_at_two_levels",
    *(
        f"comb_{low}_{what}"
        for low, _ in pairwise(COMB_LEVELS)
        for what in ("strength", "prominence")
    ),
)


def measure(samples: Floats, sample_rate: int) -> list[float]:
    """Return the values of `NAMES` for samples (N,) of which the greatest is 1."""
    return [
        *_runs(samples, sample_rate),
        *_comb(samples, sample_rate),
    ]


def runs(samples: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the lengths of the runs of one exact value, 2 samples and more, and these values."""
    same = np.zeros(len(samples) + 1, dtype=np.bool_)
    np.equal(samples[1:], samples[:-1], out=same[1:-1])
    edges = np.flatnonzero(same[1:] != same[:-1]).reshape(-1, 2)
    return edges[:, 1] - edges[:, 0] + 1, samples[edges[:, 0]]


def _runs(samples: Floats, sample_rate: int) -> list[float]:
    """Return log(1 + share / 0.01 %) of the samples in runs of a value and in those of zero."""
    lengths, values = runs(samples)
    zero = values == 0
    found = []
    for low, high in pairwise(RUN_S):
        fits = (lengths > low * sample_rate) & (lengths > 2) & (lengths < high * sample_rate)
        shares = [lengths[fits & chosen].sum() / len(samples) for chosen in (~zero, zero)]
        found += [float(np.log1p(1e4 * share)) for share in shares]
    held = (lengths > 2) & ~zero
    total = int(lengths[held].sum())
    if not total:
        return [*found, 0.0]
    cells = np.bincount(
        ((values[held] + 1) * 512).astype(np.int64), weights=lengths[held], minlength=2
    )
    share = np.partition(cells, -2)[-2:].sum() / total
    return [*found, float(share * min(1.0, total / (0.002 * len(samples))))]


def _comb(samples: Floats, sample_rate: int) -> list[float]:
    """Return the strongest periods of the histograms of 2 s, and how far they stand out.

    A histogram with n levels per unit has a line at n in its spectrum, |E exp(2πi n x)|.
    """
    cells = np.minimum(((samples + 1) * (CELLS // 2)).astype(np.int32), CELLS - 1)
    histograms = np.stack(
        [
            np.bincount(cells[window], minlength=CELLS)
            for window in overlapping(len(cells), 2 * sample_rate)
        ]
    ).astype(np.float32)
    histograms[:, CELLS // 2 - 1 : CELLS // 2 + 1] = 0  # silence is no level of a comb
    histograms /= histograms.sum(axis=1, keepdims=True) + 1
    spectrum = np.abs(rfft(histograms, 4 * CELLS, axis=1))  # in eighths of a level per unit
    found: list[float] = []
    for low, high in pairwise(COMB_LEVELS):
        band = spectrum[:, 8 * low : 8 * high]
        strongest = band.max(axis=1)
        prominence = strongest / (np.median(band, axis=1) + 1e-3)
        found += [float(np.log1p(100 * strongest.max())), float(np.log(prominence.max() + 0.1))]
    return found
