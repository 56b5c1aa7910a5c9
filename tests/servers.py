"""Servers of other programs, started on a free port for a test."""

import http.client
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
    """Return a port that nobody listens on.

    Below 32768, where Linux begins to choose the client's own port: a client that asks again and
    again for a port of that range is one day given the very port it asks for, and is then
    connected with itself, which also keeps the server from taking it. kedro-viz refuses ports
    above 49151 anyway.
    """
    for port in random.sample(range(20_000, 32_768), 100):
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
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError):
            time.sleep(0.5)
    pytest.fail(f"{url} did not answer; the server said: {log.read_text()[-2000:]}")
