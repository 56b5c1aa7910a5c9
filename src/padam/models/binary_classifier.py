"""What every clean-or-defective classifier does: fit, score, threshold, save and load."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.pipeline import Pipeline

from padam.models.estimator_folder import ClassifierFileError, read_estimator, write_estimator

__all__ = [
    "BinaryClassifier",
    "ClassifierFileError",
    "Floats",
    "check_labels",
    "check_representations",
    "training_weights",
]

Floats = npt.NDArray[np.float64]


class BinaryClassifier(ABC):
    """Clean (0) against defective (1) on clip representations r, with the score of PADAM §4.3.

    The score is s = 1/(1 + exp(-d/σ)), d the decision function and σ the root mean square of d
    over the training set; a clip is defective where s ≥ ``threshold``.
    """

    kind: ClassVar[str]
    method: ClassVar[str]
    """What it is, in words: stored beside the model and shown to its users."""

    def __init__(self, *, balanced: bool, threshold: float) -> None:
        if not 0.0 < threshold < 1.0:
            raise ValueError(f"threshold is {threshold}; it must lie between 0 and 1.")
        self.balanced = balanced
        self.threshold = threshold
        self.sigma: float | None = None
        self.training_rows = 0
        self.fitted_by: str | None = None
        """The library that fitted it, with its version."""
        self._pipeline: Pipeline | None = None

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Any]:
        """What the constructor was given, without ``threshold``."""

    @abstractmethod
    def _fit_pipeline(
        self, rows: Floats, labels: npt.NDArray[np.int64], weights: Floats
    ) -> Pipeline:
        """Return a fitted pipeline of scikit-learn; ValueError where the labels forbid it.

        Sets ``fitted_by`` where another library did the fit.
        """

    def _decisions(self, pipeline: Pipeline, rows: Floats) -> Floats:
        decisions: Floats = pipeline.decision_function(rows)
        return decisions

    def fit(
        self,
        r: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """Fit on representations r (n, width) and labels y (n,), 1 = defective.

        ``balanced`` multiplies the weights so that both classes weigh the same. Raises
        ValueError for values that are not finite, other labels, one class only, or (ν-SVM) a ν
        that these labels do not allow.
        """
        rows = check_representations(r)
        labels = check_labels(y, len(rows))
        if np.ptp(rows, axis=0).max() == 0.0:
            raise ValueError(
                f"All {len(rows)} representations are equal: the quality head has collapsed."
            )
        weights = training_weights(labels, sample_weight, balanced=self.balanced)
        self.fitted_by = f"scikit-learn {sklearn.__version__}"
        pipeline = self._fit_pipeline(rows, labels, weights)
        decisions = self._decisions(pipeline, rows)
        sigma = float(np.sqrt(np.mean(np.square(decisions))))
        if not (np.isfinite(sigma) and sigma > 0.0):
            raise ValueError(f"The RMS of the decision function is {sigma}: nothing was learned.")
        self._pipeline, self.sigma, self.training_rows = pipeline, sigma, len(rows)
        return self

    def decision_function(self, r: npt.ArrayLike) -> Floats:
        """Return d (n,), positive on the defective side, for representations r (n, width)."""
        pipeline, _ = self._fitted()
        rows = check_representations(r, width=int(pipeline.n_features_in_))
        return self._decisions(pipeline, rows)

    def score(self, r: npt.ArrayLike) -> Floats:
        """Return s (n,) in (0, 1), 1 = surely defective, for representations r (n, width)."""
        _, sigma = self._fitted()
        # tanh is the logistic function without its overflow.
        return 0.5 * (1.0 + np.tanh(0.5 * self.decision_function(r) / sigma))

    def predict(self, r: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return 1 (defective) where the score reaches ``threshold``, else 0."""
        return (self.score(r) >= self.threshold).astype(np.int64)

    @property
    def pipeline(self) -> Pipeline:
        """The fitted standardisation and estimator; RuntimeError before `fit`."""
        return self._fitted()[0]

    def save(self, path: str | Path) -> None:
        """Write the folder ``path``: the estimator as skops (no pickle), the rest as JSON."""
        pipeline, sigma = self._fitted()
        description = {
            "kind": self.kind,
            "method": self.method,
            "parameters": self.parameters,
            "sigma": sigma,
            "threshold": self.threshold,
            "training_rows": self.training_rows,
            "fitted_by": self.fitted_by,
        }
        write_estimator(path, pipeline, description)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a folder written by `save`.

        Raises ClassifierFileError where it is missing, altered, or of another kind.
        """
        description, pipeline = read_estimator(path, cls.kind)
        try:
            classifier = cls(**description["parameters"], threshold=description["threshold"])
            classifier.sigma = float(description["sigma"])
            classifier.training_rows = int(description["training_rows"])
        except (KeyError, TypeError, ValueError) as error:
            raise ClassifierFileError(f"{path}: unusable classifier ({error})") from error
        classifier.fitted_by = description.get("fitted_by")
        classifier._pipeline = pipeline
        return classifier

    def _fitted(self) -> tuple[Pipeline, float]:
        if self._pipeline is None or self.sigma is None:
            raise RuntimeError(f"This {type(self).__name__} is not fitted: call fit or load first.")
        return self._pipeline, self.sigma


def training_weights(
    y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None, *, balanced: bool
) -> Floats:
    """Return a weight per row, scaled to a mean of 1, with equal class totals if ``balanced``."""
    labels = np.asarray(y).astype(bool)
    weights = np.ones(len(labels)) if sample_weight is None else np.array(sample_weight, float)
    if weights.shape != labels.shape or not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(
            f"sample_weight has shape {weights.shape} for {len(labels)} rows; expected one finite "
            "weight ≥ 0 per row."
        )
    if balanced:
        for side in (labels, ~labels):
            weights[side] /= max(weights[side].sum(), np.finfo(float).tiny)
    return weights / max(weights.mean(), np.finfo(float).tiny)


def check_representations(r: npt.ArrayLike, width: int | None = None) -> Floats:
    """Return r as (n, width) float64; ValueError where shape, width or a value is wrong."""
    rows = np.asarray(r, dtype=np.float64)
    if rows.ndim != 2 or (width is not None and rows.shape[1] != width):
        raise ValueError(
            f"Representations have shape {rows.shape}; expected (rows, {width or 'width'}): were "
            "they made by another quality head?"
        )
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        raise ValueError(
            f"{int(bad.sum())} of {len(rows)} representations are not finite, the first at row "
            f"{int(bad.argmax())}: leave these clips out or embed them again."
        )
    return rows


def check_labels(y: npt.ArrayLike, rows: int) -> npt.NDArray[np.int64]:
    """Return labels as (rows,) of 0 and 1, both present; ValueError otherwise."""
    labels = np.asarray(y)
    if labels.shape != (rows,) or not np.isin(labels, (0, 1)).all():
        raise ValueError(
            f"Labels have shape {labels.shape} for {rows} rows and must be 0 (clean) or 1 "
            "(defective)."
        )
    labels = labels.astype(np.int64)
    if len(np.unique(labels)) < 2:
        present = "no clips" if rows == 0 else ("clean", "defective")[labels[0]] + " clips only"
        raise ValueError(f"The classifier needs clean and defective clips; it got {present}.")
    return labels
