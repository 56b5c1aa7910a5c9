"""What tests of several rooms share."""

import logging
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import fsspec
import numpy as np
import numpy.typing as npt
import pytest
import soundfile

os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# Two test workers share the cores: threads of each would only be in the other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

PROJECT = Path(__file__).parents[1]

ReadConformance = Callable[[str], tuple[npt.NDArray[np.float32], int]]


@pytest.fixture(scope="session")
def project() -> Path:
    """Root of the project."""
    return PROJECT


@pytest.fixture(scope="session")
def conformance() -> ReadConformance:
    """Reads a file of known answers as ((channels, samples) float32, rate)."""
    default = PROJECT.parent / "shared" / "conformance"
    folder = Path(os.environ.get("PADAM_CONFORMANCE", default))

    def read(name: str) -> tuple[npt.NDArray[np.float32], int]:
        path = folder / name
        if not path.is_file():
            pytest.skip(f"{path} is absent; set PADAM_CONFORMANCE to the known answers")
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        return np.ascontiguousarray(samples.T), rate

    return read


@pytest.fixture(scope="session")
def s3() -> Iterator[None]:
    """Object storage that speaks S3 on this machine, and the variables that lead there."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        yield
    server.stop()


BUCKETS = count()


@pytest.fixture
def bucket(s3: None) -> str:
    """URL of an empty bucket."""
    name = f"bucket-{next(BUCKETS)}"
    fsspec.filesystem("s3").mkdir(name)
    return f"s3://{name}"


@pytest.fixture(params=["memory", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty place on each kind of storage that needs no path."""
    if request.param == "s3":
        return str(request.getfixturevalue("bucket"))
    return f"memory://{tmp_path.name}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the end-to-end tests: one worker needs most of the time for them."""
    items.sort(key=lambda item: "end_to_end" not in item.path.parts)
