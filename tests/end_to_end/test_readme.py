"""The README's commands: each is known, and run by a test or by CI; its servers answer."""

import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Project

# Where each command of the README is run.
RUN_BY = {
    "make run": ".ci/run",
    "make test": ".ci/run",
    ".venv/bin/kedro run --params media=/path/to/archive": "the fixture `chain`",
    ".venv/bin/padam scan data/01_raw/sample_titles/freedoom_damaged.mp4 --out reports": ".ci/run",
    ".venv/bin/kedro run --pipelines synthesis": "test_chain.py",
    ".venv/bin/kedro run --only-missing-outputs": ".ci/run",
    "make viz": "here",
    "make ui": "here",
}


def test_every_command_is_one_that_is_run(project: Path) -> None:
    text = (project / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    commands = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    commands = [re.sub(r" {2,}.*", "", command) for command in commands if command]
    assert set(commands) == set(RUN_BY)
    ci = (project / ".ci" / "run").read_text(encoding="utf-8")
    for command, place in RUN_BY.items():
        if place == ".ci/run":
            assert command.partition(" --out")[0] in ci


def test_every_path_in_the_readme_exists(project: Path) -> None:
    text = (project / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (project / link).exists()] == []


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextmanager
def serving(command: list[str], cwd: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


def fetch(url: str, process: subprocess.Popen[bytes], log: Path, patience_s: float = 120.0) -> str:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode("utf-8")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    pytest.fail(f"{url} did not answer; the server said: {log.read_text()[-2000:]}")


def test_kedro_viz_shows_the_method(chain, tmp_path: Path) -> None:
    project: Project = chain[0]
    parameters = ",".join(f"{name}={value}" for name, value in project.parameters().items())
    port, log = free_port(), tmp_path / "viz.log"
    command = [
        *(sys.executable, "-m", "kedro", "viz", "run", "--no-browser", "--host", "127.0.0.1"),
        *("--port", str(port), "--env", "test", "--params", parameters),
    ]
    with serving(command, project.root, log) as process:
        graph = fetch(f"http://127.0.0.1:{port}/api/main", process, log)
    for name in ("synthesis", "stage_1_feature_extractor", "clip_pairs", "padam_model"):
        assert f'"{name}"' in graph
    for layer in ("raw", "primary", "feature", "stage 1", "stage 3", "reporting"):
        assert f'"{layer}"' in graph


def test_the_mlflow_pages_open(chain, tmp_path: Path) -> None:
    project: Project = chain[0]
    port, log = free_port(), tmp_path / "ui.log"
    command = [
        *(sys.executable, "-m", "mlflow", "ui", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{project.data}/mlflow.db"),
    ]
    with serving(command, tmp_path, log) as process:
        assert "MLflow" in fetch(f"http://127.0.0.1:{port}/", process, log)
