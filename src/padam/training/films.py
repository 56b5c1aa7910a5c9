"""Films as synchronised clips of sound and picture; sources of sound alone as clips of sound."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from padam.audio import Audio
from padam.audio.container import UnreachableError
from padam.audio.media import MediaError, read_audio, read_video
from padam.audio.spans import Span, stream_spans
from padam.audio.storage import Location
from padam.training.batches import Batch

logger = logging.getLogger(__name__)

SAMPLE_RATE: Final = 16_000
FPS: Final = 25
SAMPLES_PER_FRAME: Final = SAMPLE_RATE // FPS
OUT_OF_STEP_S: Final = 0.5
MISSING_SHARE: Final = 0.1  # of a clip that a declared end may promise too much
DRAWS: Final = 200
READERS: Final = 8

REPORT_COLUMNS: Final = [
    "film",
    "split",
    "used_s",
    "in_memory",
    "sound_start_s",
    "sound_end_s",
    "picture_start_s",
    "picture_end_s",
    "note",
]

Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Film:
    """A film at 16 kHz and 25 frames a second, in memory or read from its file clip by clip.

    `audio` (samples,) and `frames` (T, H, W, 3) hold what is in memory, else None. `frame_count`
    is how many frames long both are, or the sound alone where no pictures are wanted.
    """

    path: Location
    frame_count: int
    frame_size: tuple[int, int]
    audio: Audio | None = None
    frames: Frames | None = None

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return sum(array.nbytes for array in (self.audio, self.frames) if array is not None)

    def sound(self, first_frame: int, count: int) -> Audio:
        """Return the sound (count * 640,) from a frame on.

        Raises MediaError where the file cannot be read there.
        """
        start, wanted = first_frame * SAMPLES_PER_FRAME, count * SAMPLES_PER_FRAME
        if self.audio is not None:
            return self.audio[start : start + wanted]
        found = read_audio(
            self.path, first_frame / FPS, count / FPS, sample_rate=SAMPLE_RATE, channels=1
        )[0]
        self._require(len(found) / SAMPLES_PER_FRAME, first_frame, count, "sound")
        return np.pad(found, (0, wanted - len(found)))

    def pictures(self, first_frame: int, count: int) -> Frames:
        """Return the frames (count, H, W, 3) from a frame on.

        Raises MediaError where the file cannot be read there.
        """
        if self.frames is not None:
            return self.frames[first_frame : first_frame + count]
        frames = read_video(
            self.path, first_frame / FPS, count / FPS, fps=FPS, size=self.frame_size
        )
        self._require(len(frames), first_frame, count, "picture")
        return np.pad(frames, [(0, count - len(frames)), (0, 0), (0, 0), (0, 0)], mode="edge")

    def _require(self, found: float, first_frame: int, count: int, what: str) -> None:
        # the declared end can exceed the last picture or packet by a few frames
        if found < (1 - MISSING_SHARE) * count:
            raise MediaError(
                self.path, f"{found / FPS:.2f} s of {what} at {first_frame / FPS:.2f} s"
            )


@dataclass(frozen=True)
class ClipPlace:
    """Where a clip lies: which film, and from which frame on."""

    film: int
    first_frame: int


def open_film(
    path: Location,
    frame_size: tuple[int, int],
    clip_frames: int,
    cache_bytes: int,
    *,
    pictures: bool = True,
) -> tuple[Film, dict[str, object]]:
    """Open a film, into memory if it takes at most `cache_bytes` there; return its report too.

    Raises:
        MediaError: no sound, no picture where `pictures` are wanted, or shorter than a clip.
    """
    sound, picture = stream_spans(path)
    if sound is None:
        raise MediaError(path, "no audio stream; stage 1 learns from sound")
    if pictures and picture is None:
        raise MediaError(path, "no video stream; stage 1 learns from sound and picture together")
    height, width = frame_size
    end_s = min(sound.end_s, picture.end_s) if pictures and picture is not None else sound.end_s
    count = int(end_s * FPS)
    frame_bytes = 4 * SAMPLES_PER_FRAME + (height * width * 3 if pictures else 0)
    audio = frames = None
    if 0 < sound.end_s * FPS * frame_bytes <= cache_bytes:
        audio = read_audio(path, sample_rate=SAMPLE_RATE, channels=1)[0]
        sound = Span(sound.start_s, len(audio) / SAMPLE_RATE)
        count = len(audio) // SAMPLES_PER_FRAME
        if pictures and picture is not None:
            # as far as there is sound, which need not be as long
            frames = read_video(path, 0.0, max(end_s, 1 / FPS), fps=FPS, size=frame_size)
            count = min(count, len(frames))
    if count < clip_frames:
        raise MediaError(
            path,
            f"{count / FPS:.1f} s of {'sound and picture' if pictures else 'sound'}, a clip needs "
            f"{clip_frames / FPS:.1f} s",
        )
    film = Film(path, count, frame_size, audio, frames)
    return film, _report(film, sound, picture if pictures else None)


def _report(film: Film, sound: Span, picture: Span | None) -> dict[str, object]:
    notes = []
    if picture is not None:
        if abs(sound.end_s - picture.end_s) > OUT_OF_STEP_S:
            notes.append(
                f"sound ends at {sound.end_s:.1f} s and picture at {picture.end_s:.1f} s: "
                "the common part is used"
            )
        if abs(sound.start_s - picture.start_s) > OUT_OF_STEP_S:
            notes.append(
                f"sound starts at {sound.start_s:.1f} s and picture at {picture.start_s:.1f} s"
            )
    for note in notes:
        logger.warning("%s: %s.", film.path, note)
    return {
        "used_s": film.frame_count / FPS,
        "in_memory": film.audio is not None,
        "sound_start_s": round(sound.start_s, 3),
        "sound_end_s": round(sound.end_s, 3),
        "picture_start_s": round(picture.start_s, 3) if picture is not None else None,
        "picture_end_s": round(picture.end_s, 3) if picture is not None else None,
        "note": "; ".join(notes),
    }


def open_films(
    paths: Sequence[Location],
    frame_size: tuple[int, int],
    clip_frames: int,
    cache_gb: float,
    *,
    split: str = "train",
    pictures: bool = True,
) -> tuple[list[Film], pd.DataFrame]:
    """Open films within a budget of memory; return them and a report with a row for every path.

    The report's columns are `REPORT_COLUMNS`; a film that cannot be used has `used_s` 0 and the
    reason as its note.

    Raises:
        ValueError: paths were given and none of them can be used.
        UnreachableError: a storage does not answer.
    """
    films: list[Film] = []
    rows: list[dict[str, object]] = []
    budget = int(cache_gb * 2**30)
    for path in paths:
        try:
            film, row = open_film(path, frame_size, clip_frames, budget, pictures=pictures)
        except UnreachableError:
            raise  # a storage that fails says nothing about the film
        except MediaError as error:
            rows.append({"film": str(path), "split": split, "used_s": 0.0, "note": error.reason})
            logger.warning("%s is left out of stage 1: %s.", path, error.reason)
            continue
        budget -= film.nbytes
        films.append(film)
        rows.append({"film": str(path), "split": split, **row})
    report = pd.DataFrame(rows, columns=REPORT_COLUMNS)
    if paths and not films:
        reasons = "; ".join(f"{row['film']}: {row['note']}" for row in rows)
        raise ValueError(f"None of {len(paths)} films can be used: {reasons}.")
    return films, report


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


Clip = tuple[Audio, Frames | None]


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
