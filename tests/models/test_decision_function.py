"""A classifier as numbers decides as scikit-learn's own does, and refuses what is none."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from padam.models.decision_function import DecisionFunction, load_fitted, save_fitted
from padam.models.defect_classifier import DefectClassifier, LinearProbe
from tests.models.conftest import Rows

STRETCH = np.array([1e3, 1e-3, 1, 1, 50, 1])


def stretched(rows: Rows) -> Rows:
    return rows[0] * STRETCH + 7.0, rows[1]


@pytest.fixture(params=[DefectClassifier, LinearProbe])
def classifier(request: pytest.FixtureRequest, separable: Rows) -> DefectClassifier | LinearProbe:
    return request.param().fit(*stretched(separable))


def test_it_decides_and_scores_as_the_classifier_does(
    classifier: DefectClassifier, held_out: Rows, tmp_path: Path
) -> None:
    save_fitted(classifier, tmp_path)
    loaded = load_fitted(tmp_path)
    assert isinstance(loaded, DecisionFunction)
    rows = stretched(held_out)[0]
    decisions = classifier.decision_function(rows)
    assert np.ptp(decisions) > 1e-3
    within = 1e-6 if isinstance(classifier, DefectClassifier) else 1e-12  # single precision
    np.testing.assert_allclose(loaded.decision_function(rows), decisions, rtol=1e-9, atol=within)
    np.testing.assert_allclose(loaded.score(rows), classifier.score(rows), atol=within)
    made = DecisionFunction.of(classifier)
    np.testing.assert_array_equal(loaded.score(rows), made.score(rows))
    assert (loaded.kind, loaded.training_rows) == (classifier.kind, classifier.training_rows)
    assert loaded.parameters == classifier.parameters


def test_many_rows_are_decided_as_one_by_one(separable: Rows) -> None:
    numbers = DecisionFunction.of(DefectClassifier().fit(*separable))
    rows = np.random.default_rng(0).normal(size=(600, 6))
    alone = np.concatenate([numbers.decision_function(row[None]) for row in rows])
    np.testing.assert_allclose(numbers.decision_function(rows), alone, rtol=1e-9, atol=1e-12)
    assert numbers.score(np.zeros((0, 6))).shape == (0,)


def test_a_linear_svm_after_a_nystroem_map_is_the_same(separable: Rows, held_out: Rows) -> None:
    classifier = LinearProbe().fit(*separable)
    kernel_map = Nystroem(gamma=0.3, n_components=20, random_state=0)
    classifier._pipeline = make_pipeline(StandardScaler(), kernel_map, LinearSVC()).fit(*separable)
    numbers = DecisionFunction.of(classifier)
    expected = classifier.decision_function(held_out[0])
    np.testing.assert_allclose(numbers.decision_function(held_out[0]), expected, rtol=1e-9)


def test_a_classifier_of_another_form_is_refused(separable: Rows, tmp_path: Path) -> None:
    classifier = LinearProbe().fit(*separable)
    pipeline = make_pipeline(StandardScaler(), PCA(2), LogisticRegression())
    classifier._pipeline = pipeline.fit(*separable)
    with pytest.raises(TypeError, match="PCA and LogisticRegression cannot be put into a model"):
        save_fitted(classifier, tmp_path)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.zeros((2, 5)), r"expected \(rows, 6\): were they made by another quality head"),
        (np.zeros(6), "expected"),
        (np.full((1, 6), np.nan), "not finite"),
    ],
)
def test_rows_that_it_cannot_judge_are_refused(
    separable: Rows, rows: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        DecisionFunction.of(LinearProbe().fit(*separable)).score(rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigma": 0.0}, "must be positive"),
        ({"gamma": -1.0}, "must be positive"),
        ({"gamma": None}, "points and gamma"),
        ({"intercept": float("inf")}, "not finite"),
        ({"intercept": "much"}, "unusable classifier"),
        ({"weights": [1]}, "unusable classifier"),
        ({"anything": 1}, "anything"),
    ],
)
def test_a_changed_description_is_refused(
    separable: Rows, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    save_fitted(DefectClassifier().fit(*separable), tmp_path)
    file = tmp_path / "decision.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        load_fitted(tmp_path)


def test_arrays_that_do_not_fit_or_are_cut_short_are_refused(
    separable: Rows, tmp_path: Path
) -> None:
    numbers = DecisionFunction.of(DefectClassifier().fit(*separable))
    parts = {name: getattr(numbers, name) for name in ("kind", "mean", "scale", "gamma", "points")}
    with pytest.raises(ValueError, match="do not fit together"):
        DecisionFunction(**parts, weights=numbers.weights[:-1], intercept=0.0, sigma=1.0)
    numbers.save(tmp_path)
    file = tmp_path / "decision.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(ValueError, match="unusable classifier"):
        load_fitted(tmp_path)
    file.unlink()
    with pytest.raises(ValueError, match=r"decision\.safetensors"):
        load_fitted(tmp_path)
