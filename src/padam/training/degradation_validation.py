"""How well degradations are heard on held-out sound."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.nn import functional

from padam.defects.registry import DEFECT_NAMES
from padam.models.losses import degradation_contrast, window_labels_loss
from padam.training.audio_visual import AudioVisualConfig
from padam.training.degradation_batches import CLEAN


def held_out_metrics(
    seen: Sequence[tuple[Tensor, ...]], config: AudioVisualConfig
) -> dict[str, float]:
    """Return losses, `same_degradation_r1`, and `auc_…` of windows by defect and of clips.

    `seen` holds z, logits, truth and degradation of each batch. R@1 is the share of degraded rows
    that are most alike a row of their own degradation; its chance is one in the batch's rows.
    An area is left out where one of its classes is missing.
    """
    contrasts, hits = [], []
    for z, _, _, degradation in seen:
        contrasts.append(float(degradation_contrast(z, degradation, config.temperature)))
        unit = functional.normalize(z, dim=1)
        nearest = (unit @ unit.T).fill_diagonal_(-torch.inf).argmax(1)
        counts = (degradation[:, None] == degradation[None, :]).sum(1)
        asked = (degradation != CLEAN) & (counts > 1)
        hits.append((degradation[nearest] == degradation)[asked].float())
    logits, truth = (torch.cat([batch[part] for batch in seen]) for part in (1, 2))
    weights, labels = config.degradations, float(window_labels_loss(logits, truth))
    contrast = float(np.mean(contrasts))
    metrics = {
        "loss": weights.contrast_weight * contrast + weights.labels_weight * labels,
        "contrast_loss": contrast,
        "labels_loss": labels,
        "same_degradation_r1": float(torch.cat(hits).mean()),
    }
    aucs: dict[str, float] = {}
    for number, name in enumerate(DEFECT_NAMES):
        area = _auc(truth[..., number].flatten(), logits[..., number].flatten())
        aucs |= {} if area is None else {f"auc_{name}": area}
    whole = _auc(truth.any(2).any(1), -logits[..., -1].amin(1))
    mean = {"auc_mean": float(np.mean(list(aucs.values())))} if aucs else {}
    return metrics | aucs | mean | ({} if whole is None else {"auc_clips": whole})


def _auc(truth: Tensor, score: Tensor) -> float | None:
    if truth.all() or not truth.any():
        return None
    return float(roc_auc_score(truth.numpy(), score.numpy()))
