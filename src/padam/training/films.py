"""Films with sound and picture in step, or sources of sound alone, read where a clip lies."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.audio import Audio
from padam.audio.container import UnreachableError
from padam.audio.media import MediaError, read_audio_and_gaps, read_video_and_gaps
from padam.audio.spans import Span, stream_spans
from padam.audio.storage import Location

logger = logging.getLogger(__name__)

SAMPLE_RATE: Final = 16_000
FPS: Final = 25
SAMPLES_PER_FRAME: Final = SAMPLE_RATE // FPS
OUT_OF_STEP_S: Final = 0.5
MISSING_SHARE: Final = 0.1  # of a clip that may be damaged, or beyond an end declared too late

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
    is how many frames long both are, or the sound alone where no pictures are wanted. `gaps` is
    where sound or pictures of a film in memory are missing; of others it is found when they are
    read.
    """

    path: Location
    frame_count: int
    frame_size: tuple[int, int]
    audio: Audio | None = None
    frames: Frames | None = None
    gaps: tuple[Span, ...] = ()

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return sum(array.nbytes for array in (self.audio, self.frames) if array is not None)

    def is_whole(self, first_frame: int, count: int) -> bool:
        """Whether sound and pictures of a clip are there, as far as is known without reading."""
        return _missing_s(self.gaps, first_frame, count) <= MISSING_SHARE * count / FPS

    def sound(self, first_frame: int, count: int) -> Audio:
        """Return the sound (count * 640,) from a frame on.

        Raises MediaError where the file cannot be read there.
        """
        start, wanted = first_frame * SAMPLES_PER_FRAME, count * SAMPLES_PER_FRAME
        if self.audio is not None:
            return self.audio[start : start + wanted]
        found, gaps = read_audio_and_gaps(
            self.path, first_frame / FPS, count / FPS, sample_rate=SAMPLE_RATE, channels=1
        )
        self._require(found.shape[1] / SAMPLE_RATE, gaps, first_frame, count, "sound")
        return np.pad(found[0], (0, wanted - found.shape[1]))

    def pictures(self, first_frame: int, count: int) -> Frames:
        """Return the frames (count, H, W, 3) from a frame on.

        Raises MediaError where the file cannot be read there.
        """
        if self.frames is not None:
            return self.frames[first_frame : first_frame + count]
        frames, gaps = read_video_and_gaps(
            self.path, first_frame / FPS, count / FPS, fps=FPS, size=self.frame_size
        )
        self._require(len(frames) / FPS, gaps, first_frame, count, "picture")
        return np.pad(frames, [(0, count - len(frames)), (0, 0), (0, 0), (0, 0)], mode="edge")

    def _require(
        self, found_s: float, gaps: Sequence[Span], first_frame: int, count: int, what: str
    ) -> None:
        # the declared end can exceed the last picture or packet by a few frames
        whole_s = found_s - _missing_s(gaps, first_frame, count)
        if whole_s < (1 - MISSING_SHARE) * count / FPS:
            raise MediaError(
                self.path,
                f"{whole_s:.2f} s of {what} at {first_frame / FPS:.2f} s, where a clip has "
                f"{count / FPS:.2f} s",
            )


def _missing_s(gaps: Sequence[Span], first_frame: int, count: int) -> float:
    """Return how much of a clip lies in gaps; where two overlap, both count."""
    start_s, end_s = first_frame / FPS, (first_frame + count) / FPS
    return sum(Span(max(start_s, gap.start_s), min(end_s, gap.end_s)).duration_s for gap in gaps)


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
        MediaError: no sound, no picture where `pictures` are wanted, shorter than a clip, damaged
            throughout.
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
    film = Film(path, count, frame_size)
    gaps = _Gaps()
    if 0 < sound.end_s * FPS * frame_bytes <= cache_bytes:
        film, gaps, sound_end_s = _in_memory(film, end_s if pictures else None)
        sound = Span(sound.start_s, sound_end_s)
    elif count >= clip_frames:
        film = _as_far_as_readable(film, clip_frames, pictures)
    if film.frame_count < clip_frames:
        raise MediaError(
            path,
            f"{film.frame_count / FPS:.1f} s of {'sound and picture' if pictures else 'sound'}, a "
            f"clip needs {clip_frames / FPS:.1f} s",
        )
    starts = range(film.frame_count - clip_frames + 1)
    if not any(film.is_whole(first, clip_frames) for first in starts):
        raise MediaError(path, f"{gaps} missing: no clip of it is whole")
    return film, _report(film, sound, picture if pictures else None, count, gaps)


@dataclass(frozen=True)
class _Gaps:
    """Where a film in memory has no sound or no pictures."""

    sound: tuple[Span, ...] = ()
    picture: tuple[Span, ...] = ()

    def __str__(self) -> str:
        lengths = {"sound": self.sound, "picture": self.picture}
        return " and ".join(
            f"{sum(gap.duration_s for gap in gaps):.1f} s of {what}"
            for what, gaps in lengths.items()
            if gaps
        )


def _in_memory(film: Film, picture_end_s: float | None) -> tuple[Film, _Gaps, float]:
    """Read a film whole, its pictures as far as `picture_end_s`; None takes the sound alone.

    Returns the end of its sound in seconds, too.
    """
    sound, sound_gaps = read_audio_and_gaps(film.path, sample_rate=SAMPLE_RATE, channels=1)
    audio, frames, gaps = sound[0], None, _Gaps(sound_gaps)
    count = len(audio) // SAMPLES_PER_FRAME
    if picture_end_s is not None:
        # as far as there is sound, which need not be as long
        frames, picture_gaps = read_video_and_gaps(
            film.path, 0.0, max(picture_end_s, 1 / FPS), fps=FPS, size=film.frame_size
        )
        count, gaps = min(count, len(frames)), _Gaps(sound_gaps, picture_gaps)
    both = (*gaps.sound, *gaps.picture)
    whole = Film(film.path, count, film.frame_size, audio, frames, both)
    return whole, gaps, len(audio) / SAMPLE_RATE


def _as_far_as_readable(film: Film, clip_frames: int, pictures: bool) -> Film:
    """Shorten a film whose file breaks off before the end that it declares."""

    def ends_whole(count: int) -> bool:
        first = max(0, count - clip_frames)
        try:
            film.sound(first, clip_frames)
            if pictures:
                film.pictures(first, clip_frames)
        except UnreachableError:
            raise
        except MediaError:
            return False
        return True

    # the end itself may be short of a few frames, which a clip there does not miss
    if ends_whole(film.frame_count):
        return film
    readable, unreadable = 0, film.frame_count
    while unreadable - readable > max(1, clip_frames // 2):
        middle = (readable + unreadable) // 2
        readable, unreadable = (middle, unreadable) if ends_whole(middle) else (readable, middle)
    return replace(film, frame_count=readable)


def _report(
    film: Film, sound: Span, picture: Span | None, declared: int, gaps: _Gaps
) -> dict[str, object]:
    notes = []
    if film.audio is None and film.frame_count < declared:
        notes.append(
            f"cannot be read beyond {film.frame_count / FPS:.1f} s, where it declares "
            f"{declared / FPS:.1f} s"
        )
    if str(gaps):
        notes.append(f"{gaps} missing: clips there are not used")
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
