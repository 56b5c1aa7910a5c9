"""What held-out clips say about a quality head."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import roc_auc_score

from padam.defects.registry import DEFECT_NAMES
from padam.models.quality_head import QualityHead
from padam.training.pairs import LabelledEmbeddings, PairedEmbeddings

Rows = npt.NDArray[np.float32]

COMPARED_ROWS: Final = 4000  # every pair of them is compared: 128 MB
READ_PAIRS: Final = 128


@dataclass(frozen=True)
class HeadOutputs:
    """What a head makes of n clips: r (n, 512), z (n, 128) and logits (n, 7), beside the truth."""

    r: Rows
    z: Rows
    logits: Rows
    labels: Rows
    q_rank: Rows
    sources: npt.NDArray[np.int64]

    @property
    def defective(self) -> npt.NDArray[np.int64]:
        """1 for each clip with any defect, 0 for a clean one."""
        return self.labels.max(axis=1).astype(np.int64)


def head_outputs(
    head: QualityHead, pairs: PairedEmbeddings, rows: npt.NDArray[np.int64]
) -> HeadOutputs:
    """Return what the head makes of both members of some pairs, all references first."""
    config, device = head.config, next(head.parameters()).device
    widths = {"r": config.hidden_width, "z": config.projection_width, "logits": config.labels}
    widths |= {"labels": config.labels, "q_rank": 1}
    columns = {
        name: np.zeros((2, len(rows), width), dtype=np.float32) for name, width in widths.items()
    }
    head.eval()
    with torch.inference_mode():
        for start in range(0, len(rows), READ_PAIRS):
            part = slice(start, start + READ_PAIRS)
            batch = pairs.batch(rows[part])
            r = head.represent(batch["embeddings"].to(device).float())
            made = {"r": r, "z": head.project(r), "logits": head.classify(r)}
            for name, column in columns.items():
                values = (made | batch)[name]
                column[:, part] = values.cpu().numpy().reshape(2, -1, widths[name])
    flat = {name: column.reshape(-1, widths[name]) for name, column in columns.items()}
    q_rank = flat.pop("q_rank")[:, 0]
    return HeadOutputs(**flat, q_rank=q_rank, sources=np.tile(pairs.sources[rows], 2))


def validation_metrics(z: Rows, logits: Rows, labels: Rows, q_rank: Rows) -> dict[str, float]:
    """Return how well held-out clips are told apart, NaN for what they cannot show.

    `auc_<defect>` and `auc_defective` (by the greatest logit) are areas under the ROC curve;
    `similarity_correlation` is the correlation over pairs of clips between cosine similarity of
    z (N, 128) and −|Δq|, what L_q aims at.
    """
    metrics = {
        f"auc_{name}": _auc(labels[:, i], logits[:, i]) for i, name in enumerate(DEFECT_NAMES)
    }
    metrics["auc_defective"] = _auc(labels.max(axis=1), logits.max(axis=1))
    metrics["similarity_correlation"] = similarity_correlation(z, q_rank)
    return metrics


def segment_auc(head: QualityHead, segments: LabelledEmbeddings) -> float | None:
    """Return the area under the ROC curve, defective or not by the greatest logit, of validation.

    None where there are no validation segments, or of one class only.
    """
    rows, found = segments.rows("validation"), []
    head.eval()
    with torch.inference_mode():
        for start in range(0, len(rows), READ_PAIRS):
            batch = segments.batch(rows[start : start + READ_PAIRS])
            logits = head.classify(head.represent(batch["segment_embeddings"].float()))
            found.append(logits.amax(dim=1).numpy())
    if not found:
        return None
    area = _auc(segments.labels[rows].max(axis=1), np.concatenate(found))
    return area if math.isfinite(area) else None


def compared_rows(q_rank: Rows) -> npt.NDArray[np.int64]:
    """Return the rows with a q_rank, at most 4000 of them, drawn alike each time."""
    scored = np.flatnonzero(np.isfinite(q_rank))
    if len(scored) <= COMPARED_ROWS:
        return scored
    return np.sort(np.random.default_rng(0).choice(scored, COMPARED_ROWS, replace=False))


def similarity_and_closeness(z: Rows, q_rank: Rows) -> tuple[Rows, Rows]:
    """Return cosine similarity and −|Δq| of every pair of the `compared_rows`."""
    rows = compared_rows(q_rank)
    z, q_rank = z[rows], q_rank[rows]
    first, second = np.triu_indices(len(z), k=1)
    return (z @ z.T)[first, second], -np.abs(q_rank[first] - q_rank[second])


def similarity_correlation(z: Rows, q_rank: Rows) -> float:
    """Return Pearson's correlation of cosine similarity and −|Δq|, NaN where either is constant."""
    similarity, closeness = similarity_and_closeness(z, q_rank)
    if len(similarity) < 2 or np.ptp(similarity) == 0 or np.ptp(closeness) == 0:
        return math.nan
    return float(np.corrcoef(similarity, closeness)[0, 1])


def _auc(truth: Rows, score: Rows) -> float:
    if truth.min() == truth.max():
        return math.nan
    return float(roc_auc_score(truth, score))
