"""Chunks of the artifact simulator as the classifier takes them: log-mel spectrograms and a table.

Spectrograms are kept rather than samples: an epoch then costs no decoding, no resampling and no
Fourier transform, and a chunk takes 13 kB in half precision instead of 96 kB.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from padam.audio import Audio
from padam.audio.resampling import resample
from padam.audio.storage import Location
from padam.defects.audio_artifacts.chunks import Chunk, chunks_of, title_tracks
from padam.defects.audio_artifacts.config import SAMPLE_RATE, SimulationConfig
from padam.defects.audio_artifacts.titles import PieceRejectedError, TitlePlanConfig, read_piece
from padam.defects.audio_artifacts.tracks import lookahead
from padam.models.cnn6 import SAMPLE_RATE as MODEL_RATE
from padam.models.cnn6 import Cnn6LogMel

CHUNKS_AT_ONCE: Final = 64
# Mirrored at both ends before the sample rate is converted: a chunk that begins loud would
# otherwise step from zero, which is a click.
MARGIN_S: Final = 0.01


@dataclass
class ChunkShard:
    """Spectrograms by chunk id (T, 64), a row for each, and what could not be made with reasons."""

    log_mel: dict[str, npt.NDArray[np.float16]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)


def render_pieces(
    root: Location,
    pieces: Sequence[dict[str, Any]],
    plan: TitlePlanConfig,
    simulation: SimulationConfig,
) -> ChunkShard:
    """Render all versions of some pieces; one that cannot be read or made is recorded."""
    shard = ChunkShard()
    for piece in pieces:
        told = {"source": piece["source"], "start_s": piece["start"] / SAMPLE_RATE}
        tracks, reasons = title_tracks(piece, simulation)
        shard.rejected += [
            {**told, "version": name, "reason": why} for name, why in reasons.items()
        ]
        try:
            samples = read_piece(root, piece, lookahead(simulation))
        except PieceRejectedError as error:
            shard.rejected.append({**told, "version": "all", "reason": str(error)})
            continue
        chunks: list[Chunk] = []
        for chunk in chunks_of(samples, piece, tracks, plan, simulation):
            chunks.append(chunk)
            if len(chunks) == CHUNKS_AT_ONCE:
                _add(shard, chunks)
                chunks = []
        _add(shard, chunks)
    return shard


def chunk_log_mel(chunks: Audio) -> npt.NDArray[np.float16]:
    """Return (N, T, 64) in dB, float16, of chunks (N, samples) at 48 kHz in [-1, 1].

    A second has 101 frames. Each chunk is brought to the model's 32 kHz by itself, so that training
    and scoring hear the same of it.
    """
    margin, cut = round(MARGIN_S * SAMPLE_RATE), round(MARGIN_S * MODEL_RATE)
    mirrored = np.pad(chunks, ((0, 0), (margin, margin)), mode="reflect")
    at_rate = resample(mirrored, SAMPLE_RATE, MODEL_RATE, "HQ")[:, cut:-cut]
    with torch.inference_mode():
        log_mel: npt.NDArray[np.float16] = _front_end()(torch.from_numpy(at_rate)).half().numpy()
    return log_mel


@lru_cache(maxsize=1)
def _front_end() -> Cnn6LogMel:
    return Cnn6LogMel().eval()


def _add(shard: ChunkShard, chunks: Sequence[Chunk]) -> None:
    if not chunks:
        return
    samples = np.stack([chunk.samples for chunk in chunks]).astype(np.float32) / np.float32(32768)
    for chunk, log_mel in zip(chunks, chunk_log_mel(samples), strict=True):
        shard.log_mel[chunk.row["chunk_id"]] = log_mel
        shard.rows.append(chunk.row)
