"""Fit of the event localiser, on titles whose defects are known from when to when they last."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict, Field
from sklearn.metrics import log_loss, roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits

from padam.audio import Audio
from padam.models.event_localiser import WINDOWS, EventLocaliser, EventLocaliserConfig
from padam.models.native_evidence.windows import STEP_S, WINDOW_NAMES, evidence_windows

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

SEQUENCE = 3 * WINDOWS
"""Windows that are looked at: a segment and the two beside it."""
_HALF = 0.5
_LEAST_SCALE = 1e-3
Shown = tuple[Floats, Floats, npt.NDArray[np.bool_]]
"""Evidence (75, F), truth (75,), and which windows are heard (75,)."""
_UNHEARD = 0.15
"""How often the segment before, and the one after, is left out: it was not flagged, or is none."""


class LocaliserFitConfig(BaseModel):
    """How the event localiser is fitted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # of each split, as many titles with defects at most: measuring their windows is what takes time
    titles: int = Field(150, ge=1)
    epochs: int = Field(40, ge=1, description="each shows every labelled interval once")
    batch: int = Field(64, ge=1)
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.1, ge=0)
    gradient_clip: float = Field(1.0, gt=0)
    seed: int = Field(0, ge=0)
    network: EventLocaliserConfig = EventLocaliserConfig()


@dataclass(frozen=True)
class TitleWindows:
    """A title's windows of 0.4 s: their evidence (n, F), and how much of each is defective (n,)."""

    windows: Floats
    truth: Floats


def window_truth(intervals: Iterable[tuple[float, float]], count: int) -> Floats:
    """Return which share (count,) of each 0.4 s lies in intervals (start, end) in seconds."""
    starts = STEP_S * np.arange(count)
    truth = np.zeros(count)
    for start_s, end_s in intervals:
        shared = np.minimum(starts + STEP_S, end_s) - np.maximum(starts, start_s)
        truth = np.maximum(truth, np.clip(shared / STEP_S, 0, 1))
    return truth.astype(np.float32)


def measure_title(blocks: Iterable[Audio], sample_rate: int) -> Floats:
    """Measure the windows (n, F) of a title from consecutive blocks (channels, samples).

    They come at the title's own rate. Labels do not tell which channel a defect is in, so the
    channels are averaged: titles of one channel tell most. Each block but the last is to be a
    multiple of 0.4 s long. Memory holds three blocks. What is not finite counts as silence.
    """
    parts: list[Floats] = []

    def measure(before: Audio | None, block: Audio, after: Audio | None) -> None:
        if block.shape[1] >= STEP_S * sample_rate:
            parts.append(evidence_windows(block, sample_rate, before, after)[0])

    before: Audio | None = None
    block: Audio | None = None
    for raw in blocks:
        after = np.nan_to_num(raw, posinf=0, neginf=0).mean(axis=0, keepdims=True)
        if block is not None:
            measure(before, block, after)
        before, block = block, after
    if block is not None:
        measure(before, block, None)
    return np.concatenate([np.zeros((0, len(WINDOW_NAMES)), dtype=np.float32), *parts])


def fit_event_localiser(
    titles: Mapping[str, TitleWindows], config: LocaliserFitConfig | None = None
) -> EventLocaliser:
    """Fit the localiser on titles by name; the same titles and seed give the same network.

    Each interval is shown at another place of a segment in every epoch, as a scan may find it.
    Raises ValueError where no title has a defective window.
    """
    config = config or LocaliserFitConfig()
    ordered = [titles[name] for name in sorted(titles)]
    places = [(number, run) for number, each in enumerate(ordered) for run in _runs(each.truth)]
    if not places:
        raise ValueError(
            "no title to fit the event localiser on has a labelled interval; it needs titles of "
            "the split `train` with labels"
        )
    rng = np.random.default_rng(config.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        localiser = EventLocaliser(config.network)
        _standardise(localiser, ordered)
        optimizer = torch.optim.AdamW(
            localiser.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        steps = config.epochs * -(-len(places) // config.batch)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, config.learning_rate, total_steps=steps
        )
        localiser.train()
        for epoch in range(config.epochs):
            shuffled = [places[index] for index in rng.permutation(len(places))]
            losses = []
            for first in range(0, len(shuffled), config.batch):
                chosen = shuffled[first : first + config.batch]
                sequences = [_shown(rng, ordered[number], run) for number, run in chosen]
                loss = sequence_loss(localiser, sequences)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(localiser.parameters(), config.gradient_clip)
                optimizer.step()
                schedule.step()
                losses.append(float(loss.detach()))
            if (epoch + 1) % 10 == 0 or epoch + 1 == config.epochs:
                logger.info(
                    "event localiser: epoch %d of %d, loss %.4f",
                    *(epoch + 1, config.epochs, np.mean(losses)),
                )
    return localiser.eval().requires_grad_(False)


def judge_event_localiser(
    localiser: EventLocaliser, titles: Mapping[str, TitleWindows], rounds: int = 4, seed: int = 0
) -> dict[str, float]:
    """Return how well a localiser does on titles by name that it was not fitted on.

    `intervals` is how many labelled ones there are; each is shown at `rounds` places. Of the
    windows `cross_entropy`, `auc`, and `accuracy` at a probability of a half; none of them where
    there are no intervals.
    """
    ordered = [titles[name] for name in sorted(titles)]
    places = [(number, run) for number, each in enumerate(ordered) for run in _runs(each.truth)]
    if not places:
        return {"intervals": 0}
    rng = np.random.default_rng(seed)
    shown = [_shown(rng, ordered[number], run) for number, run in places * rounds]
    windows, truth, heard = (np.stack(part) for part in zip(*shown, strict=True))
    found = localiser.probabilities(windows, heard)[heard]
    wanted = truth[heard] >= _HALF
    return {
        "intervals": len(places),
        "cross_entropy": float(log_loss(wanted, found, labels=[False, True])),
        "auc": float(roc_auc_score(wanted, found)),
        "accuracy": float(np.mean((found >= _HALF) == wanted)),
    }


def sequence_loss(localiser: EventLocaliser, sequences: Sequence[Shown]) -> torch.Tensor:
    """Return the mean cross-entropy of the windows that are heard."""
    windows, truth, heard = (
        torch.from_numpy(np.stack(part)) for part in zip(*sequences, strict=True)
    )
    losses = binary_cross_entropy_with_logits(localiser(windows, heard), truth, reduction="none")
    return torch.where(heard, losses, 0.0).sum() / heard.sum()


def _standardise(localiser: EventLocaliser, titles: Sequence[TitleWindows]) -> None:
    """Set mean and deviation of each value over all windows; one that never changes counts 0."""
    count = sum(len(each.windows) for each in titles)
    mean = sum(each.windows.sum(axis=0, dtype=np.float64) for each in titles) / count
    squares = sum(np.square(each.windows - mean).sum(axis=0) for each in titles) / count
    localiser.mean.copy_(torch.from_numpy(np.asarray(mean)))
    localiser.scale.copy_(torch.from_numpy(np.sqrt(squares) + _LEAST_SCALE))


def _runs(truth: Floats) -> list[tuple[int, int]]:
    """Return the first window of each defective stretch, and the first after it."""
    edges = np.flatnonzero(np.diff(np.pad(truth >= _HALF, 1).astype(np.int8)))
    return [(int(first), int(stop)) for first, stop in edges.reshape(-1, 2)]


def _shown(rng: np.random.Generator, title: TitleWindows, run: tuple[int, int]) -> Shown:
    """Draw a segment that a defective stretch reaches into, with those beside it."""
    count = len(title.windows)
    start = int(rng.integers(run[0] - WINDOWS + 1, run[1]))
    start = min(max(start, 0), max(0, count - WINDOWS))
    index = np.arange(start - WINDOWS, start + 2 * WINDOWS)
    heard = (index >= 0) & (index < count)
    left_out = rng.random()
    if left_out < _UNHEARD:
        heard[:WINDOWS] = False
    elif left_out < 2 * _UNHEARD:
        heard[2 * WINDOWS :] = False
    index = index.clip(0, count - 1)
    return title.windows[index], title.truth[index], heard
