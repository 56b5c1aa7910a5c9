"""What the measures share: pieces of a signal, and means of the few greatest values."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

TINY = 1e-9
"""Added to levels relative to the segment's own, where they are divided by."""


def pieces(samples: Floats, length: int) -> Floats:
    """Cut (N,) into (n, length), the rest left out; a signal that is shorter is mirrored."""
    if len(samples) < length:
        samples = np.pad(samples, (0, length - len(samples)), mode="symmetric")
    count = len(samples) // length
    return samples[: count * length].reshape(count, length)


def overlapping(count: int, length: int) -> list[slice]:
    """Return windows of `length` of `count` items, half overlapping, at least one."""
    length = max(1, min(length, count))
    step = max(1, length // 2)
    return [slice(start, start + length) for start in range(0, count - length + 1, step)]


def mean_of_greatest(values: npt.NDArray[np.floating], count: int) -> float:
    """Return the mean of the `count` greatest values, of all where there are fewer; 0 of none."""
    flat = np.ravel(values)
    count = min(count, len(flat))
    if count == 0:
        return 0.0
    return float(np.partition(flat, len(flat) - count)[len(flat) - count :].mean())


def decibels(power: npt.NDArray[np.floating] | float, floor_db: float) -> Floats:
    """Return 10 log10 of a power, softly not below `floor_db`."""
    return np.asarray(10 * np.log10(power + 10 ** (floor_db / 10)), dtype=np.float32)
