"""Decode the next block while the one before is being worked on."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from padam.audio import Audio


def read_ahead(blocks: Iterable[Audio]) -> Iterator[Audio]:
    """Yield the blocks, each taken from `blocks` by a thread while the last one is in use.

    Decoders, resamplers and matrix products let other threads run, so the decoding costs no time of
    its own where a core is free. One block more than without is in memory. An error of `blocks`
    comes where its block would have come.
    """
    iterator = iter(blocks)
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        coming = thread.submit(next, iterator, None)
        while (block := coming.result()) is not None:
            coming = thread.submit(next, iterator, None)
            yield block
