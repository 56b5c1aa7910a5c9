"""How much faster two worker processes are than one, beside what the machine allows."""

import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from report import Row, row

Job = Callable[[Any], object]


def two_workers(
    job: Job, work: Sequence[Any], rounds: int, initializer: Callable[[], None], of: str
) -> list[Row]:
    """Wall time of the same pieces of work by one process and by two, in turn.

    Beside it stands what the machine allows: two processes that only compute. Two logical
    processors of one core, or processors that other machines use too, come to less than 2.

    Parameters
    ----------
    job
        What a worker does with one piece; importable.
    work
        The pieces, each taken by the next free worker.
    rounds
        How often both are timed; the rows are medians of the rounds' ratios.
    initializer
        Called once in each worker.
    of
        What the work is, for the row's note.
    """
    ratios: dict[str, list[float]] = {"work": [], "arithmetic": []}
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, initializer) as one, context.Pool(2, initializer) as two:
        # the workers load what they need before the clock starts
        one.map(job, work[:1], chunksize=1)
        two.map(job, [work[0], work[0]], chunksize=1)
        for _ in range(rounds):
            for name, task, pieces in (("work", job, work), ("arithmetic", compute, range(8))):
                alone_s = wall_seconds(one.map, task, pieces, 1)
                ratios[name].append(alone_s / wall_seconds(two.map, task, pieces, 1))
    note = f"{of}, wall time, processes warm, median of {rounds} rounds"
    limit = statistics.median(ratios["arithmetic"])
    return [
        row("two_worker_speedup", statistics.median(ratios["work"]), "x", note),
        row("two_process_speedup_of_arithmetic", limit, "x", "the machine's limit"),
    ]


def compute(_: int) -> float:
    """Multiply small matrices in the processor's own cache."""
    matrix = np.random.default_rng(0).standard_normal((96, 96))
    for _ in range(20_000):
        matrix = matrix @ matrix
        matrix /= np.abs(matrix).max()
    return float(matrix.sum())


def wall_seconds(call: Callable[..., Any], *arguments: Any) -> float:
    """Return the wall time of a call."""
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start
