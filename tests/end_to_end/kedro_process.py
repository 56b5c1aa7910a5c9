"""`kedro run` in a process of its own that a test can kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

PATIENCE_S = 300


def start(project: Path, pipeline: str, parameters: Mapping[str, object]) -> subprocess.Popen[str]:
    """Start a pipeline in the test environment, in a process group of its own."""
    given = ",".join(f"{name}={value}" for name, value in parameters.items())
    kedro = Path(sys.executable).with_name("kedro")
    return subprocess.Popen(
        [kedro, "run", "--env", "test", "--pipelines", pipeline, "--params", given],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"},
    )


def finish(run: subprocess.Popen[str]) -> str:
    """Wait for the end and return what was said; fails unless the run succeeded."""
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, said
    return said


def kill_at(run: subprocess.Popen[str], dataset: Path, suffix: str, count: int) -> None:
    """Kill the run with its workers once so many shards of a dataset are there."""
    deadline = time.monotonic() + PATIENCE_S
    while len(unfinished(dataset, suffix)) < count:
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline, f"no {count} shards in {PATIENCE_S} s"
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def unfinished(dataset: Path, suffix: str) -> list[Path]:
    """Shards of a version of a dataset that is not whole yet."""
    return sorted(dataset.parent.glob(f".{dataset.name}.partial/*/*{suffix}"))
