"""Stage 1: audio and picture of the same moment find each other (PADAM §4.1)."""

from collections.abc import Callable
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pydantic import Field, FilePath, field_validator, model_validator
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from padam.models.audio_encoder import (
    AUDIO_ENCODER_SIZES,
    AudioEncoder,
    AudioEncoderSize,
    WindowCoverage,
)
from padam.models.losses import info_nce
from padam.models.video_encoder import VIDEO_ENCODER_SIZES, VideoEncoder, VideoEncoderSize
from padam.training.batches import Batch
from padam.training.callbacks import check_finite
from padam.training.degradations import DegradationConfig
from padam.training.films import FPS
from padam.training.fitting import FitConfig
from padam.training.retrieval import retrieval_metrics

WINDOW_S = 0.4
FRAMES_PER_WINDOW = 10

Objective = Literal["audio_visual", "audio_only", "degradation_aware"]
Directions = tuple[str, str]
_DIRECTIONS: dict[str, Directions] = {
    "audio_visual": ("audio_to_video", "video_to_audio"),
    "audio_only": ("first_to_second", "second_to_first"),
}


class AudioVisualConfig(FitConfig):
    """Stage 1; defaults are for a laptop, the paper's values stand beside them."""

    audio_encoder: AudioEncoderSize = "small"  # paper
    video_encoder: VideoEncoderSize = "tiny"  # paper
    # extensions: audio_only, for sound without pictures; degradation_aware, to hear defects
    objective: Objective = "audio_visual"
    window_coverage: WindowCoverage = "published"  # extension: whole
    # extension: AudioSet weights, with ast_base, or those of an audio encoder of this project
    initial_checkpoint: FilePath | None = None
    steps: int = Field(120, ge=1)
    validate_every: int = Field(40, ge=1)
    batch_size: int = Field(16, ge=2)  # of all processes together
    clip_s: float = Field(2.0, gt=0)  # 10
    temperature: float = Field(0.1, gt=0)  # 0.1
    max_lr: float = Field(3e-4, gt=0)  # 1e-4
    warmup_share: float = Field(0.1, gt=0, lt=1)  # of the steps; not named by the paper
    flip_probability: float = Field(0.5, ge=0, le=1)  # 0.5
    validation_clips: int = Field(32, ge=0)
    statistics_clips: int = Field(64, ge=1)  # clips that fit the log-mel mean and deviation
    cache_gb: float = Field(2.0, ge=0)  # films kept in memory; the rest is read clip by clip
    # Clips that go through an encoder at a time; their activations are computed again in the
    # backward pass, so that memory does not grow with the batch. None: all at once.
    recompute_clips: int | None = Field(None, ge=1)
    degradations: DegradationConfig = DegradationConfig()  # of degradation_aware

    @field_validator("clip_s")
    @classmethod
    def _whole_windows(cls, clip_s: float) -> float:
        if abs(clip_s / WINDOW_S - round(clip_s / WINDOW_S)) > 1e-6 or clip_s < WINDOW_S:
            raise ValueError(f"clip_s {clip_s} is no whole number of {WINDOW_S} s windows")
        return clip_s

    @model_validator(mode="after")
    def _two_views(self) -> "AudioVisualConfig":
        if self.objective == "audio_only" and self.clip_frames < 2 * FRAMES_PER_WINDOW:
            raise ValueError(
                f"clip_s {self.clip_s} is one window: audio_only needs two at least (0.8 s)"
            )
        if self.degrades:
            _check_degradation_aware(self)
        return self

    @property
    def clip_frames(self) -> int:
        """Frames of a clip at 25 fps."""
        return round(self.clip_s * FPS)

    @property
    def pictures(self) -> bool:
        """Whether clips have pictures."""
        return self.objective == "audio_visual"

    @property
    def degrades(self) -> bool:
        """Whether clips are degraded as they are drawn."""
        return self.objective == "degradation_aware"


def _check_degradation_aware(config: AudioVisualConfig) -> None:
    if config.clip_frames < 2 * FRAMES_PER_WINDOW:
        raise ValueError(
            f"clip_s {config.clip_s} is one window: degradation_aware needs two at least (0.8 s), "
            "since a defect may touch a part of a clip"
        )
    if config.batch_size < 4 or config.batch_size % 2:
        raise ValueError(
            f"batch_size {config.batch_size}: degradation_aware lays each degradation over two "
            "contents, so it needs an even number of 4 at least"
        )
    weights = config.degradations.contrast_weight, config.degradations.labels_weight
    if not any(weights):
        raise ValueError(
            "degradations: contrast_weight and labels_weight are both 0: nothing is learned"
        )


class AudioVisualModule(pl.LightningModule):
    """Two encoders and the bidirectional InfoNCE between their time averages.

    Without pictures the two sides are the halves of a clip, and the one encoder sees both.
    """

    def __init__(self, config: AudioVisualConfig) -> None:
        super().__init__()
        self.config = config
        size = AUDIO_ENCODER_SIZES[config.audio_encoder]
        self.audio_encoder = AudioEncoder(
            size.model_copy(update={"window_coverage": config.window_coverage})
        )
        self.video_encoder = (
            VideoEncoder(VIDEO_ENCODER_SIZES[config.video_encoder]) if config.pictures else None
        )
        # of the last validation: both sides, and which held-out clips they are
        self.retrieved: tuple[Tensor, Tensor, Tensor] | None = None
        self._seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return time-averaged embeddings of both sides, each (B, 384)."""
        audio = batch["audio"]
        if self.video_encoder is not None:
            frames = batch["frames"].permute(0, 1, 4, 2, 3)
            return (
                self._averaged(self.audio_encoder, audio),
                self._averaged(self.video_encoder, frames),
            )
        windows = round(self.config.clip_s / WINDOW_S) // 2
        samples = windows * audio.shape[1] // round(self.config.clip_s / WINDOW_S)
        halves = torch.cat([audio[:, :samples], audio[:, samples : 2 * samples]])
        first, second = self._averaged(self.audio_encoder, halves).chunk(2)
        return first, second

    def _averaged(self, encoder: Callable[[Tensor], Tensor], clips: Tensor) -> Tensor:
        """Average over time what `encoded` gives."""
        return encoded(encoder, clips, self.config.recompute_clips).mean(1)

    def loss(self, batch: Batch) -> Tensor:
        """Return InfoNCE over the batch of all processes: every other clip is a negative."""
        first, second = self(batch)
        if self.trainer.world_size > 1:
            first, second = of_all_processes(first), of_all_processes(second)
        # cosines in bfloat16 are too coarse to tell a thousand negatives apart
        with torch.autocast(first.device.type, enabled=False):
            return info_nce(first.float(), second.float(), self.config.temperature)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of one batch, times the number of processes.

        Each process has the gradient of its own clips alone, and the mean of all processes'
        gradients is taken: their sum, which the factor makes of it, is that of the whole batch.
        """
        loss = self.loss(batch)
        learning_rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        check_finite(loss, self.global_step, learning_rate)
        self.log_dict({"train_loss": loss, "train_learning_rate": learning_rate}, on_step=True)
        self.log(
            "train_clips_replaced",
            batch["replaced"].float(),
            on_step=True,
            sync_dist=True,
            reduce_fx="sum",
        )
        return loss * self.trainer.world_size

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._seen.clear()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Embed one batch of held-out clips."""
        audio, video = self(batch)
        self._seen.append((audio.float().cpu(), video.float().cpu(), batch["index"].cpu()))

    def on_validation_epoch_end(self) -> None:
        """Log loss and retrieval over all held-out clips, of all processes together."""
        seen = self._seen
        if self.trainer.world_size > 1:
            everyone: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(everyone, seen)
            seen = [part for parts in everyone for part in parts]
        first, second, index = (torch.cat(side) for side in zip(*seen, strict=True))
        self._seen.clear()
        # a batch can have been seen by two processes
        order = torch.tensor([index.tolist().index(place) for place in sorted(set(index.tolist()))])
        first, second = first[order], second[order]
        self.retrieved = first, second, index[order]
        metrics = {"loss": float(info_nce(first, second, self.config.temperature))}
        metrics |= retrieval_metrics(first, second, _DIRECTIONS[self.config.objective])
        self.log_dict({f"validation_{name}": value for name, value in metrics.items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what was retrieved: a training that goes on at its end validates no more."""
        checkpoint["retrieved"] = self.retrieved

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again."""
        self.retrieved = checkpoint["retrieved"]

    def configure_optimizers(self) -> Any:
        """Return Adam under a one-cycle schedule (PADAM §4.1)."""
        return adam_one_cycle(self, self.config)


def encoded(
    encoder: Callable[[Tensor], Tensor], clips: Tensor, clips_at_once: int | None
) -> Tensor:
    """Encode clips (B, …) to (B, T, 384), a few at a time in bounded memory if so configured.

    The gradient is that of the whole batch at once: only what the backward pass needs is computed
    twice.
    """
    parts = clips.split(clips_at_once or len(clips))
    if len(parts) == 1 or not torch.is_grad_enabled():
        return torch.cat([encoder(part) for part in parts])
    return torch.cat([checkpoint(encoder, part, use_reentrant=False) for part in parts])


def adam_one_cycle(module: torch.nn.Module, config: AudioVisualConfig) -> Any:
    """Return Adam under a one-cycle schedule, as Lightning takes it (PADAM §4.1)."""
    optimizer = torch.optim.Adam(module.parameters(), lr=config.max_lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        config.max_lr,
        total_steps=config.steps,
        pct_start=config.warmup_share,
    )
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": schedule, "interval": "step"},
    }


def of_all_processes(rows: Tensor) -> Tensor:
    """Return the rows of all processes in their order; gradients reach this one's own."""
    everyone = [torch.empty_like(rows) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(everyone, rows.detach().contiguous())
    everyone[torch.distributed.get_rank()] = rows
    return torch.cat(everyone)
