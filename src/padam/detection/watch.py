"""A folder that is watched: files are told of once nobody writes to them any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from padam.audio.storage import Location, identity

Titles = Mapping[str, Location]


def stable_titles(
    listing: Callable[[], Titles],
    stable_s: float,
    poll_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[dict[str, Location]]:
    """Yield again and again the titles that have become stable since the last time, maybe none.

    `listing` gives the titles that are there. A title is stable when its size and time of change
    have been the same for `stable_s` seconds; one that changes later is told of again. Between two
    looks `poll_s` seconds pass.
    """
    since: dict[str, tuple[str, float]] = {}
    told: dict[str, str] = {}
    while True:
        titles = dict(listing())
        now = clock()
        ready = {}
        for name, place in titles.items():
            found = identity(place)
            seen, first = since.get(name, ("", now))
            if seen != found:
                since[name] = (found, first := now)
            if found != "missing" and told.get(name) != found and now - first >= stable_s:
                ready[name] = place
                told[name] = found
        yield ready
        sleep(poll_s)
