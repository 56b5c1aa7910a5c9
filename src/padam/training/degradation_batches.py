"""Batches of contents under degradations, in a ring, drawn by step from sources in memory."""

import logging
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from padam.audio.storage import Location
from padam.models.log_mel import WINDOW_S
from padam.training.audio_visual import AudioVisualConfig
from padam.training.batches import Batch
from padam.training.degradations import degraded_versions, draw_degradation
from padam.training.programme import draw_programme
from padam.training.sounds import SoundPool, read_pool

logger = logging.getLogger(__name__)

CLEAN: Final = 0
"""Number of the degradation of clean rows, which all attract each other."""
VERSIONS: Final = 2
VALIDATION_CACHE_SHARE: Final = 0.2
TRAIN, VALIDATION, STATISTICS = range(3)
"""What a batch is for; each has draws of its own."""


def read_pools(
    sources: Sequence[Location], validation: Sequence[Location], config: AudioVisualConfig
) -> tuple[SoundPool, SoundPool | None]:
    """Read what is trained on and what is held out; None where nothing is. See `read_pool`."""
    rate = config.degradations.workflow.sample_rate

    def read(paths: Sequence[Location], share: float, split: str, number: int) -> SoundPool:
        rng = np.random.default_rng([config.seed, number])
        return read_pool(paths, rate, config.clip_s, share * config.cache_gb, rng, split=split)

    if not validation or not config.validation_clips:
        logger.info("No held-out sound: nothing is measured on the way.")
        return read(sources, 1.0, "train", TRAIN), None
    held_out = read(validation, VALIDATION_CACHE_SHARE, "validation", VALIDATION)
    return read(sources, 1 - VALIDATION_CACHE_SHARE, "train", TRAIN), held_out


def held_out_batches(pool: SoundPool | None, config: AudioVisualConfig) -> list[Batch]:
    """Return the same batches for every validation, as large as those of the training."""
    if pool is None:
        return []
    count = -(-config.validation_clips // config.batch_size)
    return [draw_batch(pool, config, VALIDATION, n) for n in range(count)]


def draw_batch(
    pool: SoundPool,
    config: AudioVisualConfig,
    use: int,
    step: int,
    *,
    mine: slice = slice(None),
    contents: int | None = None,
) -> Batch:
    """Draw the rows of a step by (seed, use, step, number) alone; `mine` are some of its contents.

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
        "step": torch.tensor(step),
    }
