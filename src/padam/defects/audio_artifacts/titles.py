"""From titles to pieces of 16-bit audio: levels, the plan of pieces, and reading one."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from padam.audio.container import MediaError, UnreachableError
from padam.audio.media import read_audio, stream_audio
from padam.audio.storage import Location, is_complete, locate
from padam.defects.audio_artifacts.config import SAMPLE_RATE
from padam.defects.audio_artifacts.tones import saturated
from padam.defects.clip_ids import clip_rng
from padam.defects.interval import within

Seconds = Annotated[float, Field(gt=0)]
BLOCK_S = 30.0
# a container may promise a little more than it holds
MAX_MISSING_S = 0.02


class TitlePlanConfig(BaseModel):
    """Which parts of the titles become chunks, and at what level."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    chunk_s: float = Field(default=1.0, ge=0.2, le=10)  # AA; PADAM says that AA has 2 s
    piece_s: float = Field(default=60.0, ge=1)  # read and rendered at once
    # ours: of longer titles so much, in pieces drawn from all over them; given by split, it leaves
    # the titles of splits that are not named whole
    max_title_s: Seconds | dict[Literal["train", "validation", "test"], Seconds] | None = None
    # ours: many masters peak at full scale and leave hum and hiss no room; None keeps the level
    peak_db: Annotated[tuple[float, float], within(-40, 0)] | None = (-6.0, -1.0)
    max_gain_db: float = Field(default=12.0, ge=0, le=60)
    seed: int = Field(default=0, ge=0)

    @property
    def chunk_samples(self) -> int:
        """Length of a chunk."""
        return round(self.chunk_s * SAMPLE_RATE)


class PieceRejectedError(Exception):
    """A planned piece that cannot be read, with the reason."""


def with_strata(inspections: pd.DataFrame, depth: int) -> pd.DataFrame:
    """Inspections whose `kind` are the first `depth` folders: genre, or genre and language."""
    kinds = [
        "other" if is_complete(source) else "/".join(PurePosixPath(source).parts[:-1][:depth])
        for source in inspections["source"]
    ]
    return inspections.assign(kind=[kind or "other" for kind in kinds])


def measure_level(root: Location, source: str, channels: int) -> dict[str, Any]:
    """Length and greatest magnitude of a title as it will be read: source, channels, samples, peak.

    A file of any length is read in bounded memory. One that cannot be read is a row with a
    `reason`. Raises UnreachableError where its storage fails.
    """
    samples, peak, reason = 0, 0.0, None
    try:
        blocks = stream_audio(
            locate(root, source), BLOCK_S, sample_rate=SAMPLE_RATE, channels=channels
        )
        for block in blocks:
            samples += block.shape[1]
            peak = max(peak, float(np.abs(block).max(initial=0)))
    except UnreachableError:
        raise
    except MediaError as error:
        reason = error.reason
    if reason is None and not peak > 0:
        reason = "silent"
    return {
        "source": source,
        "channels": channels,
        "samples": samples,
        "peak": peak,
        "reason": reason,
    }


def plan_pieces(index: pd.DataFrame, levels: pd.DataFrame, config: TitlePlanConfig) -> pd.DataFrame:
    """Rows source, split, kind, channels, samples, gain, peak, start, length, seed.

    `samples` is the title's length, `gain` what its samples are multiplied by, `peak` its greatest
    magnitude after that in steps of 16 bits. `start` and `length` of a piece are whole chunks, in
    samples; the rest of a title, shorter than a chunk, is left out. Raises ValueError where no
    title holds a chunk.
    """
    usable = levels[levels["reason"].isna()].drop(columns=["reason", "channels"])
    titles = index[["source", "split", "kind"]].merge(usable, on="source")
    titles = titles.merge(levels[["source", "channels"]], on="source").sort_values("source")
    records: list[dict[str, Any]] = titles.to_dict(orient="records")  # type: ignore[assignment]
    rows = [row for title in records for row in _pieces(title, config)]
    if not rows:
        raise ValueError(f"None of {len(index)} titles holds a chunk of {config.chunk_s:g} s.")
    return pd.DataFrame(rows)


def _pieces(title: dict[str, Any], config: TitlePlanConfig) -> list[dict[str, Any]]:
    rng = clip_rng(config.seed, title["source"], -1.0)
    gain = 1.0
    if config.peak_db is not None:
        wanted = 10 ** (rng.uniform(*config.peak_db) / 20) / title["peak"]
        gain = min(wanted, 10 ** (config.max_gain_db / 20))
    peak = min(round(gain * title["peak"] * 32768), 32768)
    chunk = config.chunk_samples
    chunks = int(title["samples"]) // chunk
    in_piece = max(1, round(config.piece_s / config.chunk_s))
    firsts = np.arange(0, chunks, in_piece)
    max_title_s = config.max_title_s
    if isinstance(max_title_s, dict):
        max_title_s = max_title_s.get(title["split"])
    if max_title_s is not None:
        most = max(1, int(max_title_s / (in_piece * config.chunk_s)))
        firsts = np.sort(rng.permutation(firsts)[:most])
    return [
        {
            **title,
            "gain": gain,
            "peak": peak,
            "start": int(first) * chunk,
            "length": min(in_piece, chunks - int(first)) * chunk,
            "seed": config.seed,
        }
        for first in firsts
    ]


def read_piece(root: Location, piece: Mapping[str, Any], more: int) -> npt.NDArray[np.int16]:
    """Samples (channels, n) of a piece and up to `more` of what follows, 48 kHz, 16 bits.

    Raises PieceRejectedError where the file is gone, broken or has become shorter, UnreachableError
    where its storage fails.
    """
    try:
        audio = read_audio(
            locate(root, str(piece["source"])),
            piece["start"] / SAMPLE_RATE,
            (piece["length"] + more) / SAMPLE_RATE,
            sample_rate=SAMPLE_RATE,
            channels=int(piece["channels"]),
        )
    except UnreachableError:
        raise
    except MediaError as error:
        raise PieceRejectedError(error.reason) from error
    missing = int(piece["length"]) - audio.shape[1]
    if missing > MAX_MISSING_S * SAMPLE_RATE:
        raise PieceRejectedError(f"the file ends {missing / SAMPLE_RATE:.2f} s before the piece")
    samples = saturated(np.rint(audio * (float(piece["gain"]) * 32768)))
    return np.pad(samples, ((0, 0), (0, max(0, missing))))
