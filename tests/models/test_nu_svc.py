import importlib.metadata
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.svm import NuSVC

from padam.models.defect_classifier import DefectClassifier
from padam.models.nu_svc import (
    KERNEL_VALUES,
    TOLERANCE,
    fit_nu_svc,
    nu_svc_decisions,
    plain_nu_svc,
    stopping_tolerance,
)
from tests.models.conftest import Rows

SETTINGS = {"nu": 0.2, "gamma": 0.3, "kernel": "rbf"}


def test_decisions_are_libsvms_in_one_batch_and_in_many(
    separable: Rows, held_out: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    svc = NuSVC(**SETTINGS).fit(*separable)
    expected = svc.decision_function(held_out[0])
    assert len(held_out[0]) * len(svc.support_vectors_) < KERNEL_VALUES
    np.testing.assert_allclose(nu_svc_decisions(svc, held_out[0]), expected, atol=1e-12)
    monkeypatch.setattr("padam.models.nu_svc.KERNEL_VALUES", 7 * len(svc.support_vectors_))
    np.testing.assert_allclose(nu_svc_decisions(svc, held_out[0]), expected, atol=1e-12)


def test_fit_that_was_taken_over_decides_alike(separable: Rows, held_out: Rows) -> None:
    weights = np.random.default_rng(0).uniform(0.5, 1.5, 120)
    fitted = NuSVC(**SETTINGS).fit(*separable, sample_weight=weights)
    plain = plain_nu_svc(fitted, SETTINGS, separable[0])
    np.testing.assert_array_equal(
        plain.decision_function(held_out[0]), fitted.decision_function(held_out[0])
    )
    np.testing.assert_array_equal(plain.predict(held_out[0]), fitted.predict(held_out[0]))


class Inconsistent(NuSVC):
    """Decides otherwise than its own coefficients say, as another version of a library might."""

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return super().decision_function(X) + 0.01


def test_fit_that_changes_when_taken_over_is_refused(separable: Rows) -> None:
    fitted = Inconsistent(**SETTINGS).fit(*separable)
    with pytest.raises(RuntimeError, match=r"change by 0\.01.*set engine to sklearn"):
        plain_nu_svc(fitted, SETTINGS, separable[0])


def test_engine_that_is_not_installed_is_named(
    separable: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearnex.svm", None)
    with pytest.raises(ValueError, match=r"pip install 'padam\[intelex\]'"):
        DefectClassifier(engine="intelex").fit(*separable)
    automatic = DefectClassifier(nu=0.2, gamma=0.3).fit(*separable)
    assert automatic.fitted_by == f"scikit-learn {importlib.metadata.version('scikit-learn')}"


LOADED = """
import sys
sys.modules["sklearnex"] = None
import numpy as np
from padam.models.defect_classifier import DefectClassifier
classifier = DefectClassifier.load(sys.argv[1])
np.save(sys.argv[3], classifier.decision_function(np.load(sys.argv[2])))
print(classifier.fitted_by)
"""


def test_intelex_decides_as_sklearn_and_is_not_needed_to_load(
    separable: Rows, held_out: Rows, tmp_path: Path
) -> None:
    pytest.importorskip("sklearnex")
    exact, fast = (
        DefectClassifier(nu=0.2, gamma=0.3, engine=engine).fit(*separable)
        for engine in ("sklearn", "intelex")
    )
    expected = exact.decision_function(held_out[0])
    found = fast.decision_function(held_out[0])
    # Both stop at a violation of 1e-3 of the optimality conditions.
    np.testing.assert_allclose(found, expected, atol=5e-3 * np.abs(expected).max())
    np.testing.assert_array_equal(fast.predict(held_out[0]), exact.predict(held_out[0]))

    fast.save(tmp_path / "model")
    np.save(tmp_path / "rows.npy", held_out[0])
    files = [str(tmp_path / name) for name in ("model", "rows.npy", "found.npy")]
    answer = subprocess.run(
        [sys.executable, "-c", LOADED, *files],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.startswith("scikit-learn-intelex")
    np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), found)


def test_weights_reach_the_fit(separable: Rows) -> None:
    rows, y = separable
    weights = np.r_[np.full(60, 0.2), np.full(60, 1.8)]
    weighted, _ = fit_nu_svc(rows, y, weights, nu=0.2, gamma=0.3, engine="sklearn")
    plain, library = fit_nu_svc(rows, y, np.ones(120), nu=0.2, gamma=0.3, engine="sklearn")
    assert library.startswith("scikit-learn ")
    assert np.abs(nu_svc_decisions(weighted, rows) - nu_svc_decisions(plain, rows)).max() > 0.01


def test_wide_kernel_orders_rows_as_the_linear_one() -> None:
    rng = np.random.default_rng(2026)
    y = np.arange(200) % 2
    rows = rng.normal(size=(200, 6)) + y[:, None] * rng.normal(size=6)
    linear = NuSVC(nu=0.6, kernel="linear", tol=1e-6).fit(rows, y).decision_function(rows)
    ours, _ = fit_nu_svc(rows, y, np.ones(200), nu=0.6, gamma=1e-7, engine="sklearn")
    stopped_early = NuSVC(nu=0.6, gamma=1e-7).fit(rows, y)
    assert spearmanr(ours.decision_function(rows), linear).statistic > 0.9999
    assert spearmanr(stopped_early.decision_function(rows), linear).statistic < 0.999


def test_tolerance_is_libsvms_but_for_wide_kernels() -> None:
    rows = np.random.default_rng(0).normal(size=(1000, 8))
    rows /= rows.std(axis=0)
    assert stopping_tolerance(rows, nu=0.5, gamma=0.1) == TOLERANCE
    # 0.5 · 0.5 · 1000 · 1e-5 · 16 = 0.04
    assert stopping_tolerance(rows, nu=0.5, gamma=1e-5) == pytest.approx(0.04 * TOLERANCE)
    assert stopping_tolerance(np.ones((10, 8)), nu=0.5, gamma=0.1) == pytest.approx(1e-9)
