"""Stage 3: the ν-SVM that calls a clip clean or defective, and the linear probe beside it."""

from typing import Any, get_args

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from padam.models.binary_classifier import BinaryClassifier, ClassifierFileError, Floats
from padam.models.nu_svc import Engine, fit_nu_svc, nu_svc_decisions

__all__ = [
    "ClassifierFileError",
    "DefectClassifier",
    "LinearProbe",
    "check_feasible",
    "check_nu_and_gamma",
    "feasible_nu",
    "fitted_scaler",
]


class DefectClassifier(BinaryClassifier):
    """ν-SVM with an RBF kernel on standardised representations (PADAM §4.3).

    ``nu`` in (0, 1] bounds the share of margin errors from above and of support vectors from
    below; ``gamma`` > 0 is the kernel's coefficient, 1/width being the usual start. ``engine``
    is the library that fits (`fit_nu_svc`); the fitted classifier needs scikit-learn only. The last
    ``evidence_columns`` of a row are native-rate evidence, beside which r counts ``r_weight``.
    """

    kind = "nu_svm"
    method = "ν-SVM with an RBF kernel"

    def __init__(
        self,
        nu: float = 0.3,
        gamma: float = 1 / 512,
        *,
        balanced: bool = True,
        threshold: float = 0.5,
        engine: Engine = "auto",
        evidence_columns: int = 0,
        r_weight: float = 1.0,
    ) -> None:
        super().__init__(balanced=balanced, threshold=threshold)
        check_nu_and_gamma(nu, gamma)
        check_evidence(evidence_columns, r_weight)
        if engine not in get_args(Engine):
            raise ValueError(f"engine is {engine!r}; it must be one of {get_args(Engine)}.")
        self.nu, self.gamma, self.engine = nu, gamma, engine
        self.evidence_columns, self.r_weight = evidence_columns, r_weight

    @property
    def parameters(self) -> dict[str, Any]:
        """``nu``, ``gamma``, ``balanced``, and the share of r where evidence is joined to it."""
        common = {"nu": self.nu, "gamma": self.gamma, "balanced": self.balanced}
        return common | joined_parameters(self.evidence_columns, self.r_weight)

    def _fit_pipeline(
        self, rows: Floats, labels: npt.NDArray[np.int64], weights: Floats
    ) -> Pipeline:
        check_feasible(self.nu, labels, weights)
        scaler = fitted_scaler(rows, self.evidence_columns, self.r_weight)
        svc, self.fitted_by = fit_nu_svc(
            scaler.transform(rows),
            labels,
            weights,
            nu=self.nu,
            gamma=self.gamma,
            engine=self.engine,
        )
        return make_pipeline(scaler, svc)

    def _decisions(self, pipeline: Pipeline, rows: Floats) -> Floats:
        return nu_svc_decisions(pipeline[-1], pipeline[:-1].transform(rows))


class LinearProbe(BinaryClassifier):
    """Logistic regression on standardised features: the ablation rows of PADAM's Table 3."""

    kind = "linear_probe"
    method = "logistic regression"

    def __init__(
        self, regularisation: float = 1.0, *, balanced: bool = True, threshold: float = 0.5
    ) -> None:
        super().__init__(balanced=balanced, threshold=threshold)
        if not (regularisation > 0.0 and np.isfinite(regularisation)):
            raise ValueError(f"regularisation is {regularisation}; it must be positive and finite.")
        self.regularisation = regularisation

    @property
    def parameters(self) -> dict[str, Any]:
        """``regularisation`` and ``balanced``."""
        return {"regularisation": self.regularisation, "balanced": self.balanced}

    def _fit_pipeline(
        self, rows: Floats, labels: npt.NDArray[np.int64], weights: Floats
    ) -> Pipeline:
        regression = LogisticRegression(C=1.0 / self.regularisation, max_iter=1000)
        pipeline = make_pipeline(StandardScaler(), regression)
        return pipeline.fit(rows, labels, logisticregression__sample_weight=weights)


def fitted_scaler(rows: Floats, evidence_columns: int, r_weight: float) -> StandardScaler:
    """Return the standardisation of rows (n, width), after which r is multiplied by ``r_weight``.

    It is that of r alone where no evidence is joined to it.
    """
    scaler = StandardScaler().fit(rows)
    if evidence_columns:
        scaler.scale_[: rows.shape[1] - evidence_columns] /= r_weight
    return scaler


def joined_parameters(evidence_columns: int, r_weight: float) -> dict[str, Any]:
    """Return what a classifier of r joined with evidence is described by beside the rest."""
    if not evidence_columns:
        return {}
    return {"evidence_columns": evidence_columns, "r_weight": r_weight}


def check_evidence(evidence_columns: int, r_weight: float) -> None:
    """Raise ValueError for a negative count, and a weight that is not positive and finite."""
    if evidence_columns < 0:
        raise ValueError(f"evidence_columns is {evidence_columns}; it must be 0 or more.")
    if not (r_weight > 0.0 and np.isfinite(r_weight)):
        raise ValueError(f"r_weight is {r_weight}; it must be positive and finite.")


def check_nu_and_gamma(nu: float, gamma: float) -> None:
    """Raise ValueError unless ν lies in (0, 1] and γ is positive and finite."""
    if not 0.0 < nu <= 1.0:
        raise ValueError(f"nu is {nu}; it must lie in (0, 1].")
    if not (gamma > 0.0 and np.isfinite(gamma)):
        raise ValueError(f"gamma is {gamma}; it must be positive and finite.")


def check_feasible(nu: float, labels: npt.ArrayLike, weights: npt.ArrayLike) -> None:
    """Raise ValueError where ν is above `feasible_nu`."""
    bound = feasible_nu(labels, weights)
    if nu > bound:
        raise ValueError(
            f"nu is {nu:.4g}, but these labels allow at most {bound:.4g} "
            "(2·min(n₊, n₋)/n): lower nu, balance the weights, or add clips of the rarer class."
        )


def feasible_nu(y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return the largest ν that libsvm accepts: 2·min(n₊, n₋)/n, in weights where given."""
    labels = np.asarray(y).astype(bool)
    weights = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight)
    defective, total = float(weights[labels].sum()), float(weights.sum())
    return min(1.0, 2.0 * min(defective, total - defective) / total) if total > 0 else 0.0
