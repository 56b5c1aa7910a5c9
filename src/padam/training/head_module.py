"""The quality head under its losses: settings and Lightning module of stage 2 (PADAM §4.2)."""

from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pydantic import Field, field_validator
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
from padam.training.batches import Batch
from padam.training.callbacks import check_finite
from padam.training.fitting import FitConfig
from padam.training.head_validation import validation_metrics


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
