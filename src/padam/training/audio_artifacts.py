"""Training of AA's classifier: CNN6 on chunks of one channel (AA §5)."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from padam.defects.audio_artifacts.chunks import clean_chunk_id
from padam.defects.audio_artifacts.config import CLASSES
from padam.models.cnn6 import Cnn6, Cnn6Config
from padam.models.cnn6_checkpoint import load_audioset_weights
from padam.training.artifact_augmentation import AugmentationConfig, augment, mix
from padam.training.artifact_module import MONITORED, ArtifactModule, ArtifactTraining
from padam.training.batches import Batch
from padam.training.callbacks import DivergenceCheck
from padam.training.fitting import BEST_CHECKPOINT, fingerprint, first_and_last, fit, seeded

logger = logging.getLogger(__name__)

STAGE: Final = "audio_artifacts"

LogMels = Mapping[str, npt.NDArray[np.floating]]
"""Log-mel spectrograms (T, 64) in dB by chunk id."""


@dataclass(frozen=True)
class ClassChunks:
    """The training chunks of a class, and how likely each is drawn, where not all are equally."""

    ids: npt.NDArray[np.object_]
    shares: npt.NDArray[np.float64] | None = None

    def draw(self, rng: np.random.Generator, count: int) -> list[str]:
        """Return so many ids, with replacement."""
        return [str(chunk_id) for chunk_id in rng.choice(self.ids, count, p=self.shares)]


def train_audio_artifacts(
    log_mel: LogMels,
    table: pd.DataFrame,
    config: ArtifactTraining,
    checkpoint_dir: Path,
    *,
    chunk_s: float = 1.0,
    callbacks: Sequence[pl.Callback] = (),
) -> tuple[Cnn6, pd.DataFrame, dict[str, Any]]:
    """Train CNN6 and return it, as it was at its best validation, with the curve and a summary.

    `table` has chunk_id, source, split and label (index in `CLASSES`) of each chunk; chunks of the
    split "test" are not looked at. An interrupted training goes on from `checkpoint_dir`, exactly.

    Raises:
        ValueError: a class without training chunks, no validation chunks, a source in two splits,
            or AudioSet weights that do not fit.
        FileNotFoundError: there are no such AudioSet weights.
        TrainingDivergedError: the loss is not finite, or has run away.
    """
    by_class = training_chunks(table, config.even_titles)
    held_out = _validation_chunks(table, config)
    start: Literal["scratch", "audioset"] = "scratch" if config.audioset is None else "audioset"
    with seeded(config.seed):
        model = Cnn6(
            Cnn6Config(
                conv_dropout=config.conv_dropout,
                dropout=config.dropout,
                chunk_s=chunk_s,
                start=start,
            )
        )
    if config.audioset is not None:
        load_audioset_weights(model, config.audioset)
    counts = {name: len(chunks.ids) for name, chunks in zip(CLASSES, by_class, strict=True)}
    logger.info("Training on %s; from %s.", counts, start)
    module = ArtifactModule(model, config)
    best = ModelCheckpoint(
        checkpoint_dir,
        filename=Path(BEST_CHECKPOINT).stem,
        monitor=MONITORED,
        mode="max",
        save_weights_only=True,
        enable_version_counter=False,
    )
    history = fit(
        module,
        partial(draw_batch, log_mel, by_class, config),
        [
            batch_of(log_mel, held_out.iloc[first : first + config.batch_size])
            for first in range(0, len(held_out), config.batch_size)
        ],
        config,
        stage=STAGE,
        checkpoint_dir=checkpoint_dir,
        fingerprint=fingerprint(config, [chunk_s, _digest(table)]),
        callbacks=[*callbacks, DivergenceCheck(), best],
    )
    checkpoint = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    module.load_state_dict(checkpoint["state_dict"])
    loss_first, loss_last = first_and_last(history, "train_loss")
    summary = {
        "start": start,
        "audioset_sha256": config.audioset.sha256 if config.audioset else None,
        "steps": int(history["step"].max()),
        "best_step": int(checkpoint["global_step"]),
        MONITORED: float(best.best_model_score or np.nan),
        "loss_first": loss_first,
        "loss_last": loss_last,
        "train_chunks": counts,
        "validation_chunks": len(held_out),
    }
    return module.model.cpu().eval(), history, summary


def draw_batch(
    log_mel: LogMels,
    by_class: Sequence[ClassChunks],
    config: ArtifactTraining,
    step: int,
) -> Batch:
    """Return the training batch of a step: log_mel (B, 1, T, 64), and label (B,).

    With mixup, label holds the shares of the classes instead, (B, 5).
    """
    rng = np.random.default_rng([config.seed, step])
    sizes = np.array([len(chunks.ids) for chunks in by_class])
    shares = np.full(len(sizes), 1 / len(sizes)) if config.balanced else sizes / sizes.sum()
    counts = rng.multinomial(config.batch_size, shares)
    drawn = [
        (chunk_id, label)
        for label, (chunks, count) in enumerate(zip(by_class, counts, strict=True))
        for chunk_id in chunks.draw(rng, int(count))
    ]
    clean, defective = drawn[: counts[0]], drawn[counts[0] :]
    if config.paired and defective:
        made_of = rng.integers(len(defective), size=len(clean))
        clean = [(clean_chunk_id(defective[place][0]), 0) for place in made_of]
    # chunks of a shard next to each other: each shard's file is then opened once
    rows = pd.DataFrame(sorted([*clean, *defective]), columns=["chunk_id", "label"])
    return _augmented(batch_of(log_mel, rows), config.augmentation, rng)


def batch_of(log_mel: LogMels, rows: pd.DataFrame) -> Batch:
    """Return some chunks as a batch."""
    spectrograms = np.stack([log_mel[chunk_id] for chunk_id in rows["chunk_id"]])
    return {
        "log_mel": torch.from_numpy(spectrograms)[:, None],
        "label": torch.from_numpy(np.array(rows["label"], dtype=np.int64)),
    }


def _augmented(batch: Batch, config: AugmentationConfig, rng: np.random.Generator) -> Batch:
    log_mel = augment(batch["log_mel"][:, 0].float().numpy(), config, rng)
    label = batch["label"]
    if config.mixup_alpha > 0:
        log_mel, shares = mix(log_mel, label.numpy(), len(CLASSES), config.mixup_alpha, rng)
        label = torch.from_numpy(shares)
    return {"log_mel": torch.from_numpy(log_mel)[:, None], "label": label}


def training_chunks(table: pd.DataFrame, even_titles: float = 0.0) -> list[ClassChunks]:
    """Return the chunks of each class; `even_titles` is that of `ArtifactTraining`.

    Raises ValueError for a source in two splits or a class without training chunks.
    """
    splits = table.groupby("source")["split"].nunique()
    if (splits > 1).any():
        raise ValueError(f"Sources in several splits: {list(splits.index[splits > 1][:5])}.")
    train = table[table["split"] == "train"]
    by_class = [train[train["label"] == label] for label in range(len(CLASSES))]
    if missing := [name for name, rows in zip(CLASSES, by_class, strict=True) if rows.empty]:
        raise ValueError(
            f"There are no training chunks of {', '.join(missing)}: add media, or look up in the "
            "table of rejected versions why there are none."
        )
    return [_class_chunks(rows, even_titles) for rows in by_class]


def _class_chunks(rows: pd.DataFrame, even_titles: float) -> ClassChunks:
    ids = rows["chunk_id"].to_numpy(dtype=object)
    if not even_titles:
        return ClassChunks(ids)
    of_title = rows.groupby("source")["chunk_id"].transform("size").to_numpy(dtype=np.float64)
    weights = of_title**-even_titles
    return ClassChunks(ids, weights / weights.sum())


def _validation_chunks(table: pd.DataFrame, config: ArtifactTraining) -> pd.DataFrame:
    """Return the same share of each class, one chunk at least."""
    held_out = table[table["split"] == "validation"]
    if not len(held_out):
        raise ValueError("There are no validation chunks: give the split 'validation' a title.")
    rng = np.random.default_rng([config.seed, 1])
    chosen = [
        rng.choice(rows.index, max(1, round(config.validation_share * len(rows))), replace=False)
        for _, rows in held_out.groupby("label")
    ]
    return held_out.loc[np.sort(np.concatenate(chosen))]


def _digest(table: pd.DataFrame) -> str:
    columns = table[["chunk_id", "split", "label", "severity"]]
    return hashlib.sha256(columns.to_csv(index=False).encode()).hexdigest()
