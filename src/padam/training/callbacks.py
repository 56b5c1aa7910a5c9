"""What watches a training: the curve, the progress, the divergence check."""

import logging
import math
import sys
import time
from typing import Any

import pandas as pd
import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping
from torch import Tensor
from tqdm import tqdm

logger = logging.getLogger(__name__)

LOG_INTERVAL_S = 60.0
WAIT_WARNING = 0.05
COLLAPSE_TOLERANCE = 1e-4


class TrainingDivergedError(RuntimeError):
    """The loss is no longer a finite number, has run away, or stands where nothing is learned."""


class History(pl.Callback):
    """Keeps every logged metric with its step, across interruptions too."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str, float]] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Record the training metrics of one step."""
        self._record(trainer, "train_")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Record the validation metrics."""
        self._record(trainer, "validation_")

    def _record(self, trainer: pl.Trainer, prefix: str) -> None:
        for name, value in trainer.callback_metrics.items():
            if name.startswith(prefix) and math.isfinite(value):
                self.rows.append((trainer.global_step, name, float(value)))

    def state_dict(self) -> dict[str, Any]:
        """Return the curve so far, for the checkpoint."""
        return {"rows": [list(row) for row in self.rows]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the curve up again."""
        self.rows = [(int(s), str(m), float(v)) for s, m, v in state_dict["rows"]]

    def frame(self) -> pd.DataFrame:
        """Return the curve as a table of step, metric, value."""
        table = pd.DataFrame(self.rows, columns=["step", "metric", "value"])
        return table.astype({"step": "int64", "metric": "str", "value": "float64"})


class EarlyStop(EarlyStopping):
    """Lightning's early stopping, which also keeps a training stopped that is resumed."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop at once where the checkpoint is that of a training that had stopped."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class DataWait(pl.Callback):
    """Measures how much of the time the trainer waits for its batches, as `data_wait_share`.

    Validation is not counted; the start of the worker processes before each pass is.
    """

    def __init__(self) -> None:
        self._waited_s = self._passed_s = 0.0
        self._ended = 0.0

    @property
    def share(self) -> float:
        """Waiting over all of the time of the steps, 0 to 1."""
        return self._waited_s / self._passed_s if self._passed_s else 0.0

    def report(self) -> None:
        """Warn where the training waited too long."""
        if self.share > WAIT_WARNING:
            logger.warning(
                "Training waited for its data %.0f %% of the time: raise loader_workers, or "
                "cache_gb where memory allows.",
                100 * self.share,
            )

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin a pass."""
        self._ended = time.monotonic()

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Note how long it took from the last step's end to having a batch."""
        self._waited_s += time.monotonic() - self._ended

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Note the end of a step."""
        now = time.monotonic()
        self._passed_s += now - self._ended
        self._ended = now

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the share so far."""
        pl_module.log("data_wait_share", self.share)

    def state_dict(self) -> dict[str, Any]:
        """Return the times so far, for the checkpoint."""
        return {"waited_s": self._waited_s, "passed_s": self._passed_s}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the times up again."""
        self._waited_s, self._passed_s = state_dict["waited_s"], state_dict["passed_s"]


class DivergenceCheck(pl.Callback):
    """Ends a training whose loss has grown far above where it started, or that has collapsed.

    The mean of the last `steps` losses is held against the mean of the first ones. Collapsed are
    embeddings that are all equal: the loss is then `collapsed_loss` (log B of InfoNCE over B clips)
    whatever the batch, and its gradient is zero. Weights that have run away cost the rest of the
    run, and they do not come back.
    """

    def __init__(
        self, collapsed_loss: float | None = None, steps: int = 20, factor: float = 2.0
    ) -> None:
        self._collapsed_loss = collapsed_loss
        self._steps = steps
        self._factor = factor
        self._first: list[float] = []
        self._last: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Raise TrainingDivergedError where the loss has run away or stands still."""
        loss = float(trainer.callback_metrics["train_loss"])
        if len(self._first) < self._steps:
            self._first.append(loss)
        self._last = [*self._last, loss][-self._steps :]
        if len(self._last) < self._steps:
            return
        before, now = (sum(losses) / len(losses) for losses in (self._first, self._last))
        if now > self._factor * before:
            raise TrainingDivergedError(
                f"The loss rose from {before:.3g} to {now:.3g} by step {trainer.global_step}: "
                "lower max_lr or gradient_clip."
            )
        if self._collapsed_loss is not None and all(
            math.isclose(each, self._collapsed_loss, rel_tol=COLLAPSE_TOLERANCE)
            for each in self._last
        ):
            raise TrainingDivergedError(
                f"The loss of the last {self._steps} steps is {now:.4f}, as where all embeddings "
                f"are equal (step {trainer.global_step}): lower max_lr."
            )

    def state_dict(self) -> dict[str, Any]:
        """Return the losses seen, for the checkpoint."""
        return {"first": self._first, "last": self._last}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the losses up again."""
        self._first, self._last = list(state_dict["first"]), list(state_dict["last"])


class Progress(pl.Callback):
    """A bar on a terminal; elsewhere a log line a minute, with rate and time left."""

    def __init__(self, stage: str, steps: int) -> None:
        self._stage = stage
        self._steps = steps
        self._bar: tqdm[Any] | None = None
        self._started = self._spoke = 0.0
        self._first_step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say what begins, and where."""
        self._first_step = trainer.global_step
        self._started = self._spoke = time.monotonic()
        if not trainer.is_global_zero:
            return
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=self._steps, initial=self._first_step, desc=self._stage, unit="step"
            )
        else:
            logger.info(
                "%s: training from step %d to %d.", self._stage, self._first_step, self._steps
            )

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Move the bar, or speak when a minute has passed."""
        if not trainer.is_global_zero:
            return
        loss = float(trainer.callback_metrics.get("train_loss", math.nan))
        if self._bar is not None:
            self._bar.update(1)
            self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            return
        now = time.monotonic()
        if now - self._spoke < LOG_INTERVAL_S:
            return
        self._spoke = now
        rate = (trainer.global_step - self._first_step) / (now - self._started)
        left_s = (self._steps - trainer.global_step) / rate
        logger.info(
            "%s: step %d of %d, loss %.3f, %.2f steps/s, %.0f s left.",
            *(self._stage, trainer.global_step, self._steps, loss, rate, left_s),
        )

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Close the bar, also after an error."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def check_finite(loss: Tensor, step: int, learning_rate: float) -> None:
    """Raise TrainingDivergedError as soon as a loss is not finite.

    A NaN would go through the optimiser into every weight, and the run would end hours later with
    a model of NaN.
    """
    if not math.isfinite(float(loss.detach())):
        raise TrainingDivergedError(
            f"The loss is {float(loss.detach())} at step {step} (learning rate "
            f"{learning_rate:.2g}): lower max_lr or gradient_clip, or look for NaN in the data."
        )
