"""Films as synchronised clips of sound and picture."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from padam.audio import Audio
from padam.audio.media import MediaError, probe, read_audio, read_video
from padam.audio.storage import Location
from padam.training.fitting import Batch

logger = logging.getLogger(__name__)

SAMPLE_RATE = 16_000
FPS = 25
SAMPLES_PER_FRAME = SAMPLE_RATE // FPS
OUT_OF_STEP_S = 0.5

Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Film:
    """A film's sound (samples,) at 16 kHz and, where they fit, its frames (T, H, W, 3) at 25 fps.

    `frames` is None for a film whose pictures are read from the file clip by clip.
    """

    path: Location
    audio: Audio
    frames: Frames | None
    frame_count: int
    frame_size: tuple[int, int]

    def sound(self, first_frame: int, count: int) -> Audio:
        """Return the sound (count * 640,) from a frame on."""
        start = first_frame * SAMPLES_PER_FRAME
        return self.audio[start : start + count * SAMPLES_PER_FRAME]

    def pictures(self, first_frame: int, count: int) -> Frames:
        """Return the frames (count, H, W, 3) from a frame on."""
        if self.frames is not None:
            return self.frames[first_frame : first_frame + count]
        start_s = first_frame / FPS
        frames = read_video(self.path, start_s, count / FPS, fps=FPS, size=self.frame_size)
        if len(frames) == 0:
            raise MediaError(self.path, f"no picture can be read at {start_s:.2f} s")
        # The declared duration can exceed the last picture by a few frames: hold that one.
        return np.pad(frames, [(0, count - len(frames)), (0, 0), (0, 0), (0, 0)], mode="edge")


@dataclass(frozen=True)
class ClipPlace:
    """Where a clip lies: which film, and from which frame on."""

    film: int
    first_frame: int


def open_film(
    path: Location, frame_size: tuple[int, int], clip_frames: int, cache_bytes: int
) -> Film:
    """Read a film, its frames too if they take at most `cache_bytes`.

    Raises:
        MediaError: no sound, no picture, or shorter than a clip.
    """
    info = probe(path)
    if not info.has_audio:
        raise MediaError(path, "no audio stream; stage 1 learns from sound and picture together")
    if not info.has_video:
        raise MediaError(path, "no video stream; stage 1 learns from sound and picture together")
    audio = read_audio(path, sample_rate=SAMPLE_RATE, channels=1)[0]
    height, width = frame_size
    frames: Frames | None = None
    if int(info.duration_s * FPS) * height * width * 3 <= cache_bytes:
        frames = read_video(path, 0.0, info.duration_s, fps=FPS, size=frame_size)
        video_frames = len(frames)
    else:
        video_frames = int(info.duration_s * FPS)
    audio_frames = len(audio) // SAMPLES_PER_FRAME
    if abs(audio_frames - video_frames) > OUT_OF_STEP_S * FPS:
        logger.warning(
            "%s: sound lasts %.1f s and picture %.1f s; the common part is used.",
            *(path, audio_frames / FPS, video_frames / FPS),
        )
    count = min(audio_frames, video_frames)
    if count < clip_frames:
        raise MediaError(
            path,
            f"{count / FPS:.1f} s of sound and picture, a clip needs {clip_frames / FPS:.1f} s",
        )
    return Film(path, audio, frames, count, frame_size)


def open_films(
    paths: Sequence[Location], frame_size: tuple[int, int], clip_frames: int, cache_gb: float
) -> tuple[list[Film], dict[str, str]]:
    """Read films within a budget of memory; return them, and path → reason for the unusable ones.

    Raises:
        ValueError: paths were given and none of them can be used.
    """
    films: list[Film] = []
    rejected: dict[str, str] = {}
    budget = int(cache_gb * 2**30)
    for path in paths:
        try:
            film = open_film(path, frame_size, clip_frames, budget)
        except MediaError as error:
            rejected[str(path)] = error.reason
            logger.warning("%s is left out of stage 1: %s.", path, error.reason)
            continue
        budget -= film.frames.nbytes if film.frames is not None else 0
        films.append(film)
    if paths and not films:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in rejected.items())
        raise ValueError(f"None of {len(paths)} films can be used: {reasons}.")
    return films, rejected


def clip_capacity(films: Sequence[Film], clip_frames: int) -> int:
    """Return how many clips that do not overlap can surely be drawn at a random offset."""
    return sum(max(1, film.frame_count // clip_frames - 1) for film in films)


def draw_places(
    films: Sequence[Film], clip_frames: int, count: int, rng: np.random.Generator
) -> list[ClipPlace]:
    """Draw `count` clips that do not overlap, so that no negative holds the positive's moment.

    Each film is cut into clips from a random offset on, and `count` of all clips are drawn.
    """
    places = []
    for index, film in enumerate(films):
        slack = film.frame_count - clip_frames
        offset = int(rng.integers(min(slack, clip_frames - 1) + 1))
        last = film.frame_count - clip_frames
        places += [ClipPlace(index, first) for first in range(offset, last + 1, clip_frames)]
    chosen = rng.choice(len(places), count, replace=False)
    return [places[i] for i in chosen]


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
    """Return `audio` (B, samples) float32 and `frames` (B, T, H, W, 3) uint8."""
    sounds = [films[place.film].sound(place.first_frame, clip_frames) for place in places]
    batch = {"audio": torch.from_numpy(np.stack(sounds))}
    if pictures:
        frames = [films[place.film].pictures(place.first_frame, clip_frames) for place in places]
        batch["frames"] = torch.from_numpy(np.stack(frames))
    return batch
