"""Films with sound and picture in step, or sources of sound alone, read where a clip lies."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.audio import Audio
from padam.audio.container import UnreachableError
from padam.audio.media import MediaError, read_audio, read_video
from padam.audio.spans import Span, stream_spans
from padam.audio.storage import Location

logger = logging.getLogger(__name__)

SAMPLE_RATE: Final = 16_000
FPS: Final = 25
SAMPLES_PER_FRAME: Final = SAMPLE_RATE // FPS
OUT_OF_STEP_S: Final = 0.5
MISSING_SHARE: Final = 0.1  # of a clip that a declared end may promise too much

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
