"""The ν-SVM's stand-in for more clips than it can be fitted on: Nyström map and linear SVM."""

import logging
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from padam.models.binary_classifier import BinaryClassifier, Floats
from padam.models.defect_classifier import (
    DefectClassifier,
    check_evidence,
    check_feasible,
    check_nu_and_gamma,
    fitted_scaler,
    joined_parameters,
)
from padam.models.estimator_folder import ClassifierFileError, read_description
from padam.models.row_subset import stratified_rows

logger = logging.getLogger(__name__)

CALIBRATION_ROWS: Final = 4000
LOG_C_RANGE: Final = (-4.0, 1.0)
NU_TOLERANCE: Final = 0.01


class NystroemClassifier(BinaryClassifier):
    """Linear SVM on a Nyström approximation of the RBF kernel; not the exact ν-SVM.

    Time and memory grow with the rows instead of their square. ``n_components`` (of the training
    rows, drawn by ``seed``) span the approximate kernel space; with all of them it is the ν-SVM's.
    C is chosen such that ν keeps its meaning (`nu_of`); where the components cannot reach a low
    ν, the nearest is taken and a warning logged.
    """

    kind = "nystroem"
    method = "Nyström approximation with a linear SVM, not the exact ν-SVM"

    def __init__(
        self,
        nu: float = 0.3,
        gamma: float = 1 / 512,
        *,
        n_components: int = 1000,
        seed: int = 0,
        balanced: bool = True,
        threshold: float = 0.5,
        evidence_columns: int = 0,
        r_weight: float = 1.0,
    ) -> None:
        super().__init__(balanced=balanced, threshold=threshold)
        check_nu_and_gamma(nu, gamma)
        check_evidence(evidence_columns, r_weight)
        if n_components < 1:
            raise ValueError(f"n_components is {n_components}; it must be at least 1.")
        self.nu, self.gamma = nu, gamma
        self.n_components, self.seed = n_components, seed
        self.evidence_columns, self.r_weight = evidence_columns, r_weight

    @property
    def parameters(self) -> dict[str, Any]:
        """What the constructor was given, as of `DefectClassifier`."""
        common = {
            "nu": self.nu,
            "gamma": self.gamma,
            "n_components": self.n_components,
            "seed": self.seed,
            "balanced": self.balanced,
        }
        return common | joined_parameters(self.evidence_columns, self.r_weight)

    def _fit_pipeline(
        self, rows: Floats, labels: npt.NDArray[np.int64], weights: Floats
    ) -> Pipeline:
        check_feasible(self.nu, labels, weights)
        kernel_map = make_pipeline(
            fitted_scaler(rows, self.evidence_columns, self.r_weight),
            Nystroem(
                gamma=self.gamma,
                n_components=min(self.n_components, len(rows)),
                random_state=self.seed,
            ),
        )
        mapped = kernel_map[-1].fit_transform(kernel_map[0].transform(rows))
        # A wide kernel (small γ) maps all rows close together, far from the origin: no range of C
        # would do for every γ. ν does not depend on place and size.
        centre = mapped.mean(axis=0)
        size = float(np.sqrt(np.square(mapped - centre).sum(axis=1).mean()))
        mapped = (mapped - centre) / size
        some = stratified_rows(labels, CALIBRATION_ROWS, self.seed)
        c = self._c_of_nu(mapped[some], labels[some], weights[some])
        # The loss is a sum over rows: its weight falls as they grow more.
        svm = self._svm(c * len(some) / len(rows))
        svm.fit(mapped, labels, sample_weight=weights)
        svm.coef_ /= size
        svm.intercept_ -= svm.coef_ @ centre
        return make_pipeline(*kernel_map, svm)

    def _c_of_nu(self, mapped: Floats, labels: npt.NDArray[np.int64], weights: Floats) -> float:
        """Halve the range of log C until the SVM has the wanted ν, which falls as C grows."""
        low, high = LOG_C_RANGE
        reached = np.nan
        while high - low > 0.02:
            c = 10 ** ((low + high) / 2)
            svm = self._svm(c).fit(mapped, labels, sample_weight=weights)
            reached = nu_of(svm, mapped, labels, weights)
            if abs(reached - self.nu) <= NU_TOLERANCE:
                return c
            low, high = (np.log10(c), high) if reached > self.nu else (low, np.log10(c))
        logger.warning(
            "The Nyström classifier has a ν of %.2f instead of %.2f: %d components reach no "
            "nearer. Raise n_components, or the ν that is searched.",
            reached,
            self.nu,
            mapped.shape[1],
        )
        return float(c)

    def _svm(self, c: float) -> LinearSVC:
        return LinearSVC(C=c, loss="hinge", dual=True, random_state=self.seed, max_iter=2000)


def nu_of(
    svm: LinearSVC, rows: Floats, labels: npt.NDArray[np.int64], weights: npt.NDArray[np.float64]
) -> float:
    """Return the ν with which a ν-SVM has the solution of this SVM with hinge loss.

    It is Σα / (C Σw) over the dual variables (Chang and Lin, Neural Computation 13(9), 2001),
    and strong duality gives Σα = ‖w‖² + C Σ w ξ. The intercept counts as a weight, as in liblinear.
    """
    sides = np.where(labels == 1, 1.0, -1.0)
    slack = np.maximum(0.0, 1.0 - sides * svm.decision_function(rows))
    norm = float(np.square(svm.coef_).sum() + np.square(svm.intercept_).sum())
    return (norm / svm.C + float(weights @ slack)) / float(weights.sum())


def load_classifier(path: str | Path) -> DefectClassifier | NystroemClassifier:
    """Read a folder that either classifier's `save` wrote; its ``kind`` says which.

    Raises ClassifierFileError where it is missing, altered, or of another kind.
    """
    kind = read_description(path)["kind"]
    classes: tuple[type[DefectClassifier] | type[NystroemClassifier], ...] = (
        DefectClassifier,
        NystroemClassifier,
    )
    for classifier in classes:
        if classifier.kind == kind:
            return classifier.load(path)
    raise ClassifierFileError(
        f"{path}: holds a {kind!r}, expected one of {[each.kind for each in classes]}"
    )
