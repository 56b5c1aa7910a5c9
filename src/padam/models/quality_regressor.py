"""ν-SVR that predicts the fused quality q̂ of a clip from its representation r."""

from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy.stats import spearmanr
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import root_mean_squared_error
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import NuSVR

from padam.models.binary_classifier import Floats, check_representations
from padam.models.estimator_folder import ClassifierFileError, read_estimator, write_estimator


class QualityRegressorConfig(BaseModel):
    """Parameters of the regression."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nu: float = Field(0.5, gt=0, le=1, description="at most this share of clips off by more than ε")
    c: float = Field(1.0, gt=0, description="cost of an error; higher fits closer")
    gamma: float | None = Field(None, gt=0, description="of the kernel; None is 1/width")
    max_rows: int | None = Field(8000, ge=10, description="clips that are fitted; None is all")
    seed: int = Field(0, ge=0)


class QualityRegressor:
    """ν-SVR with an RBF kernel on standardised representations; its errors are in units of q̂."""

    kind = "nu_svr"
    method = "ν-SVR with an RBF kernel"

    def __init__(self, config: QualityRegressorConfig | None = None) -> None:
        self.config = config or QualityRegressorConfig()
        self.training_rows = 0
        self._pipeline: Pipeline | None = None

    def fit(self, r: npt.ArrayLike, q_hat: npt.ArrayLike) -> Self:
        """Fit on representations r (n, width) and their q̂ (n,), at most ``max_rows`` drawn ones.

        Raises ValueError for values that are not finite, another shape, fewer than two clips, or
        a q̂ that is the same for all.
        """
        rows, quality = _check(r, q_hat)
        if len(rows) < 2 or np.ptp(quality) == 0.0:
            raise ValueError(
                f"{len(rows)} clips whose q̂ takes {len(np.unique(quality))} values: nothing can be "
                "learned from that. Score clips of several defects and strengths."
            )
        kept = np.arange(len(rows))
        if self.config.max_rows is not None and len(rows) > self.config.max_rows:
            rng = np.random.default_rng(self.config.seed)
            kept = np.sort(rng.permutation(len(rows))[: self.config.max_rows])
        gamma = self.config.gamma or 1.0 / rows.shape[1]
        svr = NuSVR(nu=self.config.nu, C=self.config.c, gamma=gamma, cache_size=500)
        # C and ε are in units of the target.
        target = TransformedTargetRegressor(svr, transformer=StandardScaler())
        self._pipeline = make_pipeline(StandardScaler(), target).fit(rows[kept], quality[kept])
        self.training_rows = len(kept)
        return self

    def predict(self, r: npt.ArrayLike) -> Floats:
        """Return q̂ (n,) for representations r (n, width)."""
        pipeline = self._fitted()
        rows = check_representations(r, width=int(pipeline.n_features_in_))
        predicted: Floats = pipeline.predict(rows)
        return predicted

    def evaluate(self, r: npt.ArrayLike, q_hat: npt.ArrayLike) -> dict[str, float | None]:
        """Return ``spearman``, None where one side does not vary, and ``rmse`` in units of q̂."""
        rows, quality = _check(r, q_hat)
        predicted = self.predict(rows)
        varied = len(rows) > 1 and np.ptp(predicted) > 0 and np.ptp(quality) > 0
        return {
            "spearman": float(spearmanr(predicted, quality).statistic) if varied else None,
            "rmse": float(root_mean_squared_error(quality, predicted)),
        }

    def save(self, path: str | Path) -> None:
        """Write the folder ``path``: the estimator as skops (no pickle), the rest as JSON."""
        pipeline = self._fitted()
        description = {
            "kind": self.kind,
            "method": self.method,
            "parameters": self.config.model_dump(),
            "training_rows": self.training_rows,
        }
        write_estimator(path, pipeline, description)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a folder written by `save`.

        Raises ClassifierFileError where it is missing, altered, or of another kind.
        """
        description, pipeline = read_estimator(path, cls.kind)
        try:
            regressor = cls(QualityRegressorConfig.model_validate(description["parameters"]))
            regressor.training_rows = int(description["training_rows"])
        except (KeyError, TypeError, ValueError) as error:
            raise ClassifierFileError(f"{path}: unusable regressor ({error})") from error
        regressor._pipeline = pipeline
        return regressor

    def _fitted(self) -> Pipeline:
        if self._pipeline is None:
            raise RuntimeError("This QualityRegressor is not fitted: call fit or load first.")
        return self._pipeline


def _check(r: npt.ArrayLike, q_hat: npt.ArrayLike) -> tuple[Floats, Floats]:
    rows = check_representations(r)
    quality: Any = np.asarray(q_hat, dtype=np.float64)
    if quality.shape != (len(rows),):
        raise ValueError(f"q̂ has shape {quality.shape}; expected one value for {len(rows)} rows.")
    if len(rows) == 0:
        raise ValueError("There are no clips with a q̂: run `metric_fusion` first.")
    if not np.isfinite(quality).all():
        raise ValueError(
            f"{int((~np.isfinite(quality)).sum())} of {len(rows)} values of q̂ are not finite: "
            "leave out the clips that no metric scored."
        )
    return rows, quality
