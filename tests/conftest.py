"""What tests of several rooms share."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def project() -> Path:
    """Root of the project."""
    return PROJECT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests on one worker, and all that share the chain's one run together."""
    for item in items:
        file = item.path.relative_to(PROJECT)
        group = "end_to_end" if "end_to_end" in file.parts else file.as_posix()
        item.add_marker(pytest.mark.xdist_group(group))
