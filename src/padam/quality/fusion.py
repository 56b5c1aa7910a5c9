"""q̂, the fused quality score: a weighted sum of standardised metrics (PADAM §3.2)."""

from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from padam.quality.registry import METRIC_NAMES, higher_is_better

# enough for ranks to a tenth of a percent, and small in a JSON file whatever the training set
_MAX_QUANTILES = 1001


class FusionWeights(BaseModel):
    """Weight of each metric in q̂; the defaults are the paper's, and 0 for a metric it has not."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[float, Field(ge=0)]]

    cdpam: float = Field(0.40, ge=0)
    dnsmos: float = Field(0.23, ge=0)
    pesq: float = Field(0.19, ge=0)
    visqol: float = Field(0.18, ge=0)

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if unknown := sorted(set(self.__pydantic_extra__) - set(METRIC_NAMES)):
            raise ValueError(f"no metric {', '.join(unknown)}; known: {', '.join(METRIC_NAMES)}")
        if sum(self.by_metric().values()) <= 0:
            raise ValueError("all weights are 0; at least one metric must count")
        return self

    def by_metric(self) -> dict[str, float]:
        """Weight by metric name."""
        return {name: float(getattr(self, name, 0.0)) for name in METRIC_NAMES}


class Normaliser(BaseModel):
    """Mean and standard deviation of each metric over the training clips, frozen.

    Values are oriented first, so that higher is better: CDPAM is a distance and is negated.
    `left_out` names metrics that cannot be standardised, with the reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: dict[str, float]
    std: dict[str, float]
    left_out: dict[str, str] = {}

    @classmethod
    def fit(cls, scores: pd.DataFrame) -> "Normaliser":
        """Fit on the training clips' scores, one column per metric.

        A metric without two different values is left out. Raises ValueError where none remains.
        """
        oriented = orient(scores)
        mean, std, left_out = {}, {}, {}
        for name in oriented.columns:
            values = oriented[name].dropna().to_numpy()
            spread = float(np.std(values)) if len(values) else 0.0
            # rounding makes constant columns look as if they varied
            if len(values) and spread > 1e-9 * max(1.0, float(np.abs(values).max())):
                mean[name], std[name] = float(np.mean(values)), spread
            elif len(values):
                left_out[name] = f"{len(values)} training scores, all of them equal"
            else:
                left_out[name] = "no training clip has a score"
        if not mean:
            details = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
            raise ValueError(f"no metric to fuse among {len(scores)} training clips ({details})")
        return cls(mean=mean, std=std, left_out=left_out)

    def standardise(self, scores: pd.DataFrame) -> pd.DataFrame:
        """z-scores of the metrics that were fitted, higher is better; NaN stays NaN."""
        oriented = orient(scores)
        names = [name for name in oriented.columns if name in self.mean]
        return (oriented[names] - pd.Series(self.mean)[names]) / pd.Series(self.std)[names]


def orient(scores: pd.DataFrame) -> pd.DataFrame:
    """The metric columns of `scores`, as float, distances negated: higher is better."""
    names = [name for name in METRIC_NAMES if name in scores.columns]
    oriented = scores[names].astype(float)
    signs = pd.Series({name: 1.0 if higher_is_better(name) else -1.0 for name in names})
    return oriented.replace([np.inf, -np.inf], np.nan) * signs


def fuse(
    scores: pd.DataFrame, normaliser: Normaliser, weights: FusionWeights | None = None
) -> pd.DataFrame:
    """Fuse metric scores into q̂ = Σ w (x - μ)/σ, one row per clip; higher is better.

    Where metrics are missing the weights of the rest are scaled up to the full sum. Returns
    columns `q_hat`, `q_hat_reason` (why NaN, else None) and `metrics_answered`, index as given.
    """
    weights = weights or FusionWeights()
    standardised = normaliser.standardise(scores)
    by_metric = pd.Series(weights.by_metric())[list(standardised.columns)]
    counted = by_metric.index[by_metric > 0]
    z, w = standardised[counted], by_metric[counted]
    answered = z.notna()
    available = answered.mul(w, axis=1).sum(axis=1)
    q_hat = z.mul(w, axis=1).sum(axis=1) * w.sum() / available.where(available > 0)
    return pd.DataFrame(
        {
            "q_hat": q_hat,
            "q_hat_reason": q_hat.isna().map({True: "no metric answered", False: None}),
            "metrics_answered": answered.sum(axis=1),
        },
        index=scores.index,
    )


class RankMap(BaseModel):
    """Map of q̂ to its rank among the training clips, in [0, 1].

    A z-score sum has no bounds, but the soft mask 1 - |q̂ᵢ - q̂ⱼ| of stage 2 needs them (our
    reading of PADAM §4.2).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    quantiles: tuple[float, ...] = Field(min_length=2)

    @classmethod
    def fit(cls, q_hat: npt.ArrayLike) -> "RankMap":
        """Fit on the training clips' q̂; NaN is ignored. Raises ValueError under two values."""
        values = np.asarray(q_hat, dtype=np.float64)
        values = values[np.isfinite(values)]
        if len(values) < 2:
            raise ValueError(f"a rank needs at least 2 training clips with a q̂, got {len(values)}")
        steps = np.linspace(0, 1, min(len(values), _MAX_QUANTILES))
        return cls(quantiles=tuple(float(value) for value in np.quantile(values, steps)))

    def apply(self, q_hat: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Ranks in [0, 1], same shape; beyond the training range 0 or 1, NaN stays NaN."""
        values = np.asarray(q_hat, dtype=np.float64)
        # equal quantiles share the middle of their ranks
        knots, first, count = np.unique(
            np.array(self.quantiles), return_index=True, return_counts=True
        )
        ranks = (first + (count - 1) / 2) / (len(self.quantiles) - 1)
        return np.interp(values, knots, ranks, left=0.0, right=1.0)
