"""Embeddings of a whole title, computed once for every system that stands on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from padam.audio import Audio
from padam.detection.heard_segments import heard_segments
from padam.detection.segments import SILENCE
from padam.models.audio_encoder import EMBEDDING_WIDTH, AudioEncoder
from padam.training.embedding import SAMPLE_RATE, Precision, embed_audio

BATCH_SEGMENTS = 6


@dataclass(frozen=True)
class TitleEmbeddings:
    """Segments of a title: `times` (S, 2) in seconds, `embeddings` (S, C, 75, 384) float16.

    Embeddings are NaN where a channel's audio was not finite, or silent. `native_evidence` is
    (S, C, K) float32, K = 0 where none was asked for.
    """

    times: npt.NDArray[np.float64]
    embeddings: npt.NDArray[np.float16]
    native_evidence: npt.NDArray[np.float32]

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the arrays by name, to be stored."""
        return {name: getattr(self, name) for name in ("times", "embeddings", "native_evidence")}


def embed_title(
    encoder: AudioEncoder,
    blocks: Iterable[Audio],
    sample_rate: int = SAMPLE_RATE,
    precision: Precision = "auto",
    device: torch.device | None = None,
    *,
    with_evidence: bool = False,
) -> TitleEmbeddings:
    """Embed consecutive blocks (channels, samples) at `sample_rate`, in segments of 10 s.

    A short last segment is mirrored to full length, as in scoring. Memory holds a few segments of
    audio, and the embeddings: 58 kB a channel and segment.
    """
    times: list[tuple[float, float]] = []
    parts: list[npt.NDArray[np.float16]] = []
    evidence: list[npt.NDArray[np.float32]] = []
    rows: list[Audio] = []

    def embed() -> None:
        stacked = np.concatenate(rows)
        finite = np.asarray(np.isfinite(stacked).all(axis=1))
        found = embed_audio(encoder, np.where(finite[:, None], stacked, 0), precision, device)
        peaks = np.abs(np.where(finite[:, None], stacked, 0)).max(axis=1, initial=0)
        found[peaks <= SILENCE] = np.nan
        parts.append(found.reshape(len(rows), -1, *found.shape[1:]))
        rows.clear()

    for segment in heard_segments(blocks, sample_rate, with_evidence=with_evidence):
        times.append((segment.start_s, segment.end_s))
        evidence.append(segment.native_evidence)
        rows.append(segment.audio)
        if len(rows) == BATCH_SEGMENTS:
            embed()
    if rows:
        embed()
    if not parts:
        return TitleEmbeddings(
            np.zeros((0, 2)),
            np.zeros((0, 1, 75, EMBEDDING_WIDTH), dtype=np.float16),
            np.zeros((0, 1, 0), dtype=np.float32),
        )
    return TitleEmbeddings(
        np.array(times, dtype=np.float64), np.concatenate(parts), np.stack(evidence)
    )
