"""Stage 2: learn perceptual representations from embeddings, q̂ and labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from padam.defects.clip_ids import check_same_clips, clips_of
from padam.defects.registry import DEFECT_NAMES
from padam.detection.title_segments import EVIDENCE
from padam.models.quality_head import QualityHead
from padam.training.embedding import represent
from padam.training.figures import plot_history
from padam.training.head_figures import plot_representations, plot_roc, plot_similarity
from padam.training.head_module import QualityHeadTraining
from padam.training.head_validation import head_outputs
from padam.training.pairs import (
    EmbeddingRows,
    Floats,
    LabelledEmbeddings,
    PairedEmbeddings,
    blocks,
)
from padam.training.quality_head import train_on_pairs

SIDES = ("reference", "degraded")
EXCERPT = ["source", "start_s"]
"""What the degraded versions of one source clip share."""


def train_head(
    embeddings: Mapping[str, Floats],
    fused: pd.DataFrame,
    manifest: pd.DataFrame,
    segment_embeddings: Mapping[str, Floats],
    segments: pd.DataFrame,
    checkpoints: Path,
    config: QualityHeadTraining,
) -> tuple[QualityHead, pd.DataFrame, dict[str, Any], Figure]:
    """Train the quality head on pairs of the clips that have a q̂, and on segments that have none.

    Titles' segments take part in L_d alone, and only where the configuration draws some.
    """
    pairs = paired(embeddings, scored_clips(embeddings, fused, manifest))
    labelled = labelled_segments(segment_embeddings, segments) if config.segments else None
    head, history, summary = train_on_pairs(pairs, config, checkpoints, segments=labelled)
    return head, history, summary, plot_history(history, "Stage 2: quality head")


def draw_head(
    head: QualityHead, embeddings: Mapping[str, Floats], fused: pd.DataFrame, manifest: pd.DataFrame
) -> tuple[Figure, Figure, Figure]:
    """Draw what the head makes of the validation clips: r, similarity over |Δq̂|, ROC curves."""
    pairs = paired(embeddings, scored_clips(embeddings, fused, manifest))
    outputs = head_outputs(head, pairs, pairs.rows("validation"))
    return plot_representations(outputs), plot_similarity(outputs), plot_roc(outputs)


def represent_clips(
    head: QualityHead,
    embeddings: Mapping[str, Floats],
    native_evidence: Mapping[str, Floats],
    manifest: pd.DataFrame,
) -> pd.DataFrame:
    """Return one row per side of every clip pair: its labels and its representation r (512,).

    Beside r stands the native-rate evidence (K,), empty where none was measured. A clip is
    represented by the channel that most defects hit; a reference is clean.
    """
    check_same_clips(
        {
            "clip_manifest": manifest["clip_id"],
            "embeddings": clips_of(embeddings),
            "native_evidence": clips_of(native_evidence),
        }
    )
    tables = []
    for side in SIDES:
        table = manifest[["clip_id", "source", "split", "channel", *DEFECT_NAMES]].copy()
        if side == "reference":
            table[list(DEFECT_NAMES)] = 0
        table.insert(1, "side", side)
        table["defective"] = table[list(DEFECT_NAMES)].any(axis=1).astype(int)
        rows = chosen_channels(embeddings, table, side)
        table["representation"] = [
            r for block in blocks(len(rows)) for r in represent(head, rows[block])
        ]
        table["native_evidence"] = list(chosen_evidence(native_evidence, table, side))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def represent_segments(
    head: QualityHead, embeddings: Mapping[str, Floats], segments: pd.DataFrame
) -> pd.DataFrame:
    """Return a row per complete segment of the training titles, as `represent_clips` does."""
    table = segments[segments["complete"].astype(bool)].reset_index(drop=True)
    rows = chosen_segments(embeddings, table)
    table["representation"] = [
        r for block in blocks(len(rows)) for r in represent(head, rows[block])
    ]
    table["native_evidence"] = [
        embeddings[f"{name}.{EVIDENCE}"][channel]
        for name, channel in zip(segment_names(table), table["channel"], strict=True)
    ]
    return table


def labelled_segments(
    embeddings: Mapping[str, Floats], segments: pd.DataFrame
) -> LabelledEmbeddings:
    """Return the complete segments of the training titles with their labels, unread."""
    complete = segments[segments["complete"].astype(bool)]
    return LabelledEmbeddings.validated(
        chosen_segments(embeddings, complete),
        complete[list(DEFECT_NAMES)].to_numpy(dtype=np.float32),
        complete["split"].to_numpy(),
    )


def segment_names(segments: pd.DataFrame) -> list[str]:
    """Return the names of the segments' arrays."""
    return [
        f"{title}.{side}" for title, side in segments[["clip_id", "side"]].itertuples(index=False)
    ]


def chosen_segments(embeddings: Mapping[str, Floats], segments: pd.DataFrame) -> EmbeddingRows:
    """Return the embeddings (segments, T, 384)."""
    places = zip(segment_names(segments), segments["channel"].astype(int), strict=True)
    return EmbeddingRows(embeddings, list(places))


def scored_clips(
    embeddings: Mapping[str, Floats], fused: pd.DataFrame, manifest: pd.DataFrame
) -> pd.DataFrame:
    """Return the rows of the manifest that have a q̂, with its rank in `q_rank`."""
    check_same_clips(
        {
            "clip_manifest": manifest["clip_id"],
            "fused_quality": fused["clip_id"],
            "embeddings": clips_of(embeddings),
        }
    )
    clips = manifest.merge(fused[["clip_id", "q_rank"]], on="clip_id", validate="1:1")
    return clips[clips["q_rank"].notna()].reset_index(drop=True)


def paired(embeddings: Mapping[str, Floats], clips: pd.DataFrame) -> PairedEmbeddings:
    """Return the pairs of `scored_clips`, their embeddings unread.

    Versions of one excerpt share the identity of their source clip.
    """
    reference, degraded = (chosen_channels(embeddings, clips, side) for side in SIDES)
    return PairedEmbeddings.validated(
        reference,
        degraded,
        q_rank=clips["q_rank"].to_numpy(dtype=np.float32),
        labels=clips[list(DEFECT_NAMES)].to_numpy(dtype=np.float32),
        sources=clips["source"].to_numpy(),
        splits=clips["split"].to_numpy(),
        source_clips=clips.groupby(EXCERPT, sort=False).ngroup().to_numpy(),
    )


def chosen_evidence(
    native_evidence: Mapping[str, Floats], clips: pd.DataFrame, side: str
) -> Floats:
    """Return the native-rate evidence (clips, K) of one side of each clip, its chosen channel."""
    chosen = zip(clips["clip_id"], clips["channel"], strict=True)
    return np.stack([native_evidence[f"{clip}.{side}"][channel] for clip, channel in chosen])


def chosen_channels(
    embeddings: Mapping[str, Floats], clips: pd.DataFrame, side: str
) -> EmbeddingRows:
    """Return the embeddings (clips, T, 384) of one side of each clip, of its chosen channel."""
    chosen = zip(clips["clip_id"], clips["channel"], strict=True)
    return EmbeddingRows(embeddings, [(f"{clip}.{side}", int(channel)) for clip, channel in chosen])
