"""A smaller set of rows with the same shares of clean and defective ones."""

import numpy as np
import numpy.typing as npt


def stratified_rows(
    labels: npt.NDArray[np.int64], max_rows: int | None, seed: int
) -> npt.NDArray[np.intp]:
    """Return the indices, in order, of about ``max_rows`` rows; of all where that is None.

    They are drawn by ``seed`` in the proportion of the labels (n,) 0 and 1, one of each at least.
    """
    if max_rows is None or len(labels) <= max_rows:
        return np.arange(len(labels))
    rng = np.random.default_rng(seed)
    kept = np.concatenate(
        [
            rng.permutation(members)[: max(1, round(max_rows * len(members) / len(labels)))]
            for members in (np.flatnonzero(labels == label) for label in (0, 1))
        ]
    )
    kept.sort()
    return kept
