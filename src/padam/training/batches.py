"""Where the batches of a training come from: drawn by step, by worker processes if wished."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

__all__ = ["Batch", "FixedBatches", "Share", "StepBatches", "batch_loader"]

Batch = dict[str, torch.Tensor]
"""Named tensors whose first axis is the batch."""

PREFETCHED_BATCHES = 1  # per worker, beside the one it works on


@dataclass(frozen=True)
class Share:
    """Which of the processes of a training this one is, and how many of them this machine has."""

    rank: int = 0
    count: int = 1
    local_count: int = 1

    def of(self, total: int) -> slice:
        """Return this process's part of a global batch.

        Raises ValueError where the processes cannot have equal parts.
        """
        if total % self.count:
            raise ValueError(
                f"A global batch of {total} cannot be shared by {self.count} processes: make "
                f"batch_size a multiple of {self.count}."
            )
        part = total // self.count
        return slice(self.rank * part, (self.rank + 1) * part)


class StepBatches(IterableDataset[Batch]):
    """The batches of the steps up to the next validation, each drawn from its step number alone.

    The order of the data is then the same after an interruption as without one, and with any
    number of worker processes, of which each draws every n-th step.
    """

    def __init__(
        self,
        draw: Callable[[int], Batch],
        next_step: Callable[[], int],
        *,
        validate_every: int,
        steps: int,
    ) -> None:
        self._draw = draw
        self._next_step = next_step
        self._validate_every = validate_every
        self._steps = steps

    def __iter__(self) -> Iterator[Batch]:
        first = self._next_step()
        until = min(first + self._validate_every, self._steps)
        worker = get_worker_info()
        offset, stride = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        return (self._draw(step) for step in range(first + offset, until, stride))


class FixedBatches(Dataset[Batch]):
    """The same batches at every validation; of several processes, each takes every n-th.

    All take equally many, so that none waits for another: what is missing is taken once more.
    """

    def __init__(self, batches: Sequence[Batch], share: Share | None = None) -> None:
        self._batches = batches
        share = share or Share()
        each = -(-len(batches) // share.count)
        self._places = [(share.rank + n * share.count) % len(batches) for n in range(each)]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Batch:
        return self._batches[self._places[index]]


def batch_loader(batches: Dataset[Batch], workers: int) -> DataLoader[Batch]:
    """Load whole batches, by `workers` processes that are forked anew for every pass.

    A fork sees what this process holds in memory, the films kept there among it, without a copy.
    """
    return DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=PREFETCHED_BATCHES if workers else None,
        multiprocessing_context=multiprocessing.get_context("fork") if workers else None,
        pin_memory=torch.cuda.is_available(),
    )
