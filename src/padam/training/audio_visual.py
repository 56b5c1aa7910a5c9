"""Stage 1: audio and picture of the same moment find each other (PADAM §4.1)."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from pydantic import Field, field_validator
from torch import Tensor

from padam.audio.storage import Location, identity
from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder, AudioEncoderSize
from padam.models.losses import info_nce
from padam.models.video_encoder import VIDEO_ENCODER_SIZES, VideoEncoder, VideoEncoderSize
from padam.training.callbacks import check_finite
from padam.training.films import (
    FPS,
    Film,
    clip_batch,
    clip_capacity,
    draw_places,
    even_places,
    open_films,
)
from padam.training.fitting import (
    Batch,
    FitConfig,
    fingerprint,
    first_and_last,
    fit,
    last_values,
    seeded,
)
from padam.training.retrieval import retrieval_metrics

logger = logging.getLogger(__name__)

STAGE = "feature_extractor"
WINDOW_S = 0.4


class AudioVisualConfig(FitConfig):
    """Stage 1; defaults are for a laptop, the paper's values stand beside them."""

    audio_encoder: AudioEncoderSize = "small"  # paper
    video_encoder: VideoEncoderSize = "tiny"  # paper
    steps: int = Field(120, ge=1)
    validate_every: int = Field(40, ge=1)
    batch_size: int = Field(16, ge=2)
    clip_s: float = Field(2.0, gt=0)  # 10
    temperature: float = Field(0.1, gt=0)  # 0.1
    max_lr: float = Field(3e-4, gt=0)  # 1e-4
    warmup_share: float = Field(0.1, gt=0, lt=1)  # of the steps; not named by the paper
    flip_probability: float = Field(0.5, ge=0, le=1)  # 0.5
    validation_clips: int = Field(32, ge=0)
    statistics_clips: int = Field(64, ge=1)  # clips that fit the log-mel mean and deviation
    cache_gb: float = Field(2.0, ge=0)  # frames kept in memory; the rest is read clip by clip

    @field_validator("clip_s")
    @classmethod
    def _whole_windows(cls, clip_s: float) -> float:
        if abs(clip_s / WINDOW_S - round(clip_s / WINDOW_S)) > 1e-6 or clip_s < WINDOW_S:
            raise ValueError(f"clip_s {clip_s} is no whole number of {WINDOW_S} s windows")
        return clip_s

    @property
    def clip_frames(self) -> int:
        """Frames of a clip at 25 fps."""
        return round(self.clip_s * FPS)


class AudioVisualModule(pl.LightningModule):
    """Two encoders and the bidirectional InfoNCE between their time averages."""

    def __init__(self, config: AudioVisualConfig) -> None:
        super().__init__()
        self.config = config
        self.audio_encoder = AudioEncoder(AUDIO_ENCODER_SIZES[config.audio_encoder])
        self.video_encoder = VideoEncoder(VIDEO_ENCODER_SIZES[config.video_encoder])
        self._seen: list[tuple[Tensor, Tensor]] = []

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return time-averaged embeddings of sound and picture, each (B, 384)."""
        frames = batch["frames"].permute(0, 1, 4, 2, 3)
        return self.audio_encoder(batch["audio"]).mean(1), self.video_encoder(frames).mean(1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch; every other clip of it is a negative."""
        audio, video = self(batch)
        loss = info_nce(audio, video, self.config.temperature)
        learning_rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        check_finite(loss, self.global_step, learning_rate)
        self.log_dict({"train_loss": loss, "train_learning_rate": learning_rate}, on_step=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._seen.clear()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Embed one batch of held-out clips."""
        audio, video = self(batch)
        self._seen.append((audio.float(), video.float()))

    def on_validation_epoch_end(self) -> None:
        """Log loss and retrieval over all held-out clips."""
        audio, video = (torch.cat(side) for side in zip(*self._seen, strict=True))
        self._seen.clear()
        metrics = {"loss": float(info_nce(audio, video, self.config.temperature))}
        metrics |= retrieval_metrics(audio, video)
        self.log_dict({f"validation_{name}": value for name, value in metrics.items()})

    def configure_optimizers(self) -> Any:
        """Return Adam under a one-cycle schedule (PADAM §4.1)."""
        optimizer = torch.optim.Adam(self.parameters(), lr=self.config.max_lr)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            self.config.max_lr,
            total_steps=self.config.steps,
            pct_start=self.config.warmup_share,
        )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def train_audio_visual(
    films: Sequence[Location],
    validation: Sequence[Location],
    config: AudioVisualConfig,
    checkpoint_dir: Path,
    callbacks: Sequence[pl.Callback] = (),
) -> tuple[AudioEncoder, pd.DataFrame, dict[str, Any]]:
    """Train the audio encoder on films and return it with the curve and a summary.

    The curve is a table of step, metric, value. The summary holds loss_first and loss_last (means
    over the first and last twentieth of the steps), retrieval on the validation films, and the
    films that were left out with the reason. An interrupted training goes on from
    `checkpoint_dir/last.ckpt`; the video encoder is discarded.

    Raises:
        ValueError: no usable film, or too little of it for a batch.
        TrainingDivergedError: the loss is not finite.
    """
    size = VIDEO_ENCODER_SIZES[config.video_encoder].frame_size
    count = config.clip_frames
    if not films:
        raise ValueError("Stage 1 needs at least one film with sound and picture.")
    train_films, rejected = open_films(films, size, count, config.cache_gb)
    left_gb = (
        config.cache_gb
        - sum(film.frames.nbytes for film in train_films if film.frames is not None) / 2**30
    )
    held_out, rejected_too = open_films(validation, size, count, left_gb)
    rejected |= rejected_too
    _require_clips(train_films, config)

    with seeded(config.seed):
        module = AudioVisualModule(config)
    places = even_places(train_films, count, config.statistics_clips)
    module.audio_encoder.log_mel.fit_statistics(
        clip_batch(train_films, places, count, pictures=False)["audio"]
    )
    history = fit(
        module,
        partial(_draw_batch, train_films, config),
        _validation_batches(held_out, config),
        config,
        stage=STAGE,
        checkpoint_dir=checkpoint_dir,
        fingerprint=fingerprint(config, [_identity(film) for film in (*train_films, *held_out)]),
        callbacks=callbacks,
    )
    loss_first, loss_last = first_and_last(history, "train_loss")
    encoder = module.audio_encoder.cpu().eval()
    summary = {
        "loss_first": loss_first,
        "loss_last": loss_last,
        "steps": config.steps,
        "films": len(train_films),
        "film_minutes": sum(film.frame_count for film in train_films) / FPS / 60,
        "validation_films": len(held_out),
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        **last_values(history, "validation_"),
        "rejected_films": rejected,
    }
    return encoder, history, summary


def _draw_batch(films: Sequence[Film], config: AudioVisualConfig, step: int) -> Batch:
    rng = np.random.default_rng([config.seed, step])
    places = draw_places(films, config.clip_frames, config.batch_size, rng)
    batch = clip_batch(films, places, config.clip_frames)
    flipped = torch.from_numpy(rng.random(config.batch_size) < config.flip_probability)
    batch["frames"][flipped] = batch["frames"][flipped].flip(3)
    return batch


def _validation_batches(films: Sequence[Film], config: AudioVisualConfig) -> list[Batch]:
    if not films or not config.validation_clips:
        logger.info("No validation films: retrieval is not measured.")
        return []
    places = even_places(films, config.clip_frames, config.validation_clips)
    return [
        clip_batch(films, places[start : start + config.batch_size], config.clip_frames)
        for start in range(0, len(places), config.batch_size)
    ]


def _require_clips(films: Sequence[Film], config: AudioVisualConfig) -> None:
    capacity = clip_capacity(films, config.clip_frames)
    if capacity < config.batch_size:
        raise ValueError(
            f"batch_size {config.batch_size} asks for more clips of {config.clip_s} s than the "
            f"{len(films)} training film(s) hold side by side ({capacity}): lower batch_size or "
            "clip_s, or add films."
        )


def _identity(film: Film) -> list[Any]:
    return [PurePath(film.path).name, identity(film.path), film.frame_count]
