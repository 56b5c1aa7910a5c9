"""Stage 2: representations that cluster by quality and by content (PADAM §4.2)."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytorch_lightning as pl
import torch
from pydantic import Field, field_validator
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor
from torch.nn import functional

from padam.defects.registry import DEFECT_NAMES
from padam.models.losses import (
    ContrastiveVariant,
    QualityMaskKind,
    content_mask,
    label_mask,
    masked_contrastive,
    quality_mask,
)
from padam.models.quality_head import QualityHead, QualityHeadConfig
from padam.training.callbacks import EarlyStop, check_finite
from padam.training.fitting import (
    BEST_CHECKPOINT,
    Batch,
    FitConfig,
    fingerprint,
    first_and_last,
    fit,
    last_values,
    seeded,
)
from padam.training.head_validation import segment_auc, validation_metrics
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


class QualityHeadTraining(FitConfig):
    """Stage 2; defaults are for a laptop, the paper's values stand beside them."""

    head: QualityHeadConfig = QualityHeadConfig()
    steps: int = Field(100, ge=1)
    validate_every: int = Field(25, ge=1)
    batch_size: int = Field(48, ge=4, multiple_of=2)  # rows, both members of each pair; 256
    optimizer: Literal["sgd", "adamw"] = "sgd"  # sgd; both under a one-cycle schedule
    max_lr: float = Field(0.3, gt=0)  # 2e-4, for many more steps; adamw wants about 1e-3
    momentum: float = Field(0.9, ge=0, lt=1)  # of sgd; not named by the paper
    weight_decay: float = Field(1e-5, ge=0)  # 1e-5
    temperature: float = Field(0.2, gt=0)  # 0.2
    defect_weight: float = Field(0.5, ge=0)  # ½ L_d
    quality_weight: float = Field(1.0, ge=0)  # L_q
    content_weight: float = Field(1.0, ge=0)  # L_c
    mask: QualityMaskKind | Literal["label"] = "soft"  # soft; label: clips of equal defects
    hard_mask_threshold: float = Field(0.25, ge=0, le=1)  # largest difference of q̂'s rank
    variant: ContrastiveVariant = "all_pairs"  # as printed: degenerate
    identity: Literal["source", "clip"] = "source"  # source: a clean and a degraded clip attract
    # ours: segments of titles beside each batch of pairs, which have labels and no q̂; 0
    segments: int = Field(0, ge=0)
    # ours: ends after so many validations without a lower loss, and returns the best of them
    early_stopping_checks: int | None = Field(None, ge=1)

    @field_validator("head")
    @classmethod
    def _one_output_per_defect(cls, head: QualityHeadConfig) -> QualityHeadConfig:
        if head.labels != len(DEFECT_NAMES):
            raise ValueError(f"head.labels {head.labels} must be {len(DEFECT_NAMES)}, one a defect")
        return head


class QualityHeadModule(pl.LightningModule):
    """The quality head under ½ L_d − L_q − L_c."""

    def __init__(self, config: QualityHeadTraining) -> None:
        super().__init__()
        self.config = config
        self.head = QualityHead(config.head)
        self._seen: list[dict[str, Tensor]] = []

    def losses(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Return the loss, its parts L_d, L_q and L_c, and the representations r (B, 512)."""
        # the GRU may be in half precision; what is compared by angles and logarithms is not
        hidden = self.head(batch["embeddings"].float()).float()
        alone = None
        if "segment_embeddings" in batch:
            alone = self.head(batch["segment_embeddings"].float()).float()
        with torch.autocast(hidden.device.type, enabled=False):
            return self._losses_of(hidden, alone, batch)

    def _losses_of(
        self, hidden: Tensor, alone: Tensor | None, batch: Batch
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        config = self.config
        r = self.head.pool(hidden)
        logits, labels = self.head.classify(r), batch["labels"]
        if alone is not None:
            logits = torch.cat([logits, self.head.classify(self.head.pool(alone))])
            labels = torch.cat([labels, batch["segment_labels"]])
        defect = functional.binary_cross_entropy_with_logits(logits, labels)
        quality = masked_contrastive(
            self.head.project(r), self._quality_mask(batch), config.temperature, config.variant
        )
        content = masked_contrastive(
            self.head.project(self.head.content_views(hidden)),
            content_mask(batch[config.identity], self.head.views),
            config.temperature,
            config.variant,
        )
        # L_q and L_c are log-likelihoods: to be raised, hence the minus signs.
        loss = (
            config.defect_weight * defect
            - config.quality_weight * quality
            - config.content_weight * content
        )
        parts = {"loss": loss, "l_d": defect, "l_q": quality, "l_c": content}
        return loss, {name: part.detach() for name, part in parts.items()}, r

    def _quality_mask(self, batch: Batch) -> Tensor:
        if self.config.mask == "label":
            return label_mask(batch["labels"])
        return quality_mask(batch["q_rank"], self.config.mask, self.config.hard_mask_threshold)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch of pairs."""
        loss, parts, _ = self.losses(batch)
        learning_rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        check_finite(loss, self.global_step, learning_rate)
        self.log_dict({f"train_{name}": part for name, part in parts.items()}, on_step=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._seen.clear()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep what the metrics over all held-out pairs need."""
        _, parts, r = self.losses(batch)
        with torch.autocast(r.device.type, enabled=False):
            z, logits = self.head.project(r), self.head.classify(r)
        known = {name: batch[name] for name in ("labels", "q_rank")}
        self._seen.append({**parts, "z": z, "logits": logits, **known})

    def on_validation_epoch_end(self) -> None:
        """Log the loss parts and how well quality and defects are told apart."""
        metrics = {
            name: float(torch.stack([seen[name] for seen in self._seen]).mean())
            for name in ("loss", "l_d", "l_q", "l_c")
        }
        rows = {
            name: torch.cat([seen[name] for seen in self._seen]).float().cpu().numpy()
            for name in ("z", "logits", "labels", "q_rank")
        }
        metrics |= validation_metrics(**rows)
        self._seen.clear()
        # What cannot be measured (NaN) is left out of the curve rather than drawn as a number.
        finite = {name: value for name, value in metrics.items() if np.isfinite(value)}
        self.log_dict({f"validation_{name}": value for name, value in finite.items()})

    def configure_optimizers(self) -> Any:
        """Return SGD (PADAM §4.2), or AdamW, under a one-cycle schedule."""
        config = self.config
        optimizer: torch.optim.Optimizer
        if config.optimizer == "sgd":
            optimizer = torch.optim.SGD(
                self.parameters(),
                lr=config.max_lr,
                momentum=config.momentum,
                weight_decay=config.weight_decay,
            )
        else:
            optimizer = torch.optim.AdamW(
                self.parameters(), lr=config.max_lr, weight_decay=config.weight_decay
            )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            config.max_lr,
            total_steps=config.steps,
            cycle_momentum=config.optimizer == "sgd" and config.momentum > 0,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


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
