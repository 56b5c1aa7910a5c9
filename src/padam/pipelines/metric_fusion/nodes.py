"""From clip pairs to q̂, the fused quality that stands in for human labels."""

import logging
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from padam.audio.storage import Location
from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.shards import ClipShards
from padam.defects.clip_ids import check_same_clips
from padam.defects.registry import DEFECT_NAMES
from padam.defects.severity import severity_table
from padam.defects.shards import ClipPair, read_shard
from padam.quality.examples import ExamplesConfig, QualityExamples, choose_examples
from padam.quality.figures import (
    metric_correlation,
    quality_by_defect,
    quality_by_severity,
    severity_correlation,
)
from padam.quality.fusion import FusionWeights, Normaliser, RankMap, fuse
from padam.quality.json_values import without_nan
from padam.quality.registry import METRIC_NAMES
from padam.quality.scoring import NotAPairError, PairScorer, ScoringConfig

logger = logging.getLogger(__name__)


def score_clips(clips: ClipShards, scoring: ScoringConfig, compute: Compute) -> ShardJobs:
    """Return the work of scoring every clip pair with every metric, a shard at a time."""
    scoring = scoring.on_this_machine()
    scorer = PairScorer(scoring)
    jobs = {name: partial(score_shard, path, scorer) for name, path in clips.by_name.items()}
    work = fingerprint(scoring, clips.fingerprint())
    return ShardJobs(work, jobs, compute, label="clips scored")


def score_shard(path: Location, scorer: PairScorer) -> list[dict[str, Any]]:
    """Score the clip pairs of one shard; a score that is missing has a reason."""
    return [{"clip_id": clip.clip_id, **score_pair(clip, scorer)} for clip in read_shard(path)]


def score_pair(clip: ClipPair, scorer: PairScorer) -> dict[str, Any]:
    """Score one clip pair; what is no pair has no score, and says so."""
    try:
        return scorer.score(clip.reference, clip.degraded, clip.sample_rate)
    except NotAPairError as error:
        logger.warning("%s: %s", clip.clip_id, error)
        return scorer.unscored(str(error))


def fit_normaliser(
    scores: pd.DataFrame, manifest: pd.DataFrame, weights: FusionWeights
) -> dict[str, Any]:
    """Fit μ and σ of each metric, and the rank map of q̂, on the training clips."""
    check_same_clips({"metric_scores": scores["clip_id"], "clip_manifest": manifest["clip_id"]})
    train = manifest.loc[manifest["split"] == "train", "clip_id"]
    scores = scores[scores["clip_id"].isin(train)]
    normaliser = Normaliser.fit(scores)
    ranks = RankMap.fit(fuse(scores, normaliser, weights)["q_hat"])
    return {
        "normaliser": normaliser.model_dump(mode="json"),
        "rank_map": ranks.model_dump(mode="json"),
    }


def fuse_quality(
    scores: pd.DataFrame,
    manifest: pd.DataFrame,
    fitted: dict[str, Any],
    weights: FusionWeights,
) -> pd.DataFrame:
    """Return q̂ of every clip, as a weighted sum of z-scores and as a rank in [0, 1]."""
    check_same_clips({"metric_scores": scores["clip_id"], "clip_manifest": manifest["clip_id"]})
    fused = fuse(scores, Normaliser.model_validate(fitted["normaliser"]), weights)
    fused.insert(0, "clip_id", scores["clip_id"])
    fused["q_rank"] = RankMap.model_validate(fitted["rank_map"]).apply(fused["q_hat"])
    columns = ["clip_id", "split", "labels", *DEFECT_NAMES]
    return fused.merge(manifest[columns], on="clip_id", validate="1:1")


def choose_quality_examples(
    clips: ClipShards, scores: pd.DataFrame, fused: pd.DataFrame, config: ExamplesConfig
) -> QualityExamples:
    """Return a page of clips from the worst q̂ to the best."""
    check_same_clips({"metric_scores": scores["clip_id"], "fused_quality": fused["clip_id"]})
    return choose_examples(fused, scores, clips.select, config)


def summarise_fusion(
    scores: pd.DataFrame, fused: pd.DataFrame, manifest: pd.DataFrame
) -> tuple[dict[str, Any], Figure, Figure, Figure]:
    """Return the distribution of q̂, what could not be scored, and three figures."""
    check_same_clips({"fused_quality": fused["clip_id"], "clip_manifest": manifest["clip_id"]})
    severities = severity_table(manifest).merge(fused[["clip_id", "q_hat"]], on="clip_id")
    correlations = severity_correlation(severities)
    q_hat = fused["q_hat"]
    clean = fused["labels"] == ""
    metrics = [name for name in METRIC_NAMES if name in scores]
    summary = {
        "q_hat": {
            "mean": float(q_hat.mean()),
            "std": float(q_hat.std()),
            **{f"p{round(100 * p):02d}": float(q_hat.quantile(p)) for p in (0.05, 0.5, 0.95)},
            "clean_mean": float(q_hat[clean].mean()),
            "defective_mean": float(q_hat[~clean].mean()),
        },
        "by_defect": without_nan(
            {name: float(q_hat[fused[name] == 1].mean()) for name in DEFECT_NAMES}
        ),
        "severity_spearman": without_nan({name: correlations.get(name) for name in DEFECT_NAMES}),
        "mean": without_nan({name: float(scores[name].mean()) for name in metrics}),
        "clips": len(fused),
        "clips_without_q_hat": int(q_hat.isna().sum()),
        "unscored": {name: int(scores[name].isna().sum()) for name in metrics},
    }
    labels = [text.split(",") if text else [] for text in fused["labels"]]
    return (
        summary,
        quality_by_defect(q_hat, labels),
        quality_by_severity(severities),
        metric_correlation(scores),
    )
