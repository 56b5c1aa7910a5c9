import numpy as np
import numpy.typing as npt
import pytest

Rows = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


def ring_and_core(seed: int, rows: int = 120, width: int = 6) -> Rows:
    """Clean clips in a core, defective ones on a shell around it: no plane tells them apart."""
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 2
    direction = rng.normal(size=(rows, width))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    radius = np.where(y == 1, 4.0, 1.0) + 0.1 * rng.normal(size=rows)
    return direction * radius[:, None], y


@pytest.fixture
def separable() -> Rows:
    return ring_and_core(seed=0)


@pytest.fixture
def held_out() -> Rows:
    return ring_and_core(seed=1)
