"""From clip pairs to q̂, the fused quality that stands in for human labels."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.shards import ClipShards
from padam.defects.registry import DEFECT_NAMES
from padam.defects.shards import read_shard
from padam.quality.figures import plot_fused_quality
from padam.quality.fusion import FusionConfig, Normaliser, RankMap, fuse
from padam.quality.scoring import PairScorer, ScoringConfig


def score_clips(clips: ClipShards, scoring: ScoringConfig, compute: Compute) -> ShardJobs:
    """Return the work of scoring every clip pair with every metric, a shard at a time."""
    jobs = {path.stem: partial(score_shard, path, scoring) for path in clips.paths}
    return ShardJobs(
        fingerprint=fingerprint(scoring, clips.fingerprint()),
        jobs=jobs,
        compute=compute,
        label="metrics",
    )


def score_shard(path: Path, scoring: ScoringConfig) -> list[dict[str, Any]]:
    """Score the clip pairs of one shard; a score that is missing has a reason."""
    scorer = PairScorer(scoring)
    return [
        {"clip_id": clip.clip_id}
        | scorer.score(clip.reference, clip.degraded, clip.sample_rate)
        for clip in read_shard(path)
    ]


def fit_normaliser(
    scores: pd.DataFrame, manifest: pd.DataFrame, fusion: FusionConfig
) -> dict[str, Any]:
    """Fit μ and σ of each metric, and the rank map of q̂, on the training clips."""
    train = scores.merge(manifest[["clip_id", "split"]], on="clip_id", validate="1:1")
    train = train[train["split"] == "train"]
    normaliser = Normaliser.fit(train, fusion)
    q_hat = fuse(train, normaliser, fusion)["q_hat"]
    return {
        "normaliser": normaliser.model_dump(mode="json"),
        "rank_map": RankMap.fit(q_hat).model_dump(mode="json"),
    }


def fuse_quality(
    scores: pd.DataFrame, manifest: pd.DataFrame, fitted: dict[str, Any], fusion: FusionConfig
) -> pd.DataFrame:
    """Return q̂ of every clip, as a weighted sum of z-scores and as a rank in [0, 1]."""
    fused = fuse(scores, Normaliser.model_validate(fitted["normaliser"]), fusion)
    fused["q_rank"] = RankMap.model_validate(fitted["rank_map"]).apply(fused["q_hat"])
    columns = ["clip_id", "split", "labels", *DEFECT_NAMES]
    return fused.merge(manifest[columns], on="clip_id", validate="1:1")


def summarise_fusion(
    scores: pd.DataFrame, fused: pd.DataFrame, fusion: FusionConfig
) -> tuple[dict[str, Any], Figure]:
    """Return the distribution of q̂, what could not be scored, and a figure."""
    q_hat = fused["q_hat"]
    clean = fused["labels"] == ""
    summary = {
        "q_hat": {
            "mean": float(q_hat.mean()),
            "std": float(q_hat.std()),
            **{f"p{int(100 * p):02d}": float(q_hat.quantile(p)) for p in (0.05, 0.5, 0.95)},
            "clean_mean": float(q_hat[clean].mean()),
            "defective_mean": float(q_hat[~clean].mean()),
        },
        "by_defect": {name: float(q_hat[fused[name] == 1].mean()) for name in DEFECT_NAMES},
        "mean": {name: float(scores[name].mean()) for name in fusion.metrics},
        "unscored": {name: int(scores[name].isna().sum()) for name in fusion.metrics},
    }
    return summary, plot_fused_quality(fused, scores)
