"""Stage 2: representations that cluster by quality and by content (PADAM §4.2)."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from padam.defects.registry import DEFECT_NAMES
from padam.models.quality_head import QualityHead
from padam.training.batches import Batch
from padam.training.callbacks import EarlyStop
from padam.training.fitting import (
    BEST_CHECKPOINT,
    fingerprint,
    first_and_last,
    fit,
    last_values,
    seeded,
)
from padam.training.head_module import QualityHeadModule, QualityHeadTraining
from padam.training.head_validation import segment_auc
from padam.training.pairs import (
    EmbeddingRows,
    Floats,
    LabelledEmbeddings,
    PairBatches,
    PairedEmbeddings,
)

logger = logging.getLogger(__name__)

STAGE = "quality_head"
MONITORED = "validation_loss"


def train_quality_head(
    *,
    reference: Floats | EmbeddingRows,
    degraded: Floats | EmbeddingRows,
    q_rank: Floats,
    labels: Floats,
    sources: Sequence[Any] | npt.NDArray[Any],
    splits: Sequence[Any] | npt.NDArray[Any],
    config: QualityHeadTraining,
    checkpoint_dir: Path,
    source_clips: Sequence[Any] | npt.NDArray[Any] | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> tuple[QualityHead, pd.DataFrame, dict[str, Any]]:
    """Train the quality head on N clip pairs and return it with the curve and a summary.

    Args:
        reference: embeddings (N, T, 384) of the clean members; they carry no label and, being the
            best there is, q_rank 1. An array, or rows that are read when they are asked for.
        degraded: embeddings (N, T, 384) of the degraded members.
        q_rank: fused quality of the degraded members mapped to [0, 1]; NaN takes no part in L_q.
        labels: (N, 7) of 0 and 1, the degraded members' defects in the registry's order.
        sources: source file of each pair; none may be in two splits.
        splits: "train", "validation" or "test" of each pair; "test" is not looked at.
        config: sizes, schedule and losses.
        checkpoint_dir: an interrupted training goes on from its last.ckpt.
        source_clips: identity of the clean clip of each pair, where one clean clip has several
            degraded versions; by default each pair has its own.
        callbacks: further Lightning callbacks.

    Raises:
        ValueError: arrays of different length, not finite, out of range, a source in two splits,
            or fewer than two training pairs.
        TrainingDivergedError: the loss is not finite.
    """
    pairs = PairedEmbeddings.validated(
        reference, degraded, q_rank, labels, sources, splits, source_clips
    )
    return train_on_pairs(pairs, config, checkpoint_dir, callbacks=callbacks)


def train_on_pairs(
    pairs: PairedEmbeddings,
    config: QualityHeadTraining,
    checkpoint_dir: Path,
    *,
    segments: LabelledEmbeddings | None = None,
    stage: str = STAGE,
    callbacks: Sequence[pl.Callback] = (),
) -> tuple[QualityHead, pd.DataFrame, dict[str, Any]]:
    """Train the quality head as `train_quality_head` does; `stage` names it in logs and curves.

    Of `segments`, `config.segments` stand beside each batch of pairs, in L_d alone.

    Raises:
        ValueError: fewer than two training pairs, early stopping without validation pairs, or
            segments asked for and none given.
        TrainingDivergedError: the loss is not finite.
    """
    train, held_out = pairs.rows("train"), pairs.rows("validation")
    drawn_from = segments.rows("train") if segments else np.zeros(0, dtype=np.int64)
    if config.segments and not len(drawn_from):
        raise ValueError(
            f"segments is {config.segments}, and no training title has any: make some with the "
            "pipeline training_titles, or set it to 0."
        )
    if config.early_stopping_checks and not len(held_out):
        raise ValueError(
            "early_stopping_checks needs validation pairs, and there are none: add clips of the "
            "split 'validation', or set it to null."
        )
    if len(train) < 2:
        raise ValueError(f"Stage 2 needs at least 2 training pairs, not {len(train)}.")
    balance = class_balance(pairs)
    logger.info(
        "%d training and %d validation pairs; with %s.",
        *(len(train), len(held_out)),
        ", ".join(f"{name} {balance[f'train_share_{name}']:.0%}" for name in DEFECT_NAMES),
    )
    best = ModelCheckpoint(
        checkpoint_dir,
        filename=Path(BEST_CHECKPOINT).stem,
        monitor=MONITORED,
        save_weights_only=True,
        enable_version_counter=False,
    )
    early = config.early_stopping_checks
    stopping = [EarlyStop(MONITORED, patience=early), best] if early else []
    with seeded(config.seed):
        module = QualityHeadModule(config)
    history = fit(
        module,
        partial(_draw_batch, pairs, train, segments, drawn_from, config),
        _validation_batches(pairs, held_out, config),
        config,
        stage=stage,
        checkpoint_dir=checkpoint_dir,
        fingerprint=fingerprint(
            config, [pairs.digest, segments.digest] if segments else pairs.digest
        ),
        callbacks=[*callbacks, *stopping],
    )
    loss_first, loss_last = first_and_last(history, "train_loss")
    measured = last_values(history, "validation_")
    if early:
        checkpoint = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
        module.load_state_dict(checkpoint["state_dict"])
        until_then = history[history["step"] <= checkpoint["global_step"]]
        measured = last_values(until_then, "validation_")
        measured["best_step"] = checkpoint["global_step"]
    aucs = [f"validation_auc_{name}" for name in DEFECT_NAMES] if len(held_out) else []
    summary: dict[str, Any] = {
        "loss_first": loss_first,
        "loss_last": loss_last,
        "steps": int(history["step"].max()),
        "train_pairs": len(train),
        "validation_pairs": len(held_out),
        "train_segments": len(drawn_from),
        **balance,
        **dict.fromkeys(aucs),  # None: only one class among the validation clips
        **measured,
    }
    head = module.head.cpu().eval()
    if segments:
        summary["validation_segment_auc"] = segment_auc(head, segments)
    return head, history, summary


def class_balance(pairs: PairedEmbeddings) -> dict[str, float]:
    """Return the shares of degraded clips that hold each defect and any, by split, 0 to 1.

    A split without clips is left out. A batch holds a clean clip beside each degraded one.
    """
    shares: dict[str, float] = {}
    for split in ("train", "validation"):
        labels = pairs.labels[pairs.rows(split)]
        if len(labels):
            named = zip(DEFECT_NAMES, labels.mean(axis=0), strict=True)
            shares |= {f"{split}_share_{name}": float(share) for name, share in named}
            shares[f"{split}_share_defective"] = float(labels.max(axis=1).mean())
    return shares


def _draw_batch(
    pairs: PairedEmbeddings,
    train: npt.NDArray[np.int64],
    segments: LabelledEmbeddings | None,
    drawn_from: npt.NDArray[np.int64],
    config: QualityHeadTraining,
    step: int,
) -> Batch:
    rng = np.random.default_rng([config.seed, step])
    count = min(config.batch_size // 2, len(train))
    batch = pairs.batch(rng.choice(train, count, replace=False))
    if segments and config.segments:
        batch |= segments.drawn(rng, drawn_from, config.segments)
    return batch


def _validation_batches(
    pairs: PairedEmbeddings, held_out: npt.NDArray[np.int64], config: QualityHeadTraining
) -> Sequence[Batch]:
    if len(held_out) == 0:
        logger.info("No validation pairs: only the training loss is measured.")
        return []
    return PairBatches(pairs, held_out, config.batch_size // 2)
