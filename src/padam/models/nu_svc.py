"""ν-SVC with an RBF kernel, fitted by scikit-learn or scikit-learn-intelex, kept as the former."""

from importlib.metadata import version
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import NuSVC
from sklearn.utils import gen_batches

Floats = npt.NDArray[np.float64]
Engine = Literal["auto", "sklearn", "intelex"]

KERNEL_VALUES: Final = 2**22
"""Kernel values that are held at a time, 32 MiB."""
CHECKED_ROWS: Final = 200
TOLERANCE: Final = 1e-3
"""Where libsvm stops by default: the largest violation of the optimality conditions."""


def fit_nu_svc(
    rows: Floats,
    labels: npt.NDArray[np.int64],
    weights: Floats,
    *,
    nu: float,
    gamma: float,
    engine: Engine = "auto",
) -> tuple[NuSVC, str]:
    """Return a fitted scikit-learn NuSVC, and the library that fitted it with its version.

    ``engine`` `auto` is scikit-learn-intelex where it is installed. Both stop at the same
    tolerance (`stopping_tolerance`), so their decisions differ by it and no more. Raises
    ValueError where `intelex` is asked for and not installed, RuntimeError where its fit could not
    be taken over.
    """
    settings: dict[str, Any] = {"nu": nu, "gamma": gamma, "kernel": "rbf", "cache_size": 500}
    settings["tol"] = stopping_tolerance(rows, nu, gamma)
    accelerated = None if engine == "sklearn" else _intelex_nu_svc()
    if accelerated is not None:
        fitted = accelerated(**settings).fit(rows, labels, sample_weight=weights)
        library = f"scikit-learn-intelex {version('scikit-learn-intelex')}"
        return plain_nu_svc(fitted, settings, rows), library
    if engine == "intelex":
        raise ValueError(
            "engine is 'intelex', but scikit-learn-intelex cannot be imported: "
            "pip install 'padam[intelex]', or set engine to auto or sklearn."
        )
    plain = NuSVC(**settings).fit(rows, labels, sample_weight=weights)
    return plain, f"scikit-learn {sklearn.__version__}"


def stopping_tolerance(rows: Floats, nu: float, gamma: float) -> float:
    """Return the tolerance of a fit on ``rows`` (n, width): libsvm's, or less for wide kernels.

    A kernel that is wide beside the distances between rows is 1 minus little, and so is every
    gradient that libsvm compares with its tolerance: they differ by some ν·n/2·γ·E|x - y|². With
    a fixed tolerance such a fit would stop at its starting point. The least, a millionth of
    libsvm's, is what its kernel values in single precision allow.
    """
    squared_distance = 2.0 * float(rows.var(axis=0).sum())
    spread = 0.5 * nu * len(rows) * gamma * squared_distance
    return TOLERANCE * min(1.0, max(spread, 1e-6))


def plain_nu_svc(fitted: Any, settings: dict[str, Any], rows: Floats) -> NuSVC:
    """Return a scikit-learn NuSVC that decides as ``fitted``, a NuSVC of another library.

    Raises RuntimeError unless both decide alike on some of ``rows``.
    """
    # A fit on two rows lays out what scikit-learn's own prediction needs.
    template = np.stack([np.zeros(rows.shape[1]), np.ones(rows.shape[1])])
    plain = NuSVC(**settings).fit(template, [0, 1])
    plain.support_ = np.asarray(fitted.support_, dtype=np.int32)
    plain.support_vectors_ = np.array(fitted.support_vectors_, dtype=np.float64, order="C")
    plain.dual_coef_ = np.array(fitted.dual_coef_, dtype=np.float64, order="C")
    plain.intercept_ = np.array(fitted.intercept_, dtype=np.float64)
    # libsvm has the other sign than scikit-learn where there are two classes.
    plain._dual_coef_, plain._intercept_ = -plain.dual_coef_, -plain.intercept_
    plain._n_support = np.asarray(fitted.n_support_, dtype=np.int32)
    plain.shape_fit_ = rows.shape
    checked = rows[:: max(1, len(rows) // CHECKED_ROWS)]
    expected = fitted.decision_function(checked)
    difference = float(np.abs(plain.decision_function(checked) - expected).max())
    if not difference <= 1e-6 * float(np.abs(expected).max()):
        raise RuntimeError(
            f"The decisions of the ν-SVM change by {difference:.2g} when it is taken over from "
            f"{type(fitted).__module__}: set engine to sklearn."
        )
    return plain


def nu_svc_decisions(svc: NuSVC, rows: Floats) -> Floats:
    """Return the decision function of an RBF NuSVC, by matrix products instead of libsvm's loops.

    That is about ten times as fast at 512 dimensions.
    """
    decisions = np.empty(len(rows))
    for batch in gen_batches(len(rows), max(1, KERNEL_VALUES // len(svc.support_vectors_))):
        kernel = rbf_kernel(rows[batch], svc.support_vectors_, gamma=svc.gamma)
        decisions[batch] = kernel @ svc.dual_coef_[0] + svc.intercept_[0]
    return decisions


def _intelex_nu_svc() -> Any:
    try:
        from sklearnex.svm import NuSVC as IntelexNuSVC
    except ImportError:
        return None
    return IntelexNuSVC
