import json
import logging
from pathlib import Path

import numpy as np
import pytest
from sklearn.svm import LinearSVC, NuSVC

from padam.models.decision_function import DecisionFunction, load_fitted, save_fitted
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from padam.models.estimator_folder import ClassifierFileError
from padam.models.nystroem_classifier import NystroemClassifier, load_classifier, nu_of
from tests.models.conftest import Rows


def overlapping(seed: int, rows: int = 300) -> Rows:
    rng = np.random.default_rng(seed)
    y = np.arange(rows) % 2
    return rng.normal(size=(rows, 5)) + 1.2 * y[:, None], y


@pytest.mark.parametrize(("nu", "gamma"), [(0.3, 0.1), (0.5, 0.1), (0.5, 1e-4), (0.5, 1.0)])
def test_with_every_row_a_component_it_is_the_nu_svm(nu: float, gamma: float) -> None:
    rows, y = overlapping(seed=0)
    unseen, _ = overlapping(seed=1)
    exact = DefectClassifier(nu, gamma).fit(rows, y)
    approximate = NystroemClassifier(nu, gamma, n_components=300).fit(rows, y)
    expected, found = (each.decision_function(unseen) for each in (exact, approximate))
    assert np.corrcoef(found, expected)[0, 1] > 0.995
    np.testing.assert_array_equal(
        (found > 0)[np.abs(expected) > 0.1], (expected > 0)[np.abs(expected) > 0.1]
    )
    assert np.std(found) == pytest.approx(np.std(expected), rel=0.1)


def test_nu_of_a_linear_svm_is_that_of_the_nu_svm_with_its_solution() -> None:
    half = np.random.default_rng(0).normal(size=(150, 5)) + 0.6
    # Mirrored clips need no intercept, which liblinear punishes and libsvm does not.
    rows, y = np.r_[half, -half], np.repeat([1, 0], 150)
    for c in (0.01, 0.1, 1.0):
        svm = LinearSVC(C=c, loss="hinge", max_iter=100_000, tol=1e-8).fit(rows, y)
        nu = nu_of(svm, rows, y, np.ones(300))
        twin = NuSVC(nu=nu, kernel="linear", tol=1e-8).fit(rows, y)
        expected = twin.decision_function(rows)
        np.testing.assert_allclose(svm.decision_function(rows), expected, atol=1e-3)


def test_separates_what_no_plane_can(separable: Rows, held_out: Rows) -> None:
    classifier = NystroemClassifier(0.1, 0.3, n_components=40).fit(*separable)
    assert (classifier.predict(held_out[0]) == held_out[1]).mean() > 0.98


def test_rows_beyond_the_calibration_keep_the_meaning_of_nu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, y = overlapping(seed=0, rows=1200)
    everything = NystroemClassifier(0.5, 0.1, n_components=100).fit(rows, y)
    monkeypatch.setattr("padam.models.nystroem_classifier.CALIBRATION_ROWS", 300)
    some = NystroemClassifier(0.5, 0.1, n_components=100).fit(rows, y)
    expected, found = (each.decision_function(rows) for each in (everything, some))
    assert ((found > 0) == (expected > 0)).mean() > 0.97
    assert np.std(found) == pytest.approx(np.std(expected), rel=0.15)


def test_nu_that_few_components_cannot_reach_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        NystroemClassifier(0.05, 0.01, n_components=2).fit(*overlapping(seed=0))
    assert "instead of 0.05: 2 components reach no nearer" in caplog.text


def test_nobody_takes_it_for_the_exact_svm(separable: Rows, tmp_path: Path) -> None:
    NystroemClassifier(0.2, 0.3, n_components=40).fit(*separable).save(tmp_path)
    description = json.loads((tmp_path / "classifier.json").read_text())
    assert description["kind"] == "nystroem"
    assert "not the exact ν-SVM" in description["method"]
    with pytest.raises(ClassifierFileError, match="holds a 'nystroem', expected 'nu_svm'"):
        DefectClassifier.load(tmp_path)


def test_either_kind_is_loaded_as_itself(separable: Rows, held_out: Rows, tmp_path: Path) -> None:
    for saved in (DefectClassifier(0.2, 0.3), NystroemClassifier(0.2, 0.3, n_components=40)):
        folder = tmp_path / saved.kind
        saved.fit(*separable).save(folder)
        loaded = load_classifier(folder)
        assert type(loaded) is type(saved)
        np.testing.assert_array_equal(loaded.score(held_out[0]), saved.score(held_out[0]))
    LinearProbe().fit(*separable).save(tmp_path / "probe")
    with pytest.raises(ClassifierFileError, match="holds a 'linear_probe'"):
        load_classifier(tmp_path / "probe")
    (tmp_path / "probe" / "classifier.json").write_text("[]")
    with pytest.raises(ClassifierFileError, match="says no kind"):
        load_classifier(tmp_path / "probe")


def test_packaged_as_numbers_it_scores_alike_and_keeps_its_name(
    separable: Rows, held_out: Rows, tmp_path: Path
) -> None:
    classifier = NystroemClassifier(0.2, 0.3, n_components=40).fit(*separable)
    save_fitted(classifier, tmp_path)
    packaged = load_fitted(tmp_path)
    assert isinstance(packaged, DecisionFunction)
    assert packaged.kind == "nystroem"
    np.testing.assert_allclose(
        packaged.score(held_out[0]), classifier.score(held_out[0]), atol=1e-9
    )


@pytest.mark.parametrize("bad", [{"n_components": 0}, {"nu": 0.0}, {"gamma": np.inf}])
def test_bad_parameters_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        NystroemClassifier(**bad)


def test_infeasible_nu_is_refused() -> None:
    rows, y = overlapping(seed=0)
    y[:290] = 0
    with pytest.raises(ValueError, match=r"allow at most"):
        NystroemClassifier(0.5, 0.1, balanced=False).fit(rows, y)
