"""Servers of other programs, started on a free port for a test."""

import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


def free_port() -> int:
    """Return a port that nobody listens on, below 49152: kedro-viz refuses those above."""
    for port in random.sample(range(20_000, 49_152), 100):
        with socket.socket() as server, suppress(OSError):
            server.bind(("127.0.0.1", port))
            return port
    pytest.fail("no free port in a hundred tries")


@contextmanager
def serving(
    command: list[str], cwd: Path, log: Path, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The process of a server and its children, as long as it is needed."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            # kedro-viz serves from a child, which would outlive it
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def fetch(url: str, process: subprocess.Popen[bytes], log: Path, patience_s: float = 120.0) -> str:
    """Return what a server answers, as soon as it does."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode("utf-8")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    pytest.fail(f"{url} did not answer; the server said: {log.read_text()[-2000:]}")
