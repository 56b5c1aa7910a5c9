"""Stage 1 on degradations (extension): clips under the same one find each other over other content.

After ARNIQA (arXiv 2310.14918), CONTRIQUE (arXiv 2110.13266) and Re-IQA (arXiv 2304.00451), which
pre-train image quality so. Every content of a batch is there under two degradations, and every
degradation is laid over two contents, in a ring: content i under degradations i and i + 1. What
two rows share beside the degradation, their content, makes them a negative pair.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any, Final

import pandas as pd
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from padam.audio.storage import Location, identity
from padam.defects.registry import DEFECT_NAMES
from padam.models.ast_checkpoint import load_initial_weights
from padam.models.audio_encoder import (
    AUDIO_ENCODER_SIZES,
    EMBEDDING_WIDTH,
    TIME_PATCHES,
    AudioEncoder,
)
from padam.models.losses import degradation_contrast, window_labels_loss
from padam.training.audio_visual import (
    AudioVisualConfig,
    adam_one_cycle,
    encoded,
    of_all_processes,
)
from padam.training.batches import Batch, Share
from padam.training.callbacks import DataWait, DivergenceCheck, check_finite
from padam.training.degradation_batches import (
    STATISTICS,
    TRAIN,
    VERSIONS,
    draw_batch,
    held_out_batches,
    read_pools,
)
from padam.training.degradation_validation import held_out_metrics
from padam.training.fitting import fingerprint, first_and_last, fit, last_values, seeded
from padam.training.logger import MlflowRun
from padam.training.sounds import UNREAD
from padam.training.stage_1 import STAGE, Stage1

PROJECTION_WIDTH: Final = 128


class DegradationAwareModule(pl.LightningModule):
    """The audio encoder, a projector for the contrast, and a linear layer that names defects.

    The linear layer has a logit for each defect of the registry, and a last one for a clean
    window. Both are discarded after training.
    """

    def __init__(self, config: AudioVisualConfig) -> None:
        super().__init__()
        self.config = config
        size = AUDIO_ENCODER_SIZES[config.audio_encoder]
        self.audio_encoder = AudioEncoder(
            size.model_copy(update={"window_coverage": config.window_coverage})
        )
        self.projector = nn.Sequential(
            nn.Linear(EMBEDDING_WIDTH, EMBEDDING_WIDTH),
            nn.GELU(),
            nn.Linear(EMBEDDING_WIDTH, PROJECTION_WIDTH),
        )
        self.labels = nn.Linear(EMBEDDING_WIDTH, len(DEFECT_NAMES) + 1)
        self._seen: dict[int, tuple[Tensor, ...]] = {}

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return projections (B, 128) and logits (B, windows, 8) of `audio` and its `truth`."""
        embeddings = encoded(self.audio_encoder, batch["audio"], self.config.recompute_clips)
        windows = embeddings.unflatten(1, (-1, TIME_PATCHES)).mean(2)
        return self.projector(pooled(windows, batch["truth"])), self.labels(windows)

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the contrast over the batch of all processes, and the labels' loss of this one."""
        z, logits = self(batch)
        degradation = batch["degradation"]
        if self.trainer.world_size > 1:
            z, degradation = of_all_processes(z), of_all_processes(degradation)
        with torch.autocast(z.device.type, enabled=False):
            contrast = degradation_contrast(z.float(), degradation, self.config.temperature)
            return contrast, window_labels_loss(logits.float(), batch["truth"])

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the weighted loss of one batch.

        Of several processes' gradients the mean is taken. That of the labels is the batch's; of the
        contrast each has that of its own rows, whose sum is wanted: the factor makes it of the
        mean.
        """
        contrast, labels = self.losses(batch)
        weights = self.config.degradations
        first, second = weights.contrast_weight * contrast, weights.labels_weight * labels
        learning_rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        check_finite(first + second, self.global_step, learning_rate)
        parts = {"loss": first + second, "contrast_loss": contrast, "labels_loss": labels}
        logged = {f"train_{name}": value for name, value in parts.items()}
        # the labels' loss is that of this process's rows alone
        self.log_dict(logged, on_step=True, sync_dist=True)
        self.log("train_learning_rate", learning_rate, on_step=True)
        return first * self.trainer.world_size + second

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._seen.clear()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Embed one batch of held-out sound."""
        z, logits = self(batch)
        found = (z.float(), logits.float(), batch["truth"], batch["degradation"])
        self._seen[int(batch["step"])] = tuple(part.cpu() for part in found)

    def on_validation_epoch_end(self) -> None:
        """Log losses, retrieval and areas under the curve, of all processes together."""
        seen = self._seen
        if self.trainer.world_size > 1:
            everyone: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(everyone, seen)
            # a batch can have been seen by two processes
            seen = {number: batch for batches in everyone for number, batch in batches.items()}
        metrics = held_out_metrics([seen[number] for number in sorted(seen)], self.config)
        self._seen.clear()
        self.log_dict({f"validation_{name}": value for name, value in metrics.items()})

    def configure_optimizers(self) -> Any:
        """Return Adam under a one-cycle schedule (PADAM §4.1)."""
        return adam_one_cycle(self, self.config)


def pooled(windows: Tensor, truth: Tensor) -> Tensor:
    """Average windows (B, W, D) over those in which a defect is heard; (B, D).

    `truth` is (B, W, 7). A clean row is averaged over all of its windows: a degradation of 0.4 s
    is to be found as well as one that lasts.
    """
    degraded = truth.any(2)
    weights = torch.where(degraded.any(1, keepdim=True), degraded, True).to(windows.dtype)
    return (windows * weights.unsqueeze(2)).sum(1) / weights.sum(1, keepdim=True)


def train_degradation_aware(
    sources: Sequence[Location],
    validation: Sequence[Location],
    config: AudioVisualConfig,
    checkpoint_dir: Path,
    callbacks: Sequence[pl.Callback] = (),
    share: Share | None = None,
    run: MlflowRun | None = None,
) -> Stage1:
    """Train the audio encoder on degradations that are drawn afresh at every step.

    Sources are kept in memory as far as `cache_gb` goes, at the workflow's rate. An interrupted
    training goes on from `checkpoint_dir/last.ckpt`. One of several processes passes its `share` of
    them, and the MLflow `run` to log into (see `padam.training.launch`).

    Raises:
        ValueError: no usable source, or a checkpoint that does not fit.
        TrainingDivergedError: the loss is not finite, or has run away.
    """
    share = share or Share()
    if config.batch_size % (VERSIONS * share.count):
        raise ValueError(
            f"batch_size {config.batch_size} cannot be shared by {share.count} processes with both "
            f"versions of a content on one: make it a multiple of {VERSIONS * share.count}"
        )
    mine = share.of(config.batch_size // VERSIONS)
    if not sources:
        raise ValueError("Stage 1 needs at least one source of sound.")
    with seeded(config.seed):
        module = DegradationAwareModule(config)
    has_statistics = config.initial_checkpoint is not None and load_initial_weights(
        module.audio_encoder, config.initial_checkpoint
    )
    pool, held_out_pool = read_pools(sources, validation, config)
    report = pd.concat([each.report for each in (pool, held_out_pool) if each is not None])
    if not has_statistics:
        count = -(-config.statistics_clips // VERSIONS)
        clips = draw_batch(pool, config, STATISTICS, 0, contents=count)
        module.audio_encoder.log_mel.fit_statistics(clips["audio"])
    held_out = held_out_batches(held_out_pool, config)
    wait = DataWait()
    history = fit(
        module,
        partial(draw_batch, pool, config, TRAIN, mine=mine),
        held_out,
        config,
        stage=STAGE,
        checkpoint_dir=checkpoint_dir,
        fingerprint=fingerprint(
            config,
            [
                share.count,
                *([PurePath(path).name, identity(path)] for path in (*sources, *validation)),
            ],
        ),
        callbacks=[wait, DivergenceCheck(), *callbacks],
        share=share,
        run=run,
    )
    wait.report()
    loss_first, loss_last = first_and_last(history, "train_loss")
    encoder = module.audio_encoder.cpu().eval()
    used = report[report["used_s"] > 0]["split"].value_counts()
    rejected = report[(report["used_s"] == 0) & (report["note"] != UNREAD)]
    summary = {
        "loss_first": loss_first,
        "loss_last": loss_last,
        "steps": config.steps,
        "films": int(used.get("train", 0)),
        "film_minutes": pool.duration_s / 60,
        "validation_films": int(used.get("validation", 0)),
        "validation_clips": sum(len(batch["audio"]) for batch in held_out),
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        "processes": share.count,
        "data_wait_share": wait.share,
        **last_values(history, "validation_"),
        "rejected_films": dict(zip(rejected["film"], rejected["note"], strict=True)),
    }
    return Stage1(encoder, history, summary, report.reset_index(drop=True), ())
