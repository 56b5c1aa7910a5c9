"""Where a trial is fitted: in this process, or in a child that can be abandoned."""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as FutureTimeoutError
from types import TracebackType
from typing import Any, Self

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool, ShutdownExecutorError

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class LostWorkerError(Exception):
    """A child process ended before its fit did."""


class TrialWorker:
    """A child process that fits one trial after the other and is replaced when it is lost.

    It serves one thread; another one may `stop` it.
    """

    def __init__(self, timeout_s: float | None) -> None:
        self._timeout_s = timeout_s
        self._pool: ProcessPoolExecutor | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __call__(self, function: Callable[..., float], *arguments: Any) -> float:
        """Return ``function(*arguments)``; a lost child is replaced, and the call made again.

        Raises concurrent.futures.TimeoutError after ``timeout_s`` seconds, LostWorkerError where
        the second child is lost, too, or the worker was stopped.
        """
        try:
            return self._call(function, *arguments)
        except BrokenProcessPool:
            pass
        try:
            return self._call(function, *arguments)
        except BrokenProcessPool as error:
            raise LostWorkerError(
                "the child process of the fit ended twice, perhaps for want of memory"
            ) from error

    def stop(self) -> None:
        """End the child, whatever it does, and start no other."""
        with self._lock:
            self._stopped = True
        self._end_child()

    def _call(self, function: Callable[..., float], *arguments: Any) -> float:
        try:
            future = self._child().submit(function, *arguments)
            # The time starts where the child has it: loky cannot drop what it has not handed over.
            while not (future.running() or future.done()):
                time.sleep(0.001)
            return float(future.result(timeout=self._timeout_s))
        except (FutureTimeoutError, BrokenProcessPool):
            self._end_child()
            raise
        except ShutdownExecutorError as error:
            raise LostWorkerError("the search was stopped") from error

    def _child(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._stopped:
                raise LostWorkerError("the search was stopped")
            if self._pool is not None:
                return self._pool
            pool = self._pool = ProcessPoolExecutor(
                max_workers=1, env=ONE_THREAD, initializer=_end_with, initargs=(os.getpid(),)
            )
        # Starting the child and importing the libraries is no part of the fit's time.
        pool.submit(_ready).result()
        return pool

    def _end_child(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            # libsvm cannot be interrupted: only the end of its process ends the fit.
            pool.shutdown(wait=True, kill_workers=True)


def _end_with(parent: int) -> None:
    """End this process soon after its parent; a search that was killed leaves no fit behind."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _ready() -> None:
    """Do nothing: what a new child runs first."""
