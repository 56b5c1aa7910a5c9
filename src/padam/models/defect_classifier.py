"""Stage 3: the ν-SVM that calls a clip clean or defective, and the linear probe beside it."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.svm import NuSVC

from padam.models.binary_classifier import BinaryClassifier, ClassifierFileError, Floats

__all__ = ["ClassifierFileError", "DefectClassifier", "LinearProbe", "feasible_nu"]


class DefectClassifier(BinaryClassifier):
    """ν-SVM with an RBF kernel on standardised representations (PADAM §4.3).

    ``nu`` in (0, 1] bounds the share of margin errors from above and of support vectors from
    below; ``gamma`` > 0 is the kernel's coefficient, 1/width being the usual start.
    """

    kind = "nu_svm"

    def __init__(
        self,
        nu: float = 0.3,
        gamma: float = 1 / 512,
        *,
        balanced: bool = True,
        threshold: float = 0.5,
    ) -> None:
        super().__init__(balanced=balanced, threshold=threshold)
        if not 0.0 < nu <= 1.0:
            raise ValueError(f"nu is {nu}; it must lie in (0, 1].")
        if not (gamma > 0.0 and np.isfinite(gamma)):
            raise ValueError(f"gamma is {gamma}; it must be positive and finite.")
        self.nu, self.gamma = nu, gamma

    @property
    def parameters(self) -> dict[str, Any]:
        """``nu``, ``gamma`` and ``balanced``."""
        return {"nu": self.nu, "gamma": self.gamma, "balanced": self.balanced}

    def _estimator(self, labels: npt.NDArray[np.int64], weights: Floats) -> ClassifierMixin:
        bound = feasible_nu(labels, weights)
        if self.nu > bound:
            raise ValueError(
                f"nu is {self.nu:.4g}, but these labels allow at most {bound:.4g} "
                "(2·min(n₊, n₋)/n): lower nu, balance the weights, or add clips of the rarer class."
            )
        return NuSVC(nu=self.nu, gamma=self.gamma, kernel="rbf", cache_size=500)


class LinearProbe(BinaryClassifier):
    """Logistic regression on standardised features: the ablation rows of PADAM's Table 3."""

    kind = "linear_probe"

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

    def _estimator(self, labels: npt.NDArray[np.int64], weights: Floats) -> ClassifierMixin:
        return LogisticRegression(C=1.0 / self.regularisation, max_iter=1000)


def feasible_nu(y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return the largest ν that libsvm accepts: 2·min(n₊, n₋)/n, in weights where given."""
    labels = np.asarray(y).astype(bool)
    weights = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight)
    defective, total = float(weights[labels].sum()), float(weights.sum())
    return min(1.0, 2.0 * min(defective, total - defective) / total) if total > 0 else 0.0
