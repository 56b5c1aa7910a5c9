"""Servers of other programs, started on a free port for a test, and one of files."""

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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

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


class FileServer(ThreadingHTTPServer):
    """One file over HTTP, with ranges; it may break off, change, or refuse.

    `breaks_after` bytes of an answer the connection is closed; `asked` are the ranges that were
    asked for, "" where none was.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _FileHandler)
        self.content = content
        self.tag = '"one"'
        self.status = 200
        self.breaks_after: int | None = None
        self.tells_length = True
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Address of the file."""
        return f"http://127.0.0.1:{self.server_address[1]}/weights.bin"


class _FileHandler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range", "")
        server.asked.append(wanted)
        if server.status != 200:
            self.send_error(server.status)
            return
        first = 0
        if wanted and self.headers.get("If-Range") == server.tag:
            first = int(wanted.removeprefix("bytes=").removesuffix("-"))
        body = server.content[first:]
        self.send_response(206 if first else 200)
        if server.tag:
            self.send_header("ETag", server.tag)
        if server.tells_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.breaks_after])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def file_server(content: bytes) -> Iterator[FileServer]:
    """A server of one file, on a free port of this machine."""
    with FileServer(content) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
