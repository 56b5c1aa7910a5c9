"""How well q̂ and its metrics agree with the listeners of a rated study."""

import logging
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from padam.datasets.ratings import RatingsFile
from padam.defects.clip_ids import check_same_clips
from padam.quality.agreement import (
    FUSED,
    BootstrapConfig,
    RefitConfig,
    agreement_table,
    compare_with_best_metric,
    cross_validate_weights,
    refit_weights,
)
from padam.quality.agreement_figure import agreement_figure
from padam.quality.fusion import FusionWeights, Normaliser, orient
from padam.quality.json_values import without_nan
from padam.quality.ratings import (
    ScreeningConfig,
    limits_of_study,
    mean_opinion_scores,
    read_ratings,
    screen_listeners,
)

logger = logging.getLogger(__name__)


def collect_opinions(
    ratings: RatingsFile, fused: pd.DataFrame, config: ScreeningConfig
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Return the MOS of each rated clip, every listener with the verdict, and the counts."""
    found = read_ratings(ratings.table, fused["clip_id"], str(ratings.path))
    screened = screen_listeners(found, config)
    opinions = mean_opinion_scores(found, screened)
    counts = {
        "clips": len(opinions),
        "listeners": len(screened),
        "listeners_kept": int(screened["kept"].sum()),
        "ratings": int(opinions["ratings"].sum()),
        "dropped": {
            **found.dropped,
            "screened": len(found.clips) - int(opinions["ratings"].sum()),
        },
        "limits": limits_of_study(screened, opinions),
    }
    return opinions, screened, counts


def measure_agreement(
    opinions: pd.DataFrame, scores: pd.DataFrame, fused: pd.DataFrame, config: BootstrapConfig
) -> tuple[pd.DataFrame, dict[str, Any], Figure]:
    """Return Table 1 of the paper, q̂ beside the best single metric, and the scatter plots."""
    check_same_clips({"metric_scores": scores["clip_id"], "fused_quality": fused["clip_id"]})
    mos = opinions.set_index("clip_id")["mos"]
    oriented = orient(scores.set_index("clip_id"))
    oriented[FUSED] = fused.set_index("clip_id")["q_hat"]
    table = agreement_table(oriented, mos, config)
    best = compare_with_best_metric(table, oriented, mos, config)
    return table, {"best_metric": best}, agreement_figure(table, oriented, mos)


def refit_fusion(
    opinions: pd.DataFrame,
    scores: pd.DataFrame,
    manifest: pd.DataFrame,
    fitted: dict[str, Any],
    weights: FusionWeights,
    config: RefitConfig,
    bootstrap: BootstrapConfig,
) -> dict[str, Any]:
    """Return weights refitted to the ratings, where requested, and how they do on held-out clips.

    They are not put to use: that is for ``metric_fusion.weights`` to say. Where the study allows no
    refit, `reason` says why.
    """
    in_use = weights.by_metric()
    if not config.requested:
        return {"requested": False, "weights_in_use": in_use}
    check_same_clips({"metric_scores": scores["clip_id"], "clip_manifest": manifest["clip_id"]})
    mos = opinions.set_index("clip_id")["mos"]
    raw, normaliser = scores.set_index("clip_id"), Normaliser.model_validate(fitted["normaliser"])
    sources = manifest.set_index("clip_id")["source"]
    found: dict[str, Any] = {"requested": True, "weights_in_use": in_use}
    try:
        refitted = refit_weights(normaliser.standardise(raw), mos)
        held_out = cross_validate_weights(raw, mos, sources, normaliser, weights, config, bootstrap)
    except ValueError as error:
        # the table of the study stands without it
        logger.warning("Weights are not refitted: %s", error)
        return found | {"reason": str(error)}
    return found | {"weights": refitted.by_metric(), "held_out": without_nan(held_out)}


def summarise_agreement(
    counts: dict[str, Any],
    table: pd.DataFrame,
    comparison: dict[str, Any],
    refitted: dict[str, Any],
) -> dict[str, Any]:
    """Return all of it as one document; what could not be estimated is null."""
    rows = table.set_index("metric").to_dict(orient="index")
    return {
        "study": counts,
        "table": {str(name): without_nan(row) for name, row in rows.items()},
        "best_metric": comparison["best_metric"] and without_nan(comparison["best_metric"]),
        "refit": refitted,
    }
