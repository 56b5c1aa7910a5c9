"""How well AA's classifier tells held-out chunks apart (AA §6), with intervals over titles."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict, Field

from padam.defects.audio_artifacts.config import CLASSES, METHODS
from padam.models.cnn6 import Cnn6
from padam.training.audio_artifacts import LogMels
from padam.training.embedding import Precision, resolve_precision
from padam.training.source_bootstrap import SourceBootstrap

PAPER_BALANCED_ACCURACY: Final = 0.986
PAPER_COUNTS: Final = {
    "train": (447_168, 241_990, 241_870, 174_711, 147_742),
    "validation": (146_282, 78_976, 80_160, 56_423, 49_300),
    "test": (288_702, 146_301, 147_672, 104_359, 89_210),
}
"""Chunks by split and class, AA table 1."""

CHUNKS_AT_ONCE: Final = 128


class ArtifactEvaluation(BaseModel):
    """Which chunks are classified, and how intervals are drawn."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: str = Field("test", pattern="^(train|validation|test)$")
    bootstrap_rounds: int = Field(1000, ge=1, le=100_000)
    severity_bins: int = Field(8, ge=2, le=100)
    seed: int = Field(0, ge=0)


def classify(
    model: Cnn6, log_mel: npt.NDArray[np.floating], precision: Precision = "auto"
) -> npt.NDArray[np.float32]:
    """Return probabilities (N, 5) of spectrograms (N, T, 64), where the model is.

    `auto` computes in bfloat16 where the hardware multiplies in it.
    """
    device = model.fc1.weight.device
    dtype = resolve_precision(precision, device)
    found = [np.zeros((0, model.config.classes), dtype=np.float32)]
    with (
        torch.inference_mode(),
        torch.autocast(device.type, dtype, enabled=dtype is not torch.float32),
    ):
        for first in range(0, len(log_mel), CHUNKS_AT_ONCE):
            part = torch.from_numpy(log_mel[first : first + CHUNKS_AT_ONCE]).to(device).float()
            found.append(model.probabilities(part[:, None]).cpu().numpy())
    return np.concatenate(found)


def classify_chunks(model: Cnn6, log_mel: LogMels, table: pd.DataFrame, split: str) -> pd.DataFrame:
    """Return the rows of a split with `predicted` and the probabilities p_no_defect, p_hum, ….

    Raises ValueError where the split has no chunks.
    """
    rows = table[table["split"] == split].reset_index(drop=True)
    if not len(rows):
        raise ValueError(f"There are no chunks of the split '{split}' to evaluate on.")
    found = [
        classify(model, np.stack([log_mel[name] for name in part]))
        for part in np.array_split(rows["chunk_id"].to_numpy(), -(-len(rows) // CHUNKS_AT_ONCE))
    ]
    probabilities = np.concatenate(found)
    columns = {f"p_{name}": probabilities[:, n] for n, name in enumerate(CLASSES)}
    return rows.assign(predicted=probabilities.argmax(axis=1), **columns)


def confusion(chunks: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the shares (5, 5) of the chunks of a class (rows) that were taken for each class.

    The row of a class without chunks is NaN.
    """
    counts = np.zeros((len(CLASSES), len(CLASSES)))
    np.add.at(counts, (chunks["label"].to_numpy(), chunks["predicted"].to_numpy()), 1)
    with np.errstate(invalid="ignore"):
        shares: npt.NDArray[np.float64] = counts / counts.sum(axis=1, keepdims=True)
    return shares


def class_table(table: pd.DataFrame) -> pd.DataFrame:
    """Chunks by split and class, and their shares beside those of AA's table 1."""
    rows = []
    for split, paper in PAPER_COUNTS.items():
        counts = np.bincount(table.loc[table["split"] == split, "label"], minlength=len(CLASSES))
        for name, count, theirs in zip(CLASSES, counts, paper, strict=True):
            share = count / counts.sum() if counts.sum() else np.nan
            rows.append((split, name, int(count), share, theirs / sum(paper)))
    return pd.DataFrame(rows, columns=["split", "class", "chunks", "share", "paper_share"])


def recall_by_severity(chunks: pd.DataFrame, bins: int) -> pd.DataFrame:
    """Recall in up to `bins` equally filled bins of severity of each method.

    Columns method, severity_low, severity_high, chunks, recall. Severity is that of the chunk
    table: for distortion the share of samples that were clipped (the question of AA §6).
    """
    rows = []
    for method in METHODS:
        here = chunks[chunks["method"] == method].sort_values("severity", kind="stable")
        right = (here["label"] == here["predicted"]).to_numpy()
        severity = here["severity"].to_numpy()
        for part in np.array_split(np.arange(len(here)), min(bins, len(here)) or 1):
            if len(part):
                low, high = severity[part[0]], severity[part[-1]]
                rows.append((method, low, high, len(part), float(right[part].mean())))
    columns = ["method", "severity_low", "severity_high", "chunks", "recall"]
    return pd.DataFrame(rows, columns=columns)


def summarise_chunks(chunks: pd.DataFrame, config: ArtifactEvaluation) -> dict[str, Any]:
    """Return balanced accuracy, recalls and the greatest confusions, with 95 % intervals.

    Intervals are percentiles of a bootstrap over titles; None where they cannot be estimated.
    """
    sources = pd.factorize(chunks["source"])[0]
    label = chunks["label"].to_numpy()
    right = label == chunks["predicted"].to_numpy()
    bootstrap = SourceBootstrap(sources, config.bootstrap_rounds, config.seed)
    balanced, recalls = bootstrap.recalls(label, right, len(CLASSES))
    methods = chunks.assign(right=right).groupby("method")["right"].mean()
    shares = confusion(chunks)
    mistakes = [
        (float(shares[of, taken]), f"{CLASSES[of]} taken for {CLASSES[taken]}")
        for of in range(len(CLASSES))
        for taken in range(len(CLASSES))
        if of != taken and shares[of, taken] > 0
    ]
    return {
        "split": config.split,
        "chunks": len(chunks),
        "titles": bootstrap.count,
        **_plain("balanced_accuracy", balanced),
        "paper_balanced_accuracy": PAPER_BALANCED_ACCURACY,
        "recall": {
            name: _plain("recall", recall) for name, recall in zip(CLASSES, recalls, strict=True)
        },
        "recall_by_method": {str(name): float(value) for name, value in methods.items()},
        "confusions": {what: share for share, what in sorted(mistakes, reverse=True)[:5]},
    }


def _plain(name: str, estimate: tuple[float, float, float]) -> dict[str, float | None]:
    keys = (name, f"{name}_low", f"{name}_high")
    return {
        key: float(value) if np.isfinite(value) else None
        for key, value in zip(keys, estimate, strict=True)
    }
