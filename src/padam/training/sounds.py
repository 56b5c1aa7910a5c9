"""Sources kept in memory at their defects' rate: what degradations are laid over."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.audio import Audio
from padam.audio.container import UnreachableError
from padam.audio.levels import rms_db
from padam.audio.media import MediaError, read_audio
from padam.audio.spans import stream_spans
from padam.audio.storage import Location
from padam.training.films import REPORT_COLUMNS

logger = logging.getLogger(__name__)

STRETCH_S: Final = 20.0
SILENT_DB: Final = -50.0
DRAWS: Final = 10
UNREAD: Final = "cache_gb holds no stretch of it"

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class SoundPool:
    """Stretches of sources, mono in 16 bits, each drawn as often as it is long.

    `stretches` are (samples,) each; `report` has a row for every source (`REPORT_COLUMNS`).
    """

    stretches: tuple[Samples, ...]
    sample_rate: int
    report: pd.DataFrame

    @property
    def duration_s(self) -> float:
        """All stretches together."""
        return sum(map(len, self.stretches)) / self.sample_rate

    def draw(self, rng: np.random.Generator, samples: int) -> Audio:
        """Return a crop (1, samples) from anywhere, drawn again where it is silent.

        After 10 draws a silent one is what comes.
        """
        room = np.array([len(stretch) - samples + 1 for stretch in self.stretches])
        ends = np.cumsum(np.maximum(room, 0))
        crop = np.zeros((1, samples), dtype=np.float32)
        for _ in range(DRAWS):
            place = int(rng.integers(ends[-1]))
            number = int(np.searchsorted(ends, place, side="right"))
            start = place - int(ends[number - 1] if number else 0)
            taken = self.stretches[number][start : start + samples]
            crop[0] = taken.astype(np.float32) / np.float32(2**15)
            if rms_db(crop) >= SILENT_DB:
                break
        return crop


def read_pool(
    paths: Sequence[Location],
    sample_rate: int,
    clip_s: float,
    cache_gb: float,
    rng: np.random.Generator,
    *,
    split: str,
) -> SoundPool:
    """Read as many stretches of 20 s as `cache_gb` holds, spread over all sources.

    A source has a share by the square root of its length, so that long pieces of music do not push
    brief dialogue aside; where the memory does not hold a stretch of each, some sources stay out.

    Raises:
        ValueError: none of the sources can be used.
        UnreachableError: a storage does not answer.
    """
    durations: dict[int, float] = {}
    notes: dict[int, str] = {}
    for number, path in enumerate(paths):
        try:
            durations[number] = _duration_s(path, clip_s)
        except UnreachableError:
            raise  # a storage that fails says nothing about the source
        except MediaError as error:
            notes[number] = error.reason
    counts = _shared_out(durations, int(cache_gb * 2**30 / (2 * STRETCH_S * sample_rate)), rng)
    stretches: list[Samples] = []
    used_s: dict[int, float] = {}
    for number, count in counts.items():
        try:
            found = _read(paths[number], durations[number], count, sample_rate, rng)
        except UnreachableError:
            raise
        except MediaError as error:
            notes[number] = error.reason
            continue
        found = [stretch for stretch in found if len(stretch) >= round(clip_s * sample_rate)]
        used_s[number] = sum(map(len, found)) / sample_rate
        stretches += found
    rows = [
        _row(path, split, used_s.get(n, 0.0), durations.get(n), notes.get(n, _unread(n, counts)))
        for n, path in enumerate(paths)
    ]
    for number, reason in sorted(notes.items()):
        logger.warning("%s is left out of stage 1: %s.", paths[number], reason)
    if paths and not stretches:
        reasons = "; ".join(f"{row['film']}: {row['note']}" for row in rows[:5])
        raise ValueError(f"None of {len(paths)} sources can be used: {reasons}.")
    return SoundPool(tuple(stretches), sample_rate, pd.DataFrame(rows, columns=REPORT_COLUMNS))


def _duration_s(path: Location, clip_s: float) -> float:
    sound, _ = stream_spans(path)
    if sound is None:
        raise MediaError(path, "no audio stream; stage 1 learns from sound")
    if sound.end_s < clip_s:
        raise MediaError(path, f"{sound.end_s:.1f} s of sound, a clip needs {clip_s:.1f} s")
    return sound.end_s


def _shared_out(
    durations: dict[int, float], total: int, rng: np.random.Generator
) -> dict[int, int]:
    """Return how many stretches of each source are read, by its number; at least one in all."""
    if not durations:
        return {}
    numbers = np.array(sorted(durations))
    lengths = np.array([durations[number] for number in numbers])
    most = np.ceil(lengths / STRETCH_S)
    shares = np.minimum(np.sqrt(lengths) / np.sqrt(lengths).sum() * max(total, 1), most)
    # what is left of a stretch is drawn for
    counts = np.floor(shares + rng.random(len(shares))).astype(int)
    if not counts.any():
        counts[int(rng.integers(len(counts)))] = 1
    return {int(n): int(count) for n, count in zip(numbers, counts, strict=True) if count}


def _read(
    path: Location, duration_s: float, count: int, sample_rate: int, rng: np.random.Generator
) -> list[Samples]:
    """Read `count` stretches, one at a random place of each of as many parts of the source."""
    part_s = duration_s / count
    length_s = min(STRETCH_S, part_s)
    found = []
    for part in range(count):
        start_s = part * part_s + float(rng.uniform(0, part_s - length_s))
        audio = read_audio(path, start_s, length_s, sample_rate=sample_rate, channels=1)[0]
        found.append(np.clip(np.rint(audio * 2**15), -(2**15), 2**15 - 1).astype(np.int16))
    return found


def _unread(number: int, counts: dict[int, int]) -> str:
    return "" if number in counts else UNREAD


def _row(
    path: Location, split: str, used_s: float, duration_s: float | None, note: str
) -> dict[str, Any]:
    return {
        "film": str(path),
        "split": split,
        "used_s": used_s,
        "in_memory": used_s > 0,
        "sound_start_s": None if duration_s is None else 0.0,
        "sound_end_s": None if duration_s is None else round(duration_s, 3),
        "picture_start_s": None,
        "picture_end_s": None,
        "note": note,
    }
