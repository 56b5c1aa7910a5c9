"""How well metrics and q̂ agree with listeners: Table 1 of PADAM, and weights refitted to ratings.

All scores are oriented so that higher is better. Intervals are 95 % bootstrap intervals over
clips, BCa for a statistic and percentile for a difference, which goes with its p: they hold for
these listeners, and take clips for independent.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold

from padam.quality.fusion import FusionWeights, Normaliser, fuse
from padam.quality.registry import METRIC_NAMES

Array = npt.NDArray[np.float64]

FUSED = "q_hat"
STATISTICS = ("srocc", "lcc", "rmse")
CONFIDENCE = 0.95

_MIN_CLIPS = 3
# resamples of fewer clips are too often constant
_MIN_CLIPS_FOR_INTERVAL = 10
# the best single metric is sought among those that scored most clips
_MIN_SHARE_SCORED = 0.5


class BootstrapConfig(BaseModel):
    """Resamples of the clips, and the seed that draws them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    resamples: int = Field(2000, ge=100)
    seed: int = Field(0, ge=0)


class RefitConfig(BaseModel):
    """Whether to refit the weights of q̂, and the cross-validation that judges them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requested: bool = False
    folds: int = Field(5, ge=2)
    seed: int = Field(0, ge=0)


def agreement_table(
    scores: pd.DataFrame, mos: pd.Series, config: BootstrapConfig | None = None
) -> pd.DataFrame:
    """Table 1: SROCC, LCC and RMSE of each column of `scores` against `mos`, with 95 % intervals.

    scores: higher is better, by clip id; mos: by clip id. RMSE is what remains of the MOS, on its
    five-point scale, after the least-squares line through it. A clip that a metric could not score
    is left out of its row and counted in `unscored`. A metric with fewer than 3 clips, or without
    two different values, has NaN; under 10 clips, and where a metric agrees perfectly, there is no
    interval. Raises ValueError for fewer than 3 rated clips.
    """
    config = config or BootstrapConfig()
    if len(mos) < _MIN_CLIPS:
        raise ValueError(f"agreement needs at least {_MIN_CLIPS} rated clips, got {len(mos)}")
    rows = []
    for name in scores.columns:
        x, y = _paired(mos, scores[name])
        found = {"metric": name, "clips": len(x), "unscored": len(mos) - len(x)}
        varied = len(x) >= _MIN_CLIPS and np.ptp(x) > 0 and np.ptp(y) > 0
        values = agreement(x, y) if varied else np.full(len(STATISTICS), np.nan)
        low = high = np.full(len(STATISTICS), np.nan)
        if varied and len(x) >= _MIN_CLIPS_FOR_INTERVAL:
            low, high = _bootstrap(agreement, (x, y), config, "BCa").confidence_interval
        for number, statistic in enumerate(STATISTICS):
            found[statistic] = float(values[number])
            found[f"{statistic}_low"] = float(low[number])
            found[f"{statistic}_high"] = float(high[number])
        rows.append(found)
    return pd.DataFrame(rows)


def agreement(x: Array, y: Array, axis: int = -1) -> Array:
    """SROCC, LCC, and RMSE of the least-squares line from x to y, stacked on a first axis."""
    ranks = (stats.rankdata(values, axis=axis) for values in (x, y))
    srocc = stats.pearsonr(*ranks, axis=axis).statistic
    lcc = stats.pearsonr(x, y, axis=axis).statistic
    return np.stack([srocc, lcc, np.std(y, axis=axis) * np.sqrt(np.maximum(1 - lcc**2, 0))])


def compare_with_best_metric(
    table: pd.DataFrame,
    scores: pd.DataFrame,
    mos: pd.Series,
    config: BootstrapConfig | None = None,
) -> dict[str, Any] | None:
    """Test whether q̂ agrees better than the best single metric, on the clips both have scored.

    table: `agreement_table` of the same scores. The best metric has the highest SROCC among those
    that scored at least half of the clips; that it is chosen on the same clips favours it.
    Differences are q̂'s value minus the metric's, signs kept, since either is meant to grow with the
    ratings: of SROCC with a paired bootstrap, of LCC with the tests of Williams and of Meng et al.
    None where q̂ or every metric is missing or too few clips have both.
    """
    config = config or BootstrapConfig()
    srocc = table.set_index("metric")["srocc"]
    scored = table.set_index("metric")["clips"] >= _MIN_SHARE_SCORED * len(mos)
    singles = srocc[scored].drop(FUSED, errors="ignore").dropna()
    if singles.empty or np.isnan(srocc.get(FUSED, np.nan)):
        return None
    best = str(singles.idxmax())
    q_hat, metric, y = _paired(mos, scores[FUSED], scores[best])
    if len(y) < _MIN_CLIPS_FOR_INTERVAL or not all(np.ptp(v) > 0 for v in (q_hat, metric, y)):
        return None

    def difference(q: Array, m: Array, y: Array, axis: int = -1) -> Array:
        return agreement(q, y, axis)[0] - agreement(m, y, axis)[0]

    resampled = _bootstrap(difference, (q_hat, metric, y), config, "percentile")
    low, high = resampled.confidence_interval
    lcc_q, lcc_m = agreement(q_hat, y)[1], agreement(metric, y)[1]
    correlations = lcc_q, lcc_m, stats.pearsonr(q_hat, metric).statistic, len(y)
    williams_t, williams_p = williams_test(*correlations)
    meng_z, meng_p = meng_test(*correlations)
    return {
        "metric": best,
        "clips": len(y),
        "srocc_difference": float(difference(q_hat, metric, y)),
        "srocc_difference_low": float(low),
        "srocc_difference_high": float(high),
        "bootstrap_p": _two_sided(resampled.bootstrap_distribution),
        "lcc_difference": float(lcc_q - lcc_m),
        "williams_t": float(williams_t),
        "williams_p": float(williams_p),
        "meng_z": float(meng_z),
        "meng_p": float(meng_p),
    }


def williams_test(
    r1: npt.ArrayLike, r2: npt.ArrayLike, r12: npt.ArrayLike, n: int
) -> tuple[Array, Array]:
    """Williams' t (n - 3 degrees of freedom) of r1 = r2, and its two-sided p.

    r1, r2: correlations of two variables with a third, r12 that between the two, over n cases.
    Steiger, Psychological Bulletin 87 (1980), eq. 7.
    """
    r1, r2, r12 = (np.asarray(r, dtype=np.float64) for r in (r1, r2, r12))
    determinant = 1 - r1**2 - r2**2 - r12**2 + 2 * r1 * r2 * r12
    mean = (r1 + r2) / 2
    scale = 2 * determinant * (n - 1) / (n - 3) + mean**2 * (1 - r12) ** 3
    with np.errstate(invalid="ignore", divide="ignore"):
        t = (r1 - r2) * np.sqrt((n - 1) * (1 + r12) / scale)
    return t, 2 * stats.t.sf(np.abs(t), n - 3)


def meng_test(
    r1: npt.ArrayLike, r2: npt.ArrayLike, r12: npt.ArrayLike, n: int
) -> tuple[Array, Array]:
    """Z of Meng, Rosenthal and Rubin for r1 = r2, and its two-sided p; arguments as above.

    Psychological Bulletin 111 (1992), eqs. 1-3.
    """
    r1, r2, r12 = (np.asarray(r, dtype=np.float64) for r in (r1, r2, r12))
    square = (r1**2 + r2**2) / 2
    f = np.minimum((1 - r12) / (2 * (1 - square)), 1)
    h = (1 - f * square) / (1 - square)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (np.arctanh(r1) - np.arctanh(r2)) * np.sqrt((n - 3) / (2 * (1 - r12) * h))
    return z, 2 * stats.norm.sf(np.abs(z))


def refit_weights(standardised: pd.DataFrame, mos: pd.Series) -> FusionWeights:
    """Weights of q̂ that fit the ratings best: non-negative least squares on z-scores, sum 1.

    standardised: z-scores by clip id, higher is better; mos: by clip id. A metric that scored no
    rated clip gets 0; clips that another one could not score are left out. Raises ValueError for
    too few clips, and where no metric grows with the ratings.
    """
    z = standardised.reindex(mos.index).dropna(axis="columns", how="all").dropna()
    if len(z) < z.shape[1] + 2:
        raise ValueError(
            f"only {len(z)} rated clips have {', '.join(z.columns) or 'any score'}: too few to "
            "refit weights. Set agreement.refit.requested to false, or rate more clips."
        )
    found = LinearRegression(positive=True).fit(z.to_numpy(), mos[z.index].to_numpy()).coef_
    if not found.sum() > 0:
        raise ValueError(
            f"no weights can be refitted: over {len(z)} clips none of {', '.join(z.columns)} grows "
            "with the ratings. Set agreement.refit.requested to false."
        )
    weights = dict.fromkeys(METRIC_NAMES, 0.0) | dict(zip(z.columns, found, strict=True))
    return FusionWeights(**{name: float(w / found.sum()) for name, w in weights.items()})


def cross_validate_weights(
    scores: pd.DataFrame,
    mos: pd.Series,
    sources: pd.Series,
    normaliser: Normaliser,
    default: FusionWeights,
    refit: RefitConfig,
    bootstrap: BootstrapConfig | None = None,
) -> dict[str, Any]:
    """SROCC of q̂ on held-out clips with the default weights and with refitted ones.

    scores: raw metric scores by clip id; mos, sources: by clip id. No source is in two folds. The
    q̂ of all folds are pooled, and q̂ is fused as ever, so that a clip some metric could not score
    counts too. `better` says that the interval of the difference lies above 0. Raises ValueError
    for fewer sources than folds.
    """
    scores, sources = scores.reindex(mos.index), sources.reindex(mos.index)
    if sources.nunique() < refit.folds:
        raise ValueError(
            f"the rated clips are of {sources.nunique()} sources, which makes no {refit.folds} "
            "folds. Lower agreement.refit.folds, rate clips of more sources, or set "
            "agreement.refit.requested to false."
        )
    standardised = normaliser.standardise(scores)
    refitted = pd.Series(np.nan, index=mos.index)
    folds = GroupKFold(refit.folds, shuffle=True, random_state=refit.seed)
    for train, test in folds.split(scores, groups=sources):
        weights = refit_weights(standardised.iloc[train], mos.iloc[train])
        refitted.iloc[test] = fuse(scores.iloc[test], normaliser, weights)["q_hat"]
    q_default, q_refitted, y = _paired(mos, fuse(scores, normaliser, default)["q_hat"], refitted)

    def difference(refitted: Array, default: Array, y: Array, axis: int = -1) -> Array:
        return agreement(refitted, y, axis)[0] - agreement(default, y, axis)[0]

    low, high = _bootstrap(
        difference, (q_refitted, q_default, y), bootstrap or BootstrapConfig(), "percentile"
    ).confidence_interval
    return {
        "folds": refit.folds,
        "sources": int(sources.nunique()),
        "clips": len(y),
        "srocc_default": float(agreement(q_default, y)[0]),
        "srocc_refitted": float(agreement(q_refitted, y)[0]),
        "difference": float(difference(q_refitted, q_default, y)),
        "difference_low": float(low),
        "difference_high": float(high),
        "better": bool(low > 0),
    }


def _paired(mos: pd.Series, *scores: pd.Series) -> tuple[Array, ...]:
    """The scores and, last, the MOS of the rated clips that have them all."""
    table = pd.concat([*(each.reindex(mos.index) for each in scores), mos], axis=1).dropna()
    return tuple(table.to_numpy(dtype=np.float64).T)


def _bootstrap(
    statistic: Any, samples: tuple[Array, ...], config: BootstrapConfig, method: str
) -> Any:
    return stats.bootstrap(
        samples,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=config.resamples,
        confidence_level=CONFIDENCE,
        method=method,
        rng=np.random.default_rng(config.seed),
        batch=500,
    )


def _two_sided(differences: Array) -> float:
    """p of no difference: twice the share of resamples on the far side of 0."""
    below, above = (differences <= 0).sum(), (differences >= 0).sum()
    return float(min(1.0, 2 * (1 + min(below, above)) / (1 + len(differences))))
