import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import skops.io

from padam.models.binary_classifier import ClassifierFileError, training_weights
from padam.models.decision_function import DecisionFunction
from padam.models.defect_classifier import DefectClassifier, LinearProbe, feasible_nu
from padam.models.nystroem_classifier import NystroemClassifier
from tests.models.conftest import Rows

Classifier = type[DefectClassifier] | type[LinearProbe] | type[NystroemClassifier]
each = pytest.mark.parametrize("kind", [DefectClassifier, LinearProbe, NystroemClassifier])


@pytest.fixture
def svm(separable: Rows) -> DefectClassifier:
    return DefectClassifier(nu=0.1, gamma=0.3).fit(*separable)


def test_svm_separates_what_no_plane_can(
    svm: DefectClassifier, separable: Rows, held_out: Rows
) -> None:
    rows, y = held_out
    assert (svm.predict(rows) == y).mean() > 0.98
    assert (LinearProbe().fit(*separable).predict(rows) == y).mean() < 0.75


@each
def test_defective_side_is_positive(kind: Classifier) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(80) % 2
    rows = rng.normal(size=(80, 4)) + 6.0 * y[:, None]
    classifier = kind().fit(rows, y)
    assert (classifier.decision_function(rows)[y == 1] > 0).all()
    assert (classifier.decision_function(rows)[y == 0] < 0).all()


@each
def test_sigma_is_the_rms_of_training_decisions(kind: Classifier, separable: Rows) -> None:
    classifier = kind().fit(*separable)
    decisions = classifier.decision_function(separable[0])
    assert classifier.sigma == pytest.approx(np.sqrt(np.mean(decisions**2)))


def test_score_is_the_papers_formula_and_does_not_overflow(
    svm: DefectClassifier, held_out: Rows
) -> None:
    decisions = svm.decision_function(held_out[0])
    expected = 1 / (1 + np.exp(-decisions / svm.sigma))
    np.testing.assert_allclose(svm.score(held_out[0]), expected)
    svm.sigma = 1e-6
    with np.errstate(all="raise"):
        assert np.isfinite(svm.score(held_out[0])).all()


def test_threshold_moves_the_decision(svm: DefectClassifier, held_out: Rows) -> None:
    scores = svm.score(held_out[0])
    svm.threshold = float(np.quantile(scores, 0.9))
    assert svm.predict(held_out[0]).sum() == (scores >= svm.threshold).sum()


def test_nu_bounds_margin_errors_and_support_vectors(separable: Rows) -> None:
    rows, y = separable
    for nu in (0.2, 0.6):
        classifier = DefectClassifier(nu=nu, gamma=0.1).fit(rows, y)
        support = classifier._pipeline[-1].support_
        assert len(support) / len(rows) >= nu


def test_scale_of_a_dimension_does_not_matter(svm: DefectClassifier, separable: Rows) -> None:
    rows, y = separable
    stretched = rows * [1e3, 1e-3, 1, 1, 50, 1] + 7.0
    other = DefectClassifier(nu=0.1, gamma=0.3).fit(stretched, y)
    np.testing.assert_allclose(other.score(stretched), svm.score(rows), atol=1e-6)


@each
def test_saved_classifier_decides_alike(
    kind: Classifier, separable: Rows, held_out: Rows, tmp_path: Path
) -> None:
    classifier = kind(threshold=0.6).fit(*separable)
    classifier.save(tmp_path / "model")
    loaded = kind.load(tmp_path / "model")
    np.testing.assert_array_equal(
        loaded.decision_function(held_out[0]), classifier.decision_function(held_out[0])
    )
    assert loaded.parameters == classifier.parameters
    assert (loaded.sigma, loaded.threshold) == (classifier.sigma, 0.6)
    assert loaded.training_rows == 120
    assert loaded.fitted_by is not None
    assert loaded.fitted_by.startswith("scikit-learn")
    assert {file.name for file in (tmp_path / "model").iterdir()} == {
        "classifier.json",
        "estimator.skops",
    }


def test_saved_classifier_holds_no_pickle(svm: DefectClassifier, tmp_path: Path) -> None:
    svm.save(tmp_path)
    with zipfile.ZipFile(tmp_path / "estimator.skops") as archive:
        assert {Path(name).suffix for name in archive.namelist()} <= {".json", ".npy"}


def test_missing_altered_and_foreign_files_are_refused(
    svm: DefectClassifier, tmp_path: Path
) -> None:
    with pytest.raises(ClassifierFileError, match="no readable classifier"):
        DefectClassifier.load(tmp_path / "nothing")
    svm.save(tmp_path)
    with pytest.raises(ClassifierFileError, match="expected 'linear_probe'"):
        LinearProbe.load(tmp_path)
    (tmp_path / "estimator.skops").write_bytes(b"another estimator")
    with pytest.raises(ClassifierFileError, match="checksum"):
        DefectClassifier.load(tmp_path)


@pytest.mark.parametrize("file", ["estimator.skops", "classifier.json"])
def test_truncated_files_are_refused(svm: DefectClassifier, tmp_path: Path, file: str) -> None:
    svm.save(tmp_path)
    content = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(ClassifierFileError, match=r"checksum|no readable classifier"):
        DefectClassifier.load(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(ClassifierFileError, match="no readable classifier"):
        DefectClassifier.load(tmp_path)


def test_incomplete_description_is_refused(svm: DefectClassifier, tmp_path: Path) -> None:
    svm.save(tmp_path)
    file = tmp_path / "classifier.json"
    description = json.loads(file.read_text())
    del description["sigma"]
    file.write_text(json.dumps(description))
    with pytest.raises(ClassifierFileError, match="sigma"):
        DefectClassifier.load(tmp_path)
    file.write_text('{"kind"')
    with pytest.raises(ClassifierFileError, match="no readable classifier"):
        DefectClassifier.load(tmp_path)


def test_foreign_type_in_the_estimator_is_refused(svm: DefectClassifier, tmp_path: Path) -> None:
    svm.save(tmp_path)
    estimator = skops.io.dumps(Path("anywhere"))
    (tmp_path / "estimator.skops").write_bytes(estimator)
    file = tmp_path / "classifier.json"
    description = json.loads(file.read_text())
    description["estimator_sha256"] = hashlib.sha256(estimator).hexdigest()
    file.write_text(json.dumps(description))
    with pytest.raises(ClassifierFileError, match="Untrusted types"):
        DefectClassifier.load(tmp_path)


def test_feasible_nu_is_twice_the_rarer_share() -> None:
    y = np.r_[np.zeros(90), np.ones(10)]
    assert feasible_nu(y) == pytest.approx(0.2)
    assert feasible_nu(y, training_weights(y, balanced=True)) == pytest.approx(1.0)
    assert feasible_nu(np.ones(10)) == 0.0


def test_nu_over_the_bound_is_refused_and_weights_lift_it() -> None:
    rng = np.random.default_rng(0)
    y = np.r_[np.zeros(90), np.ones(10)].astype(int)
    rows = rng.normal(size=(100, 3)) + 3.0 * y[:, None]
    DefectClassifier(nu=0.19, gamma=0.3, balanced=False).fit(rows, y)
    with pytest.raises(ValueError, match=r"at most 0\.2"):
        DefectClassifier(nu=0.21, gamma=0.3, balanced=False).fit(rows, y)
    weights = np.where(y == 1, 9.0, 1.0)
    DefectClassifier(nu=0.8, gamma=0.3, balanced=False).fit(rows, y, weights)
    DefectClassifier(nu=0.8, gamma=0.3, balanced=True).fit(rows, y)


def test_balanced_weights_give_both_classes_the_same_total() -> None:
    y = np.r_[np.zeros(7), np.ones(3)]
    weights = training_weights(y, np.arange(1.0, 11.0), balanced=True)
    assert weights[y == 0].sum() == pytest.approx(weights[y == 1].sum())
    assert weights.mean() == pytest.approx(1.0)
    assert weights[1] / weights[0] == pytest.approx(2.0)


@each
def test_bad_training_data_is_refused(kind: Classifier, separable: Rows) -> None:
    rows, y = separable
    broken = rows.copy()
    broken[[3, 8], 1] = np.nan
    with pytest.raises(ValueError, match=r"2 of 120 representations are not finite.*row 3"):
        kind().fit(broken, y)
    with pytest.raises(ValueError, match="clean clips only"):
        kind().fit(rows, np.zeros(120))
    with pytest.raises(ValueError, match="no clips"):
        kind().fit(np.empty((0, 6)), [])
    with pytest.raises(ValueError, match="0 \\(clean\\) or 1"):
        kind().fit(rows, y + 1)
    with pytest.raises(ValueError, match="for 120 rows"):
        kind().fit(rows, y[:-1])
    with pytest.raises(ValueError, match="sample_weight"):
        kind().fit(rows, y, np.full(120, -1.0))


@each
def test_collapsed_representations_are_refused(kind: Classifier, separable: Rows) -> None:
    with pytest.raises(ValueError, match="collapsed"):
        kind().fit(np.ones((120, 6)), separable[1])


@each
def test_wrong_width_and_nan_are_refused_at_prediction(kind: Classifier, separable: Rows) -> None:
    classifier = kind().fit(*separable)
    with pytest.raises(ValueError, match="another quality head"):
        classifier.score(np.zeros((2, 5)))
    with pytest.raises(ValueError, match="not finite"):
        classifier.score(np.full((1, 6), np.inf))


@each
def test_use_before_fit_is_refused(kind: Classifier, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not fitted"):
        kind().score(np.zeros((1, 6)))
    with pytest.raises(RuntimeError, match="not fitted"):
        kind().save(tmp_path)


@pytest.mark.parametrize(
    "bad", [{"nu": 0.0}, {"nu": 1.5}, {"gamma": -1.0}, {"threshold": 1.0}, {"engine": "cuda"}]
)
def test_bad_parameters_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        DefectClassifier(**bad)


def test_bad_regularisation_is_refused() -> None:
    with pytest.raises(ValueError, match="regularisation"):
        LinearProbe(regularisation=0.0)


@pytest.mark.parametrize("kind", [DefectClassifier, NystroemClassifier])
def test_r_counts_less_beside_the_evidence_that_is_joined_to_it(
    kind: type[DefectClassifier] | type[NystroemClassifier], tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    y = np.arange(80) % 2
    rows = rng.standard_normal((80, 6)) * [1, 5, 2, 1, 3, 1] + y[:, None]
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    joined = kind(0.3, 0.1, evidence_columns=2, r_weight=0.5).fit(rows, y)
    scaled = standard * [0.5, 0.5, 0.5, 0.5, 1, 1]
    kernel = np.exp(-0.1 * np.square(scaled[:, None] - scaled).sum(axis=2))
    mapped = joined.pipeline[0].transform(rows)
    np.testing.assert_allclose(mapped, scaled, atol=1e-12)
    if kind is DefectClassifier:
        svc = joined.pipeline[-1]
        expected = kernel[:, svc.support_] @ svc.dual_coef_[0] + svc.intercept_[0]
        np.testing.assert_allclose(joined.decision_function(rows), expected, atol=1e-9)
    joined.save(tmp_path)
    loaded = kind.load(tmp_path)
    assert loaded.parameters == joined.parameters
    np.testing.assert_array_equal(loaded.score(rows), joined.score(rows))
    np.testing.assert_allclose(
        DecisionFunction.of(joined).score(rows), joined.score(rows), atol=1e-6
    )
    alone = kind(0.3, 0.1, r_weight=0.5).fit(rows, y)
    np.testing.assert_array_equal(alone.score(rows), kind(0.3, 0.1).fit(rows, y).score(rows))
    assert "r_weight" not in alone.parameters
    for bad in ({"evidence_columns": -1}, {"r_weight": 0.0}, {"r_weight": np.inf}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            kind(**bad)
