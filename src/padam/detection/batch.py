"""Many titles: processes that may die or hang without taking the batch with them.

Nothing that scans is imported here: the process that watches over the others stays small, and its
own start costs little.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Literal, cast

from padam.audio.storage import Location

Status = Literal["clean", "defective", "undetermined", "unreadable", "failed"]
Progress = Callable[[str, float, float], None]
"""Called with a title's name, the seconds scanned so far, and its duration in seconds."""

START_S = 120.0
"""Longest that a process may take to load the model."""
_LAST_WORDS_S = 5.0


class BatchError(RuntimeError):
    """No title can be scanned: the model, or the place for the reports, is of no use."""


@dataclass(frozen=True)
class Outcome:
    """What became of a title.

    `unreadable` is a file that holds no usable sound, `failed` one whose scan broke off, both with
    the reason; the others are verdicts and have the detections document. `reused`: found finished.
    """

    name: str
    status: Status
    reason: str = ""
    document: dict[str, Any] = field(default_factory=dict)
    reused: bool = False


@dataclass(frozen=True)
class ScanTask:
    """What every title of a batch is scanned with.

    `config` are the fields of a `ScanConfig`, `formats` names of `reports.formats`, `options` the
    fields of `ReportOptions`.
    """

    model: Location
    out: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    formats: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False  # also titles that are finished
    threads: int = 1


def run_batch(
    titles: Mapping[str, Location],
    task: ScanTask,
    *,
    jobs: int = 1,
    stall_s: float = 120.0,
    progress: Progress | None = None,
) -> Generator[Outcome, None, None]:
    """Scan titles in `jobs` processes and yield each outcome as it comes.

    A process that dies (a decoder's fault), or tells of no progress for `stall_s` seconds, costs
    its title, which is `failed`, and is replaced. With `jobs` 0 titles are scanned one by one in
    this process, without that protection. Closing the iterator ends the processes; finished reports
    stay. Raises BatchError where the model cannot be used.
    """
    if jobs < 0 or stall_s <= 0:
        raise ValueError(f"jobs {jobs} must be 0 or more, stall_s {stall_s} above 0")
    progress = progress or (lambda *_: None)
    if jobs == 0:
        _let_idle_threads_sleep()
        from padam.detection.title_scan import TitleScan

        scan = TitleScan(task)
        for name, place in titles.items():
            yield scan(name, place, partial(progress, name))
        return
    waiting = deque(titles.items())
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                workers.append(_Worker(task, *waiting.popleft()))
            wait([each.pipe for each in workers], timeout=min(1.0, stall_s / 4))
            for worker in list(workers):
                outcome = worker.news(progress, stall_s)
                if outcome is None:
                    continue
                yield outcome
                if waiting and worker.alive:
                    worker.take(*waiting.popleft())
                else:
                    workers.remove(worker)
                    worker.end()
    finally:
        for worker in workers:
            worker.kill()


class _Worker:
    """A process that scans one title after the other, and what is known of it."""

    def __init__(self, task: ScanTask, name: str, place: Location) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe: Connection
        self.pipe, far = context.Pipe()
        self._process: BaseProcess = context.Process(target=_work, args=(far, task), daemon=True)
        self._process.start()
        far.close()
        self.alive = True
        self._ready = False
        self.take(name, place)

    def take(self, name: str, place: Location) -> None:
        """Give it the next title."""
        self._name = name
        self._heard = time.monotonic()
        with contextlib.suppress(OSError):  # it died: `news` will tell
            self.pipe.send((name, place))

    def news(self, progress: Progress, stall_s: float) -> Outcome | None:
        """Read what it has sent; return what became of its title, if that is decided."""
        try:
            while self.pipe.poll():
                kind, content = self.pipe.recv()
                self._heard = time.monotonic()
                if kind == "unusable":
                    raise BatchError(content)
                if kind == "done":
                    return cast(Outcome, content)
                if kind == "ready":
                    self._ready = True
                else:
                    progress(self._name, *content)
        except (EOFError, OSError):
            self._process.join(_LAST_WORDS_S)
            return self._lost(f"the process that scanned it died ({_cause(self._process)})")
        patience_s = stall_s if self._ready else max(stall_s, START_S)
        if time.monotonic() - self._heard > patience_s:
            self.kill()
            return self._lost(f"no progress for {patience_s:g} s")
        return None

    def _lost(self, reason: str) -> Outcome:
        self.alive = False
        return Outcome(self._name, "failed", reason)

    def end(self) -> None:
        """Let it go: it ends by itself where nothing more comes."""
        self.pipe.close()
        self._process.join(_LAST_WORDS_S)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        self.alive = False
        self._process.kill()
        self._process.join()


def _cause(process: BaseProcess) -> str:
    code = process.exitcode
    if code is not None and code < 0:
        return f"{signal.Signals(-code).name}"
    return f"exit status {code}"


def _work(pipe: Connection, task: ScanTask) -> None:
    # Ctrl-C reaches the whole group of processes; the one that watches decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _let_idle_threads_sleep()
    from padam.detection.title_scan import TitleScan, use_threads

    def tell(kind: str, content: object) -> None:
        try:
            pipe.send((kind, content))
        except ConnectionError:
            sys.exit()  # the one that watches is gone: no error of the title in hand

    use_threads(task.threads)
    try:
        scan = TitleScan(task)
    except BatchError as error:
        tell("unusable", str(error))
        return
    tell("ready", None)
    # a reset is what is read where it went before it had read what was told last
    with contextlib.suppress(EOFError, ConnectionResetError):
        while True:
            name, place = pipe.recv()
            tell("done", scan(name, place, lambda at, of: tell("progress", (at, of))))


def _let_idle_threads_sleep() -> None:
    # Torch's threads wait for each other by spinning, which doubles the time of a scan where the
    # cores have other work, the decoding among it. Read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def default_threads(jobs: int) -> int:
    """Return how many threads each of so many processes may have."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (available or 1) // max(1, jobs))
