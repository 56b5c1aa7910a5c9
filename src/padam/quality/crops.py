"""The part of a pair that a costly metric is given: where the damage is."""

import numpy as np

from padam.quality.base import Signal


def most_damaged_window(reference: Signal, degraded: Signal, samples: int) -> slice:
    """Return the window of `samples` samples with the greatest error energy, the first of several.

    Both signals have one length; a window as long as they are, or longer, is all of it.
    """
    if samples >= reference.size:
        return slice(0, reference.size)
    error = np.square(reference.astype(np.float64) - degraded)
    energy_before = np.concatenate([[0.0], np.cumsum(error)])
    start = int(np.argmax(energy_before[samples:] - energy_before[:-samples]))
    return slice(start, start + samples)
