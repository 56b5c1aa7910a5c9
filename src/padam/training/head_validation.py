"""What held-out clips say about a quality head."""

import math

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from padam.defects.registry import DEFECT_NAMES

Rows = npt.NDArray[np.float32]


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
    metrics["similarity_correlation"] = _similarity_correlation(z, q_rank)
    return metrics


def _auc(truth: Rows, score: Rows) -> float:
    if truth.min() == truth.max():
        return math.nan
    return float(roc_auc_score(truth, score))


def _similarity_correlation(z: Rows, q_rank: Rows) -> float:
    scored = np.isfinite(q_rank)
    z, q_rank = z[scored], q_rank[scored]
    first, second = np.triu_indices(len(z), k=1)
    similarity = (z @ z.T)[first, second]
    closeness = -np.abs(q_rank[first] - q_rank[second])
    if len(first) < 2 or np.ptp(similarity) == 0 or np.ptp(closeness) == 0:
        return math.nan
    return float(np.corrcoef(similarity, closeness)[0, 1])
