"""Excerpts: the sound of an event with a second around it, read from the title's file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from padam.audio import Audio
from padam.audio.media import MediaError, probe, read_audio

AROUND_S = 1.0
LONGEST_S = 12.0
MOST_EXCERPTS = 100
_HIGHEST_RATE = 48000


@dataclass(frozen=True)
class Excerpt:
    """Audio (scored channels, samples) that starts `start_s` seconds after the title's start."""

    audio: Audio
    sample_rate: int
    start_s: float

    @property
    def end_s(self) -> float:
        """Where it ends, in seconds from the title's start."""
        return self.start_s + self.audio.shape[1] / self.sample_rate


Excerpts = Callable[[dict[str, Any]], Excerpt | str]
"""Gives the excerpt of an event of the document, or says in a few words why there is none."""


def excerpts_of(path: str | Path, document: dict[str, Any], most: int = MOST_EXCERPTS) -> Excerpts:
    """Excerpts of the title at `path`, each read when it is asked for.

    An excerpt is the event with `AROUND_S` before and after, `LONGEST_S` at most: of a longer event
    the beginning. Only the first `most` events have one.
    """
    title = document["title"]
    rate = min(int(title["sample_rate"]), _HIGHEST_RATE)
    names = title["channel_names"]
    places = {event["id"]: place for place, event in enumerate(document["events"])}

    def excerpt(event: dict[str, Any]) -> Excerpt | str:
        if places[event["id"]] >= most:
            return f"Only the first {most} events have sound in this report."
        # from a whole sample on, so that marks lie where they are heard
        start_s = round(max(0.0, event["start_s"] - AROUND_S) * rate) / rate
        duration_s = min(event["end_s"] + AROUND_S - start_s, LONGEST_S)
        try:
            there = probe(path).channel_names
            picked = [there.index(name) for name in names if name in there]
            # names that the file has not are those of a downmix to two
            found = read_audio(
                path, start_s, duration_s, sample_rate=rate, channels=None if picked else 2
            )
            found = found[picked] if picked else found
        except MediaError as error:
            return f"The sound could not be read: {error.reason}."
        if not found.shape[1]:
            return "The sound of the file ends before this event."
        return Excerpt(found, rate, start_s)

    return excerpt
