"""One training loop for both stages: seeded by step, resumable, logged."""

import hashlib
import json
import logging
import pickle
import signal
import warnings
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pytorch_lightning as pl
import torch
from pydantic import BaseModel, ConfigDict, Field
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO
from pytorch_lightning.strategies import DDPStrategy

from padam.audio.storage import written_whole
from padam.training.batches import Batch, FixedBatches, Share, StepBatches, batch_loader
from padam.training.callbacks import History, Progress
from padam.training.embedding import resolve_precision
from padam.training.logger import MlflowRun, mlflow_logger

logger = logging.getLogger(__name__)

LAST_CHECKPOINT = "last.ckpt"
BEST_CHECKPOINT = "best.ckpt"
_FINGERPRINT = "fingerprint"


class FitConfig(BaseModel):
    """How long and on what a stage is trained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(200, ge=1)
    validate_every: int = Field(50, ge=1, description="steps between validations and checkpoints")
    gradient_clip: float = Field(1.0, gt=0)
    seed: int = Field(0, ge=0)
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    # auto: bf16-mixed where the hardware multiplies in it
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "32-true"
    loader_workers: int = Field(0, ge=0, le=256, description="processes that draw the batches")


class _StepSeed(pl.Callback):
    """Seeds dropout by (seed, step), so that a resumed run draws what an undisturbed one does."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        torch.manual_seed(_mix(self._seed, trainer.global_step))


class _Fingerprint(pl.Callback):
    """Marks a checkpoint with the configuration and data it belongs to."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint[_FINGERPRINT] = self._fingerprint

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make sure that all processes have the same films and begin at the same step."""
        if trainer.world_size == 1:
            return
        everyone: list[Any] = [None] * trainer.world_size
        torch.distributed.all_gather_object(everyone, (self._fingerprint, trainer.global_step))
        if len(set(everyone)) > 1:
            raise RuntimeError(
                "The processes of the training do not agree on their films or on the step to go "
                "on from: see that all machines reach the same media and checkpoints."
            )


class _WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it: a kill leaves the one before."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(target) as partial:
            torch.save(checkpoint, partial)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch inside the block and give the caller's random state back after it."""
    with torch.random.fork_rng():
        torch.manual_seed(_mix(seed, -1))
        yield


def _mix(seed: int, step: int) -> int:
    digest = hashlib.sha256(f"{seed}:{step}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def fingerprint(config: BaseModel, data: object, ignored: Collection[str] = ()) -> str:
    """Return a digest of a configuration and of a JSON-able description of the data.

    Settings that a training can go on with differently are left out: who reads its batches, and
    those that are `ignored`.
    """
    shared = config.model_dump(mode="json", exclude={"loader_workers", *ignored})
    text = json.dumps([shared, data], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def fit(
    module: pl.LightningModule,
    draw_batch: Callable[[int], Batch],
    validation: Sequence[Batch],
    config: FitConfig,
    *,
    stage: str,
    checkpoint_dir: Path,
    fingerprint: str,
    callbacks: Sequence[pl.Callback] = (),
    share: Share | None = None,
    run: MlflowRun | None = None,
) -> pd.DataFrame:
    """Train a module in place and return its curve as a table of step, metric, value.

    `draw_batch(step)` must depend on the step alone. The run is saved to
    `checkpoint_dir/last.ckpt` at every validation and goes on from there after an interruption,
    exactly. The file of a training that has ended gives its result again; whoever has saved that
    result removes the file, so that the next run starts anew (`forget`).

    A process that torchrun started passes its `share` of the processes, and the MLflow `run` to
    log into; `draw_batch` then draws that share of the step's batch. Otherwise curves go to the
    run that is active.

    Raises:
        TrainingDivergedError: the loss is not finite.
    """
    share = share or Share()
    history = History()
    with seeded(config.seed), _quiet_lightning(), _plain_interrupt():
        trainer = pl.Trainer(
            accelerator=config.accelerator,
            **_processes(share),
            precision=trainer_precision(config),
            max_epochs=-(-config.steps // config.validate_every),
            gradient_clip_val=config.gradient_clip,
            num_sanity_val_steps=0,
            log_every_n_steps=max(1, min(50, config.steps // 50)),
            logger=(mlflow_logger(stage, run) if share.rank == 0 else None) or False,
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=checkpoint_dir,
            callbacks=[
                _StepSeed(config.seed),
                _Fingerprint(fingerprint),
                history,
                Progress(stage, config.steps),
                *callbacks,
                # Last, so that the checkpoint holds what the others learned in this epoch.
                ModelCheckpoint(
                    checkpoint_dir,
                    filename=Path(LAST_CHECKPOINT).stem,
                    save_on_train_epoch_end=True,
                    enable_version_counter=False,
                ),
            ],
            plugins=[_WholeFiles()],
        )
        batches = StepBatches(
            draw_batch,
            lambda: trainer.global_step,
            validate_every=config.validate_every,
            steps=config.steps,
        )
        held_out = FixedBatches(validation, share)
        trainer.fit(
            module,
            batch_loader(batches, config.loader_workers),
            batch_loader(held_out, min(config.loader_workers, 1)) if validation else None,
            ckpt_path=_resumable(checkpoint_dir / LAST_CHECKPOINT, fingerprint),
            weights_only=True,
        )
    return history.frame()


def forget(checkpoint_dir: Path) -> None:
    """Remove the checkpoints of a training whose result is saved."""
    for name in (LAST_CHECKPOINT, BEST_CHECKPOINT):
        (checkpoint_dir / name).unlink(missing_ok=True)


def trainer_precision(config: FitConfig) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
    """Return the precision to train in: `auto` takes bfloat16 where the hardware multiplies in it.

    What has been trained in one precision may be resumed in another, on another machine.
    """
    if config.precision != "auto":
        return config.precision
    gpu = config.accelerator != "cpu" and torch.cuda.is_available()
    fast = resolve_precision("auto", torch.device("cuda" if gpu else "cpu"))
    return "bf16-mixed" if fast is torch.bfloat16 else "32-true"


def _processes(share: Share) -> dict[str, Any]:
    """Trainer options for one process, or for those that torchrun started."""
    if share.count == 1:
        return {"devices": 1}
    return {
        "devices": share.local_count,
        "num_nodes": share.count // share.local_count,
        # Without a static graph, gradients of layers that are computed again piece by piece are
        # sent before the last piece has come. Buffers are the same everywhere, from the start.
        "strategy": DDPStrategy(static_graph=True, broadcast_buffers=False),
    }


def first_and_last(history: pd.DataFrame, metric: str) -> tuple[float, float]:
    """Return a metric's mean over the first and over the last twentieth of its values."""
    values = history.loc[history["metric"] == metric, "value"].to_numpy()
    share = max(1, len(values) // 20)
    return float(values[:share].mean()), float(values[-share:].mean())


def last_values(history: pd.DataFrame, prefix: str) -> dict[str, float]:
    """Return the last value of each metric whose name starts with `prefix`."""
    rows = history[history["metric"].str.startswith(prefix)]
    return {
        str(name): float(value) for name, value in rows.groupby("metric")["value"].last().items()
    }


def _resumable(path: Path, expected: str) -> Path | None:
    if not path.is_file():
        return None
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        found = checkpoint[_FINGERPRINT]
    except (
        RuntimeError,
        OSError,
        KeyError,
        EOFError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
    ) as error:
        logger.warning("%s cannot be read (%s): training starts afresh.", path, error)
        return None
    if found != expected:
        aside = path.with_stem(f"{path.stem}-of-another-run")
        path.replace(aside)
        logger.warning(
            "%s is of another configuration or data: it is kept as %s, and training starts afresh.",
            *(path, aside.name),
        )
        return None
    logger.info("Training goes on from %s, step %d.", path, checkpoint["global_step"])
    return path


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Keep Lightning's banner and its advice on worker counts off the screen."""
    banner = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    level = banner.level
    banner.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*Checkpoint directory .* exists.*")
            warnings.filterwarnings("ignore", message=".*have no `val_dataloader`.*")
            warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
            yield
    finally:
        banner.setLevel(level)


@contextmanager
def _plain_interrupt() -> Iterator[None]:
    """Give Ctrl-C back as KeyboardInterrupt: Lightning would exit and ignore the next one."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from error
