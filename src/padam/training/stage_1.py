"""The training of stage 1 (PADAM §4.1): films in, the audio encoder and its report out."""

import logging
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath
from typing import Any, Final

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from torch.nn import functional

from padam.audio.media import MediaError
from padam.audio.storage import Location, identity
from padam.models.ast_checkpoint import load_initial_weights
from padam.models.audio_encoder import AudioEncoder
from padam.models.video_encoder import VIDEO_ENCODER_SIZES
from padam.training.audio_visual import AudioVisualConfig, AudioVisualModule
from padam.training.batches import Batch, Share
from padam.training.callbacks import DataWait, DivergenceCheck
from padam.training.clips import (
    clip_batch,
    clip_capacity,
    draw_places,
    even_places,
    readable_clips,
)
from padam.training.films import FPS, Film, Frames, open_films
from padam.training.fitting import fingerprint, first_and_last, fit, last_values, seeded
from padam.training.logger import MlflowRun

logger = logging.getLogger(__name__)

STAGE: Final = "feature_extractor"
SHOWN_QUERIES: Final = 6
SHOWN_ANSWERS: Final = 4


@dataclass(frozen=True)
class Clip:
    """A held-out clip as a person recognises it: film and time, and its picture (H, W, 3)."""

    name: str
    picture: Frames | None


@dataclass(frozen=True)
class Retrieval:
    """A clip whose sound asks, and the clips whose pictures answer, the most alike first.

    `rank` is that of the clip's own picture, from 1. Without pictures, the first half of a clip
    asks and second halves answer.
    """

    query: Clip
    rank: int
    answers: tuple[Clip, ...]
    similarities: tuple[float, ...]


@dataclass(frozen=True)
class Stage1:
    """What a training of stage 1 leaves.

    `history` is a table of step, metric, value. `summary` holds loss_first and loss_last (means
    over the first and last twentieth of the steps), retrieval on the held-out clips, the share of
    time spent waiting for data, and the films that were left out with the reason. `films` has a
    row for every film with when its sound and its pictures are there.
    """

    encoder: AudioEncoder
    history: pd.DataFrame
    summary: dict[str, Any]
    films: pd.DataFrame
    retrievals: tuple[Retrieval, ...]


class HeldOutClips(Sequence[Batch]):
    """Batches of clips spread over the held-out films, read when asked for.

    A clip that cannot be read is left out: `index` says which ones a batch holds.
    """

    def __init__(self, films: Sequence[Film], config: AudioVisualConfig) -> None:
        self.films = films
        self._config = config
        self._size = config.recompute_clips or config.batch_size
        clips = config.validation_clips if films else 0
        self.places = even_places(films, config.clip_frames, clips) if clips else []

    def __len__(self) -> int:
        return -(-len(self.places) // self._size)

    def __getitem__(self, number: Any) -> Any:
        index = range(len(self.places))[number * self._size : (number + 1) * self._size]
        batch, held = readable_clips(
            self.films,
            [self.places[i] for i in index],
            self._config.clip_frames,
            self._config.pictures,
        )
        return batch | {"index": torch.tensor(index)[held]}

    def clip(self, number: int) -> Clip:
        """Name a clip by its film and when it begins, and show the picture in its middle."""
        place = self.places[number]
        film = self.films[place.film]
        picture: Frames | None = None
        if self._config.pictures:
            # the figure does without a picture that can no longer be read
            with suppress(MediaError):
                picture = film.pictures(place.first_frame + self._config.clip_frames // 2, 1)[0]
        return Clip(f"{PurePath(film.path).stem} {place.first_frame / FPS:.1f} s", picture)


def train_audio_visual(
    films: Sequence[Location],
    validation: Sequence[Location],
    config: AudioVisualConfig,
    checkpoint_dir: Path,
    callbacks: Sequence[pl.Callback] = (),
    share: Share | None = None,
    run: MlflowRun | None = None,
) -> Stage1:
    """Train the audio encoder on films; the video encoder is discarded.

    An interrupted training goes on from `checkpoint_dir/last.ckpt`. One of several processes
    passes its `share` of them, and the MLflow `run` to log into (see `padam.training.launch`).

    Raises:
        ValueError: no usable film, too little of it for a batch, a checkpoint that does not fit.
        TrainingDivergedError: the loss is not finite, or has run away.
    """
    share = share or Share()
    mine = share.of(config.batch_size)
    size = VIDEO_ENCODER_SIZES[config.video_encoder].frame_size
    count = config.clip_frames
    if not films:
        raise ValueError("Stage 1 needs at least one film with sound and picture.")
    with seeded(config.seed):
        module = AudioVisualModule(config)
    has_statistics = config.initial_checkpoint is not None and load_initial_weights(
        module.audio_encoder, config.initial_checkpoint
    )
    opened = partial(open_films, frame_size=size, clip_frames=count, pictures=config.pictures)
    # every process of a machine keeps films for itself
    cache_gb = config.cache_gb / share.local_count
    train_films, report = opened(films, cache_gb=cache_gb, split="train")
    left_gb = cache_gb - sum(film.nbytes for film in train_films) / 2**30
    held_out_films, report_too = opened(validation, cache_gb=left_gb, split="validation")
    report = pd.concat([report, report_too], ignore_index=True)
    _require_clips(train_films, config)

    if not has_statistics:
        places = even_places(train_films, count, config.statistics_clips)
        module.audio_encoder.log_mel.fit_statistics(
            clip_batch(train_films, places, count, pictures=False)["audio"]
        )
    held_out = HeldOutClips(held_out_films, config)
    if not len(held_out):
        logger.info("No held-out films: retrieval is not measured.")
    wait = DataWait()
    history = fit(
        module,
        partial(_draw_batch, train_films, config, mine),
        held_out,
        config,
        stage=STAGE,
        checkpoint_dir=checkpoint_dir,
        fingerprint=fingerprint(
            config,
            [share.count, *map(_identity, (*train_films, *held_out_films))],
            ignored={"cache_gb"},
        ),
        # of the global batch: what InfoNCE is where all embeddings are equal
        callbacks=[wait, DivergenceCheck(math.log(config.batch_size)), *callbacks],
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
        "films": len(train_films),
        "film_minutes": sum(film.frame_count for film in train_films) / FPS / 60,
        "validation_films": len(held_out_films),
        "validation_clips": 0 if module.retrieved is None else len(module.retrieved[2]),
        "films_out_of_step": int(((report["note"] != "") & (report["used_s"] > 0)).sum()),
        "parameters": sum(parameter.numel() for parameter in encoder.parameters()),
        "processes": share.count,
        "data_wait_share": wait.share,
        **last_values(history, "validation_"),
        "rejected_films": dict(zip(rejected["film"], rejected["note"], strict=True)),
    }
    found = _retrievals(module, held_out) if share.rank == 0 else ()
    return Stage1(encoder, history, summary, report, found)


def _draw_batch(films: Sequence[Film], config: AudioVisualConfig, mine: slice, step: int) -> Batch:
    """Draw the clips of a step, and read those of this process."""
    rng = np.random.default_rng([config.seed, step])
    places = draw_places(films, config.clip_frames, config.batch_size, rng)
    batch = clip_batch(films, places, config.clip_frames, config.pictures, mine)
    if config.pictures:
        flipped = torch.from_numpy(rng.random(config.batch_size) < config.flip_probability)[mine]
        batch["frames"][flipped] = batch["frames"][flipped].flip(3)
    return batch


def _retrievals(module: AudioVisualModule, held_out: HeldOutClips) -> tuple[Retrieval, ...]:
    """Show what some of the held-out clips find, by the weights of the last validation."""
    if module.retrieved is None:
        return ()
    *sides, clips = module.retrieved
    first, second = (functional.normalize(side, dim=1) for side in sides)
    shown = np.linspace(0, len(first) - 1, min(SHOWN_QUERIES, len(first))).round().astype(int)
    found = []
    for number in map(int, shown):
        values, order = (second @ first[number]).sort(descending=True, stable=True)
        found.append(
            Retrieval(
                held_out.clip(int(clips[number])),
                order.tolist().index(number) + 1,
                tuple(held_out.clip(int(clips[best])) for best in order[:SHOWN_ANSWERS]),
                tuple(values[:SHOWN_ANSWERS].tolist()),
            )
        )
    return tuple(found)


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
