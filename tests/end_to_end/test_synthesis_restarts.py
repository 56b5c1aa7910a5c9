"""The same shards whoever computes them and however often they are killed: real processes."""

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.archive import write_archive
from tests.end_to_end import kedro_process
from tests.end_to_end.kedro_process import finish, kill_at, unfinished
from tests.servers import free_port

pytestmark = pytest.mark.slow

CLIPS, SHARD_SIZE = 20, 2
KILLS = 3


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def undisturbed(project: Path, media: Path, tmp_path_factory: pytest.TempPathFactory):
    """Hashes of what one worker makes without being killed."""
    data = tmp_path_factory.mktemp("undisturbed")
    finish(start(project, media, data))
    return hashes(data)


def test_shards_were_made(undisturbed):
    names = [name for name in undisturbed if name.endswith(".tar")]
    assert len(names) == CLIPS // SHARD_SIZE
    assert "clip_manifest.parquet" in undisturbed


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_three_times_it_ends_with_the_same_bytes(
    project, media, undisturbed, tmp_path, workers
):
    for kill in range(1, KILLS + 1):
        run = start(project, media, tmp_path, workers=workers)
        kill_at(run, tmp_path / "03_primary/clip_pairs", ".tar", 2 * kill)
        assert not list((tmp_path / "03_primary/clip_pairs").glob("*"))
    left = len(unfinished(tmp_path / "03_primary/clip_pairs", ".tar"))
    assert 2 * KILLS <= left < CLIPS // SHARD_SIZE
    said = finish(start(project, media, tmp_path, workers=workers))
    assert f"{left} of {CLIPS // SHARD_SIZE} were there already" in said
    assert hashes(tmp_path) == undisturbed
    assert not list(tmp_path.rglob("*.partial"))


def test_two_workers_make_the_same_bytes(project, media, undisturbed, tmp_path):
    finish(start(project, media, tmp_path, workers=2))
    assert hashes(tmp_path) == undisturbed


def test_two_dask_workers_make_the_same_bytes(project, media, undisturbed, tmp_path):
    pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    with dask_cluster() as scheduler:
        finish(start(project, media, tmp_path / "data", scheduler=scheduler))
    assert hashes(tmp_path / "data") == undisturbed


def start(
    project: Path, media: Path, data: Path, workers: int = 1, scheduler: str | None = None
) -> subprocess.Popen[str]:
    """Start the synthesis."""
    parameters: dict[str, object] = {
        "data_root": data,
        "media": media,
        "synthesis.plan.clips": CLIPS,
        "synthesis.compute.shard_size": SHARD_SIZE,
        "synthesis.compute.n_jobs": workers,
        "synthesis.compute.backend": "dask" if scheduler else "loky",
    }
    if scheduler:
        # Kedro splits at the first `=` and at commas: an address needs no quotes
        parameters["synthesis.compute.scheduler"] = scheduler
    return kedro_process.start(project, "synthesis", parameters)


def hashes(data: Path) -> dict[str, str]:
    """Hashes of the one version of shards and manifest, by file name."""
    (shards,) = (data / "03_primary/clip_pairs").iterdir()
    (manifest,) = (data / "03_primary/clip_manifest.parquet").iterdir()
    files = [*shards.rglob("*.tar"), *manifest.glob("*.parquet")]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


@contextmanager
def dask_cluster() -> Iterator[str]:
    """Start a scheduler and two worker processes, as on two machines; yield the address."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    dask = str(Path(sys.executable).with_name("dask"))
    place = ["--host", "127.0.0.1", "--port", str(port), "--dashboard-address", "127.0.0.1:0"]
    worker = [dask, "worker", address, "--nthreads", "1", "--nworkers", "1", "--no-dashboard"]
    commands = [[dask, "scheduler", *place], worker, worker]
    with subprocess_group(commands):
        yield address


@contextmanager
def subprocess_group(commands: list[list[str]]) -> Iterator[None]:
    running = [
        subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        for command in commands
    ]
    try:
        yield
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGTERM)
        for process in running:
            process.wait(timeout=30)
