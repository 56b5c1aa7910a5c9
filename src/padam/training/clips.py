"""Clips of films: where they are drawn, and batches of them."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import torch

from padam.audio import Audio
from padam.audio.container import UnreachableError
from padam.audio.media import MediaError
from padam.training.batches import Batch
from padam.training.films import FPS, Film, Frames

logger = logging.getLogger(__name__)

DRAWS: Final = 200
READERS: Final = 8

Clip = tuple[Audio, Frames | None]


@dataclass(frozen=True)
class ClipPlace:
    """Where a clip lies: which film, and from which frame on."""

    film: int
    first_frame: int


def clip_capacity(films: Sequence[Film], clip_frames: int) -> int:
    """Return how many clips that do not overlap can surely be drawn at a random offset."""
    return sum(
        max(0, max(1, film.frame_count // clip_frames - 1) - _damaged_clips(film, clip_frames))
        for film in films
    )


def _damaged_clips(film: Film, clip_frames: int) -> int:
    """Return how many clips that do not overlap gaps can damage at most."""
    return sum(int(gap.duration_s * FPS / clip_frames) + 2 for gap in film.gaps)


def draw_places(
    films: Sequence[Film], clip_frames: int, count: int, rng: np.random.Generator
) -> list[ClipPlace]:
    """Draw `count` clips that do not overlap, so that no negative holds the positive's moment.

    Each film is cut into clips from a random offset on, and `count` of all whole clips are drawn.
    """
    slack = np.array([film.frame_count - clip_frames for film in films])
    offsets = rng.integers(np.minimum(slack, clip_frames - 1) + 1)
    ends = np.cumsum((slack - offsets) // clip_frames + 1)
    damaged = sum(_damaged_clips(film, clip_frames) for film in films)
    chosen = rng.choice(int(ends[-1]), min(int(ends[-1]), count + damaged), replace=False)
    owners = np.searchsorted(ends, chosen, side="right")
    before = chosen - np.concatenate([[0], ends])[owners]
    firsts = offsets[owners] + before * clip_frames
    places = [ClipPlace(int(o), int(f)) for o, f in zip(owners, firsts, strict=True)]
    return [p for p in places if films[p.film].is_whole(p.first_frame, clip_frames)][:count]


def even_places(films: Sequence[Film], clip_frames: int, count: int) -> list[ClipPlace]:
    """Return at most `count` clips, spread evenly over all that the films hold side by side."""
    places = [
        ClipPlace(index, first)
        for index, film in enumerate(films)
        for first in range(0, film.frame_count - clip_frames + 1, clip_frames)
        if film.is_whole(first, clip_frames)
    ]
    chosen = np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)
    return [places[i] for i in chosen]


def clip_batch(
    films: Sequence[Film],
    places: Sequence[ClipPlace],
    clip_frames: int,
    pictures: bool = True,
    mine: slice = slice(None),
) -> Batch:
    """Read one process's part of a batch: `audio` (B, samples) and `frames` (B, T, H, W, 3) uint8.

    `places` are those of the whole batch. Clips that are not in memory are read several at a time.
    A clip that cannot be read gives way to another of the films that could be, which overlaps none
    of `places`; `replaced` () counts them.

    Raises:
        MediaError: a clip cannot be read, and no other can take its place.
    """
    read = partial(_read_clip, films, clip_frames, pictures)
    numbers = range(len(places))[mine]
    clips = _read_all(films, places[mine], read)
    taken = list(places)
    failed = {
        places[number].film
        for number, clip in zip(numbers, clips, strict=True)
        if isinstance(clip, MediaError)
    }
    whole: list[Clip] = []
    replaced = 0
    for number, clip in zip(numbers, clips, strict=True):
        if isinstance(clip, MediaError):
            logger.warning("%s; another clip takes its place.", clip)
            taken[number], clip = _substitute(films, taken, number, clip_frames, failed, read)
            replaced += 1
        whole.append(clip)
    return _stacked(whole) | {"replaced": torch.tensor(replaced)}


def readable_clips(
    films: Sequence[Film], places: Sequence[ClipPlace], clip_frames: int, pictures: bool = True
) -> tuple[Batch, list[int]]:
    """Read a batch as `clip_batch`, leaving out what cannot be read; return which clips it holds.

    Raises:
        MediaError: none of them can be read.
    """
    read = partial(_read_clip, films, clip_frames, pictures)
    clips = _read_all(films, places, read)
    whole = {number: clip for number, clip in enumerate(clips) if not isinstance(clip, MediaError)}
    errors = [clip for clip in clips if isinstance(clip, MediaError)]
    for error in errors:
        logger.warning("%s; the clip is left out.", error)
    if not whole:
        raise errors[0]
    return _stacked(list(whole.values())), list(whole)


def _read_all(
    films: Sequence[Film],
    places: Sequence[ClipPlace],
    read: Callable[[ClipPlace], Clip | MediaError],
) -> list[Clip | MediaError]:
    if all(films[place.film].audio is not None for place in places):
        return [read(place) for place in places]
    with ThreadPoolExecutor(READERS) as threads:
        return list(threads.map(read, places))


def _stacked(clips: Sequence[Clip]) -> Batch:
    sounds, frames = zip(*clips, strict=True)
    batch = {"audio": torch.from_numpy(np.stack(sounds))}
    if frames[0] is not None:
        batch["frames"] = torch.from_numpy(np.stack(frames))
    return batch


def _read_clip(
    films: Sequence[Film], clip_frames: int, pictures: bool, place: ClipPlace
) -> Clip | MediaError:
    film = films[place.film]
    try:
        sound = film.sound(place.first_frame, clip_frames)
        return sound, film.pictures(place.first_frame, clip_frames) if pictures else None
    except UnreachableError:
        raise
    except MediaError as error:
        return error


def _substitute(
    films: Sequence[Film],
    taken: Sequence[ClipPlace],
    number: int,
    clip_frames: int,
    failed: set[int],
    read: Callable[[ClipPlace], Clip | MediaError],
) -> tuple[ClipPlace, Clip]:
    """Draw clips, by the place of the one they replace, until one is apart and can be read."""
    lost = taken[number]
    others = [place for place in taken if place is not lost]
    rng = np.random.default_rng([lost.film, lost.first_frame])
    for _ in range(DRAWS):
        for place in draw_places(films, clip_frames, 1, rng):
            apart = all(
                place.film != other.film
                or abs(place.first_frame - other.first_frame) >= clip_frames
                for other in others
            )
            if place.film in failed or not apart:
                continue
            clip = read(place)
            if not isinstance(clip, MediaError):
                return place, clip
            failed.add(place.film)
    raise MediaError(films[lost.film].path, "cannot be read, and no other clip can replace it")
