"""Contrastive losses of stages 1 and 2, and the masks that say which pairs attract."""

from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from padam.models.quality_head import CONTENT_VIEWS

ContrastiveVariant = Literal["all_pairs", "printed"]
QualityMaskKind = Literal["soft", "hard"]


def info_nce(audio: Tensor, video: Tensor, temperature: float = 0.1) -> Tensor:
    """Return the bidirectional InfoNCE loss of synchronised pairs, to be minimised (PADAM §4.1).

    ``audio`` and ``video`` are time-averaged embeddings (B, D), row i of one belonging to row i
    of the other; they are L2-normalised here. All other rows are negatives. The value is the mean
    of the two directions: log B where nothing is learned, 0 at best.
    """
    if audio.shape != video.shape or audio.ndim != 2:
        raise ValueError(
            f"InfoNCE needs two (batch, width) tensors of one shape, got {tuple(audio.shape)} and "
            f"{tuple(video.shape)}."
        )
    logits = F.normalize(audio, dim=1) @ F.normalize(video, dim=1).T / temperature
    targets = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2


def masked_contrastive(
    z: Tensor, mask: Tensor, temperature: float = 0.2, variant: ContrastiveVariant = "all_pairs"
) -> Tensor:
    """Return eq. (1), the mask-weighted mean log-likelihood of pairs, to be **maximised**.

    ``z`` (N, D) holds unit vectors; ``mask`` (N, N) weighs the pairs, negative weights counting
    as 0. Rows whose weights sum to 0 are left out of the mean; with no row left the value is 0.

    - ``all_pairs`` (default): pairs i = j left out, denominator over all k ≠ i, unmasked, as
      SupCon (arXiv 2004.11362), CONVIQT and RMT-BVQA compute it.
    - ``printed``: as PADAM prints it, with i = j and the mask inside the denominator. It is
      degenerate: its global maximum is z_i all equal, and an identity mask gives no gradient.
    """
    if z.ndim != 2 or mask.shape != (len(z), len(z)):
        raise ValueError(
            f"Mask has shape {tuple(mask.shape)} for embeddings {tuple(z.shape)}; expected "
            "embeddings (rows, width) and a mask (rows, rows)."
        )
    weights = mask.to(z.dtype).clamp_min(0.0)
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    if variant == "all_pairs":
        weights = weights.masked_fill(itself, 0.0)
    rows = weights.sum(dim=1) > 0
    if not rows.any():
        return z.sum() * 0.0
    weights, similarity = weights[rows], (z @ z.T)[rows] / temperature
    if variant == "all_pairs":
        denominator = similarity.masked_fill(itself[rows], -torch.inf)
    elif variant == "printed":
        denominator = similarity + weights.log()
    else:
        raise ValueError(f"Unknown variant {variant!r}; choose all_pairs or printed.")
    log_likelihood = similarity - denominator.logsumexp(dim=1, keepdim=True)
    return ((weights * log_likelihood).sum(dim=1) / weights.sum(dim=1)).mean()


def quality_mask(q: Tensor, kind: QualityMaskKind = "soft", threshold: float = 0.25) -> Tensor:
    """Return the mask m^q (B, B) in [0, 1] of quality scores ``q`` (B,) mapped to [0, 1].

    ``soft`` is max(0, 1 - |q_i - q_j|) (PADAM §4.2); ``hard`` is 1 where |q_i - q_j| ≤
    ``threshold``, as RankDVQA masks. A clip without a score (NaN) takes part in no pair.
    """
    difference = (q[:, None] - q[None, :]).abs()
    if kind == "soft":
        mask = (1.0 - difference).clamp_min(0.0)
    elif kind == "hard":
        mask = (difference <= threshold).to(q.dtype)
    else:
        raise ValueError(f"Unknown quality mask {kind!r}; choose soft or hard.")
    return torch.where(difference.isnan(), torch.zeros_like(mask), mask)


def label_mask(labels: Tensor) -> Tensor:
    """Return the mask (B, B) that is 1 where two clips have the same set of defects, else 0.

    ``labels`` (B, L) holds 0 and 1; clean clips attract each other. It takes the place of m^q
    where clips have no quality score.
    """
    return (labels[:, None] == labels[None, :]).all(dim=-1).float()


def content_mask(identity: Tensor, views: int = CONTENT_VIEWS) -> Tensor:
    """Return the mask m^c (views·B, views·B): 1 where two rows share their identity.

    ``identity`` (B,) holds an integer per clip, that of its source clip (so that a clean and a
    degraded version attract) or of the clip itself; rows are ordered as `content_views` returns.
    """
    rows = identity.repeat(views)
    return (rows[:, None] == rows[None, :]).float()


def degradation_contrast(z: Tensor, degradation: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE with the rows of the same degradation as positives, to be minimised.

    ``z`` (N, D) is L2-normalised here; ``degradation`` (N,) numbers what was laid over each row.
    All other rows are negatives, the same content under another degradation among them. Rows
    without a positive are left out; the value is log(N - 1) where one positive each is not learned.
    """
    mask = (degradation[:, None] == degradation[None, :]).float()
    return -masked_contrastive(F.normalize(z, dim=1), mask, temperature)


def window_labels_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the binary cross-entropy of `logits` (B, W, 8), summed over the 8, mean of windows.

    `truth` (B, W, 7) says which defects are heard; the last logit is that of none.
    """
    target = torch.cat([truth, ~truth.any(2, keepdim=True)], dim=2).to(logits.dtype)
    loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return loss.sum(2).mean()
