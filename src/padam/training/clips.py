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
from padam.training.films import Film, Frames

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
    return sum(max(1, film.frame_count // clip_frames - 1) for film in films)


def draw_places(
    films: Sequence[Film], clip_frames: int, count: int, rng: np.random.Generator
) -> list[ClipPlace]:
    """Draw `count` clips that do not overlap, so that no negative holds the positive's moment.

    Each film is cut into clips from a random offset on, and `count` of all clips are drawn.
    """
    slack = np.array([film.frame_count - clip_frames for film in films])
    offsets = rng.integers(np.minimum(slack, clip_frames - 1) + 1)
    ends = np.cumsum((slack - offsets) // clip_frames + 1)
    chosen = rng.choice(int(ends[-1]), count, replace=False)
    owners = np.searchsorted(ends, chosen, side="right")
    before = chosen - np.concatenate([[0], ends])[owners]
    firsts = offsets[owners] + before * clip_frames
    return [ClipPlace(int(o), int(f)) for o, f in zip(owners, firsts, strict=True)]


def even_places(films: Sequence[Film], clip_frames: int, count: int) -> list[ClipPlace]:
    """Return at most `count` clips, spread evenly over all that the films hold side by side."""
    places = [
        ClipPlace(index, first)
        for index, film in enumerate(films)
        for first in range(0, film.frame_count - clip_frames + 1, clip_frames)
    ]
    chosen = np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)
    return [places[i] for i in chosen]


def clip_batch(
    films: Sequence[Film], places: Sequence[ClipPlace], clip_frames: int, pictures: bool = True
) -> Batch:
    """Return `audio` (B, samples) float32 and `frames` (B, T, H, W, 3) uint8.

    Clips that are not in memory are read several at a time. A clip that cannot be read gives way to
    another of the films that could be, beside the others; `replaced` () counts them.

    Raises:
        MediaError: a clip cannot be read, and no other can take its place.
    """
    read = partial(_read_clip, films, clip_frames, pictures)
    if all(films[place.film].audio is not None for place in places):
        clips = [read(place) for place in places]
    else:
        with ThreadPoolExecutor(READERS) as threads:
            clips = list(threads.map(read, places))
    taken = list(places)
    failed = {p.film for p, clip in zip(places, clips, strict=True) if isinstance(clip, MediaError)}
    replaced = 0
    for number, clip in enumerate(clips):
        if isinstance(clip, MediaError):
            logger.warning("%s; another clip takes its place.", clip)
            taken[number], clips[number] = _substitute(
                films, taken, number, clip_frames, failed, read
            )
            replaced += 1
    sounds, frames = zip(*clips, strict=True)
    batch = {"audio": torch.from_numpy(np.stack(sounds)), "replaced": torch.tensor(replaced)}
    if pictures:
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
        place = draw_places(films, clip_frames, 1, rng)[0]
        apart = all(
            place.film != other.film or abs(place.first_frame - other.first_frame) >= clip_frames
            for other in others
        )
        if place.film in failed or not apart:
            continue
        clip = read(place)
        if not isinstance(clip, MediaError):
            return place, clip
        failed.add(place.film)
    raise MediaError(films[lost.film].path, "cannot be read, and no other clip can replace it")
