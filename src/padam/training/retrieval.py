"""How well one modality finds the other."""

import math

import torch
from torch import Tensor
from torch.nn import functional


def retrieval_metrics(
    audio: Tensor,
    video: Tensor,
    directions: tuple[str, str] = ("audio_to_video", "video_to_audio"),
) -> dict[str, float]:
    """Return R@1, R@5 and the median rank from audio to video and back, over N paired clips.

    Both are (N, D), row i of one belonging to row i of the other. Similarity is the cosine. Equal
    similarities share their mean rank, so that collapsed embeddings score as chance does.
    `directions` are the names' beginnings.
    """
    if audio.shape != video.shape or audio.ndim != 2 or len(audio) == 0:
        raise ValueError(
            f"Paired embeddings must be (N, D) with N ≥ 1, not {tuple(audio.shape)} and "
            f"{tuple(video.shape)}."
        )
    similarity = (
        functional.normalize(audio.double(), dim=1) @ functional.normalize(video.double(), dim=1).T
    )
    metrics = {}
    for direction, rows in zip(directions, (similarity, similarity.T), strict=True):
        ranks = _ranks(rows)
        metrics[f"{direction}_r1"] = float((ranks <= 1).double().mean())
        metrics[f"{direction}_r5"] = float((ranks <= 5).double().mean())
        metrics[f"{direction}_median_rank"] = float(ranks.quantile(0.5))
    return metrics


def _ranks(similarity: Tensor) -> Tensor:
    own = similarity.diagonal().unsqueeze(1)
    close = torch.isclose(similarity, own, rtol=0.0, atol=math.sqrt(torch.finfo(own.dtype).eps))
    better = ((similarity > own) & ~close).sum(1)
    equal = close.sum(1) - 1
    return 1.0 + better.double() + equal.double() / 2
