"""Stage 2: learn perceptual representations from embeddings, q̂ and labels."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from padam.datasets.shards import Arrays
from padam.defects.clip_ids import check_same_clips, clips_of
from padam.defects.registry import DEFECT_NAMES
from padam.models.quality_head import QualityHead
from padam.training.embedding import represent
from padam.training.figures import plot_history
from padam.training.quality_head import QualityHeadTraining, train_quality_head

SIDES = ("reference", "degraded")


def train_head(
    embeddings: Arrays,
    fused: pd.DataFrame,
    manifest: pd.DataFrame,
    checkpoints: Path,
    config: QualityHeadTraining,
) -> tuple[QualityHead, pd.DataFrame, dict[str, Any], Figure]:
    """Train the quality head on pairs of the clips that have a q̂."""
    check_same_clips(
        {
            "clip_manifest": manifest["clip_id"],
            "fused_quality": fused["clip_id"],
            "embeddings": clips_of(embeddings),
        }
    )
    clips = manifest.merge(fused[["clip_id", "q_rank"]], on="clip_id", validate="1:1")
    clips = clips[clips["q_rank"].notna()]
    reference, degraded = (chosen_channels(embeddings, clips, side) for side in SIDES)
    head, history, summary = train_quality_head(
        reference=reference,
        degraded=degraded,
        q_rank=clips["q_rank"].to_numpy(dtype=np.float32),
        labels=clips[list(DEFECT_NAMES)].to_numpy(dtype=np.float32),
        sources=clips["source"].to_numpy(),
        splits=clips["split"].to_numpy(),
        config=config,
        checkpoint_dir=checkpoints,
    )
    return head, history, summary, plot_history(history, "Stage 2: quality head")


def represent_clips(head: QualityHead, embeddings: Arrays, manifest: pd.DataFrame) -> pd.DataFrame:
    """Return one row per side of every clip pair: its labels and its representation r (512,).

    A clip is represented by the channel that most defects hit; a reference is clean.
    """
    check_same_clips({"clip_manifest": manifest["clip_id"], "embeddings": clips_of(embeddings)})
    tables = []
    for side in SIDES:
        table = manifest[["clip_id", "source", "split", "channel", *DEFECT_NAMES]].copy()
        if side == "reference":
            table[list(DEFECT_NAMES)] = 0
        table.insert(1, "side", side)
        table["defective"] = table[list(DEFECT_NAMES)].any(axis=1).astype(int)
        table["representation"] = list(represent(head, chosen_channels(embeddings, table, side)))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def chosen_channels(embeddings: Arrays, clips: pd.DataFrame, side: str) -> npt.NDArray[np.float16]:
    """Return the embeddings (clips, T, 384) of one side of each clip, of its chosen channel."""
    chosen = zip(clips["clip_id"], clips["channel"], strict=True)
    return np.stack([embeddings[f"{clip}.{side}"][channel] for clip, channel in chosen])
