"""Stage 1 on degradations (extension): clips under the same one find each other over other content.

After ARNIQA (arXiv 2310.14918), CONTRIQUE (arXiv 2110.13266) and Re-IQA (arXiv 2304.00451), which
pre-train image quality so. Every content of a batch is there under two degradations, and every
degradation is laid over two contents, in a ring: content i under degradations i and i + 1. What
two rows share beside the degradation, their content, makes them a negative pair.
"""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any, Final

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from padam.audio.storage import Location, identity
from padam.defects.registry import DEFECT_NAMES
from padam.models.ast_checkpoint import load_initial_weights
from padam.models.audio_encoder import (
    AUDIO_ENCODER_SIZES,
    EMBEDDING_WIDTH,
    TIME_PATCHES,
    AudioEncoder,
)
from padam.models.losses import masked_contrastive
from padam.training.audio_visual import (
    WINDOW_S,
    AudioVisualConfig,
    adam_one_cycle,
    encoded,
    of_all_processes,
)
from padam.training.batches import Batch, Share
from padam.training.callbacks import DataWait, DivergenceCheck, check_finite
from padam.training.degradations import degraded_versions, draw_degradation
from padam.training.fitting import fingerprint, first_and_last, fit, last_values, seeded
from padam.training.logger import MlflowRun
from padam.training.programme import draw_programme
from padam.training.sounds import SoundPool, read_pool
from padam.training.stage_1 import STAGE, Stage1

logger = logging.getLogger(__name__)

PROJECTION_WIDTH: Final = 128
CLEAN: Final = 0
"""Number of the degradation of clean rows, which all attract each other."""
VERSIONS: Final = 2
VALIDATION_CACHE_SHARE: Final = 0.2
TRAIN, VALIDATION, STATISTICS = range(3)


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
        self._seen: list[tuple[Tensor, ...]] = []

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
            return contrast, labels_loss(logits.float(), batch["truth"])

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
        self.log_dict(logged | {"train_learning_rate": learning_rate}, on_step=True)
        return first * self.trainer.world_size + second

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._seen.clear()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Embed one batch of held-out sound."""
        z, logits = self(batch)
        found = (z.float(), logits.float(), batch["truth"], batch["degradation"])
        self._seen.append(tuple(part.cpu() for part in found))

    def on_validation_epoch_end(self) -> None:
        """Log losses, retrieval and areas under the curve, of all processes together."""
        seen = self._seen
        if self.trainer.world_size > 1:
            everyone: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(everyone, seen)
            seen = [part for parts in everyone for part in parts]
        metrics = held_out_metrics(seen, self.config)
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


def degradation_contrast(z: Tensor, degradation: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE with the rows of the same degradation as positives, to be minimised.

    ``z`` (N, D) is L2-normalised here; ``degradation`` (N,) numbers what was laid over each row.
    All other rows are negatives, the same content under another degradation among them. Rows
    without a positive are left out; the value is log(N - 1) where one positive each is not learned.
    """
    mask = (degradation[:, None] == degradation[None, :]).float()
    return -masked_contrastive(functional.normalize(z, dim=1), mask, temperature)


def labels_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the binary cross-entropy of `logits` (B, W, 8), summed over the 8, mean of windows.

    `truth` (B, W, 7) says which defects are heard; the last logit is that of none.
    """
    target = torch.cat([truth, ~truth.any(2, keepdim=True)], dim=2).to(logits.dtype)
    loss = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return loss.sum(2).mean()


def held_out_metrics(
    seen: Sequence[tuple[Tensor, ...]], config: AudioVisualConfig
) -> dict[str, float]:
    """Return losses, `same_degradation_r1`, and `auc_…` of windows by defect and of clips.

    `seen` holds z, logits, truth and degradation of each batch. R@1 is the share of degraded rows
    that are most alike a row of their own degradation; its chance is one in the batch's rows.
    An area is left out where one of its classes is missing.
    """
    contrasts, hits = [], []
    for z, _, _, degradation in seen:
        contrasts.append(float(degradation_contrast(z, degradation, config.temperature)))
        unit = functional.normalize(z, dim=1)
        nearest = (unit @ unit.T).fill_diagonal_(-torch.inf).argmax(1)
        counts = (degradation[:, None] == degradation[None, :]).sum(1)
        asked = (degradation != CLEAN) & (counts > 1)
        hits.append((degradation[nearest] == degradation)[asked].float())
    logits, truth = (torch.cat([batch[part] for batch in seen]) for part in (1, 2))
    weights, labels = config.degradations, float(labels_loss(logits, truth))
    contrast = float(np.mean(contrasts))
    metrics = {
        "loss": weights.contrast_weight * contrast + weights.labels_weight * labels,
        "contrast_loss": contrast,
        "labels_loss": labels,
        "same_degradation_r1": float(torch.cat(hits).mean()),
    }
    aucs: dict[str, float] = {}
    for number, name in enumerate(DEFECT_NAMES):
        area = _auc(truth[..., number].flatten(), logits[..., number].flatten())
        aucs |= {} if area is None else {f"auc_{name}": area}
    whole = _auc(truth.any(2).any(1), -logits[..., -1].amin(1))
    mean = {"auc_mean": float(np.mean(list(aucs.values())))} if aucs else {}
    return metrics | aucs | mean | ({} if whole is None else {"auc_clips": whole})


def _auc(truth: Tensor, score: Tensor) -> float | None:
    if truth.all() or not truth.any():
        return None
    return float(roc_auc_score(truth.numpy(), score.numpy()))


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

    Sources are kept in memory as far as `cache_gb` goes, at the workflow's rate; see
    `train_audio_visual` for the rest.

    Raises:
        ValueError: no usable source, or a checkpoint that does not fit.
        TrainingDivergedError: the loss is not finite, or has run away.
    """
    share = share or Share()
    mine = share.of(config.batch_size // VERSIONS)
    if not sources:
        raise ValueError("Stage 1 needs at least one source of sound.")
    with seeded(config.seed):
        module = DegradationAwareModule(config)
    has_statistics = config.initial_checkpoint is not None and load_initial_weights(
        module.audio_encoder, config.initial_checkpoint
    )
    pool, held_out_pool = _read_pools(sources, validation, config)
    report = pd.concat([each.report for each in (pool, held_out_pool) if each is not None])
    if not has_statistics:
        count = -(-config.statistics_clips // VERSIONS)
        clips = draw_batch(pool, config, slice(count), 0, STATISTICS, contents=count)
        module.audio_encoder.log_mel.fit_statistics(clips["audio"])
    held_out = _held_out(held_out_pool, config)
    wait = DataWait()
    history = fit(
        module,
        partial(_train_batch, pool, config, mine),
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
    rejected = report[report["used_s"] == 0]
    summary = {
        "loss_first": loss_first,
        "loss_last": loss_last,
        "steps": config.steps,
        "films": int(((report["split"] == "train") & (report["used_s"] > 0)).sum()),
        "film_minutes": pool.duration_s / 60,
        "validation_films": int(((report["split"] == "validation") & (report["used_s"] > 0)).sum()),
        "validation_clips": sum(len(batch["audio"]) for batch in held_out),
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        "processes": share.count,
        "data_wait_share": wait.share,
        **last_values(history, "validation_"),
        "rejected_films": dict(zip(rejected["film"], rejected["note"], strict=True)),
    }
    return Stage1(encoder, history, summary, report.reset_index(drop=True), ())


def _read_pools(
    sources: Sequence[Location], validation: Sequence[Location], config: AudioVisualConfig
) -> tuple[SoundPool, SoundPool | None]:
    rate = config.degradations.workflow.sample_rate

    def read(paths: Sequence[Location], share: float, split: str, number: int) -> SoundPool:
        rng = np.random.default_rng([config.seed, number])
        return read_pool(paths, rate, config.clip_s, share * config.cache_gb, rng, split=split)

    if not validation or not config.validation_clips:
        logger.info("No held-out sound: nothing is measured on the way.")
        return read(sources, 1.0, "train", TRAIN), None
    held_out = read(validation, VALIDATION_CACHE_SHARE, "validation", VALIDATION)
    return read(sources, 1 - VALIDATION_CACHE_SHARE, "train", TRAIN), held_out


def _held_out(pool: SoundPool | None, config: AudioVisualConfig) -> list[Batch]:
    """Return the same batches for every validation, as large as those of the training."""
    if pool is None:
        return []
    count = -(-config.validation_clips // config.batch_size)
    return [draw_batch(pool, config, slice(None), n, VALIDATION) for n in range(count)]


def _train_batch(pool: SoundPool, config: AudioVisualConfig, mine: slice, step: int) -> Batch:
    return draw_batch(pool, config, mine, step, TRAIN)


def draw_batch(
    pool: SoundPool,
    config: AudioVisualConfig,
    mine: slice,
    step: int,
    use: int,
    contents: int | None = None,
) -> Batch:
    """Draw the rows of a step by (seed, use, step, number) alone, `mine` of its contents.

    `audio` (2·contents, samples), `truth` (2·contents, windows, 7), `degradation` (2·contents,) and
    `content` (2·contents,), the two versions of a content next to each other. Degradation 0 is
    clean, also where nothing of what was drawn can be heard over this content.
    """
    drawn = config.degradations
    count = contents or config.batch_size // VERSIONS
    samples = round(config.clip_s * drawn.workflow.sample_rate)
    windows = round(config.clip_s / WINDOW_S)
    seed = [config.seed, use, step]
    degradations = [draw_degradation((*seed, 1, number), drawn.workflow) for number in range(count)]
    audio, truth, degradation = [], [], []
    for number in range(count)[mine]:
        rng = np.random.default_rng([*seed, 0, number])
        content = draw_programme(rng, pool, samples, drawn.programme)
        over = [number, (number + 1) % count]
        versions = degraded_versions(
            content, [degradations[each] for each in over], rng, drawn.workflow
        )
        for each, version in zip(over, versions, strict=True):
            audio.append(version.audio)
            truth.append(version.truth[:windows])
            degradation.append(each + 1 if version.truth.any() else CLEAN)
    content_numbers = np.repeat(np.arange(count)[mine], VERSIONS)
    return {
        "audio": torch.from_numpy(np.stack(audio)),
        "truth": torch.from_numpy(np.stack(truth)),
        "degradation": torch.tensor(degradation),
        "content": torch.from_numpy(content_numbers),
    }
