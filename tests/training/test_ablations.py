import logging
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from padam.defects.registry import DEFECT_NAMES
from padam.models.search import SvmSearchConfig
from padam.training import ablations
from padam.training.ablation_table import LINEAR_PROBE, NU_SVM, Ablations
from padam.training.ablation_variants import STAGE_1, AblationsConfig, varied
from padam.training.ablations import run_ablations
from padam.training.head_module import QualityHeadTraining
from padam.training.pairs import PairedEmbeddings
from tests.training.conftest import InterruptionError
from tests.training.test_quality_head import HEAD, toy_pairs

TRAINING = QualityHeadTraining(head=HEAD, steps=20, validate_every=10, batch_size=16, max_lr=0.3)
CONFIG = AblationsConfig(
    variants={
        "plus_content": {},
        "defects_only": {"quality_weight": 0.0, "content_weight": 0.0},
        "max_pooling": {"head": {"pooling": "max"}},
    },
    evaluated_split="test",
    search=SvmSearchConfig(trials=3, max_rows=60),
    bootstrap_rounds=50,
)


@pytest.fixture(scope="module")
def pairs() -> PairedEmbeddings:
    columns = toy_pairs(120)
    columns["splits"] = ["train"] * 60 + ["validation"] * 28 + ["test"] * 32
    columns["labels"][::10] = 0
    columns["degraded"][::10] = columns["reference"][::10]
    return PairedEmbeddings.validated(**columns)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ablations")


@pytest.fixture(scope="module")
def found(pairs: PairedEmbeddings, folder: Path) -> Ablations:
    return run_ablations(pairs, TRAINING, CONFIG, folder)


def test_every_row_has_its_classifiers_on_the_same_clips(found):
    rows = list(zip(found.table["row"], found.table["classifier"], strict=True))
    variants = [(name, kind) for name in CONFIG.variants for kind in (LINEAR_PROBE, NU_SVM)]
    assert rows == [(STAGE_1, LINEAR_PROBE), *variants]
    assert set(found.table["clips"]) == {64}
    assert set(found.table["sources"]) == {8}
    assert found.table["nu"].notna().tolist() == [kind == NU_SVM for _, kind in rows]


def test_areas_are_those_of_the_scores(found):
    scores = found.scores
    clean = ~scores[list(DEFECT_NAMES)].any(axis=1)
    for line in found.table.to_dict(orient="records"):
        score = scores[f"{line['row']}.{line['classifier']}"]
        assert line["auc_defective"] == pytest.approx(roc_auc_score(~clean, score))
        assert line["auc_defective_low"] <= line["auc_defective"] <= line["auc_defective_high"]
        for name in DEFECT_NAMES[:3]:
            judged = clean | scores[name]
            expected = roc_auc_score(scores.loc[judged, name], score[judged])
            assert line[f"auc_{name}"] == pytest.approx(expected)
        assert np.isnan(line["auc_clicks"])
        assert -1 <= line["similarity_correlation"] <= 1


def test_stage_1_row_is_logistic_regression_on_mean_and_deviation(found, pairs):
    def features(split):
        rows = pairs.rows(split)
        both = np.concatenate([pairs.reference[rows], pairs.degraded[rows]]).astype(np.float32)
        return np.concatenate([both.mean(axis=1), both.std(axis=1)], axis=1)

    labels = np.r_[np.zeros(60), pairs.labels[:60].any(axis=1)]
    scaler = StandardScaler().fit(features("train"))
    peer = LogisticRegression(class_weight="balanced", max_iter=1000)
    peer.fit(scaler.transform(features("train")), labels)
    decision = peer.decision_function(scaler.transform(features("test")))
    score = found.scores[f"{STAGE_1}.{LINEAR_PROBE}"]
    assert np.corrcoef(decision, np.log(score / (1 - score)))[0, 1] > 0.999


def test_what_is_kept_is_not_trained_again(found, pairs, folder, monkeypatch, caplog):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    with monkeypatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(ablations, "train_on_pairs", never)
        again = run_ablations(pairs, TRAINING, CONFIG, folder)
    assert again.table.equals(found.table)
    assert "ablations: max_pooling, 4 of 4, computed before" in caplog.text


def test_only_what_changed_is_trained_and_takes_the_place_of_the_former(
    found, pairs, tmp_path, folder, monkeypatch
):
    for kept in folder.glob("*.safetensors"):
        (tmp_path / kept.name).write_bytes(kept.read_bytes())
    trained = []
    real = ablations.train_on_pairs

    def noted(pairs_, training, checkpoints, **options):
        trained.append(checkpoints.name)
        return real(pairs_, training, checkpoints, **options)

    monkeypatch.setattr(ablations, "train_on_pairs", noted)
    variants = {**CONFIG.variants, "max_pooling": {"head": {"pooling": "attentive"}}}
    changed = CONFIG.model_copy(update={"variants": variants})
    again = run_ablations(pairs, TRAINING, changed, tmp_path)
    assert trained == ["max_pooling"]
    assert len(list(tmp_path.glob("max_pooling.*.safetensors"))) == 1
    same = found.table["row"] != "max_pooling"
    assert again.table[same].equals(found.table[same])
    assert not again.table[~same].equals(found.table[~same])


def test_a_killed_run_goes_on_with_the_row_it_was_at(found, pairs, tmp_path, monkeypatch):
    real, train = ablations.search_classifier, ablations.train_on_pairs
    calls, trained = [], []

    def breaks(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise InterruptionError
        return real(*arguments, **options)

    def noted(pairs_, training, checkpoints, **options):
        trained.append(checkpoints.name)
        return train(pairs_, training, checkpoints, **options)

    monkeypatch.setattr(ablations, "search_classifier", breaks)
    monkeypatch.setattr(ablations, "train_on_pairs", noted)
    with pytest.raises(InterruptionError):
        run_ablations(pairs, TRAINING, CONFIG, tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 2
    again = run_ablations(pairs, TRAINING, CONFIG, tmp_path)
    assert again.table.equals(found.table)
    assert len(calls) == 4
    assert trained == list(CONFIG.variants), "the head that was trained is not trained again"


def test_a_kept_result_that_cannot_be_read_is_computed_again(found, pairs, folder, caplog):
    (place,) = folder.glob(f"{STAGE_1}.*")
    whole = place.read_bytes()
    place.write_bytes(whole[:40])
    again = run_ablations(pairs, TRAINING, CONFIG, folder)
    assert "cannot be read" in caplog.text
    assert again.table.equals(found.table)
    assert place.read_bytes() == whole


def test_the_last_fit_takes_no_more_rows_than_is_feasible(pairs, tmp_path, monkeypatch):
    sizes = []
    real = ablations.DefectClassifier.fit

    def noted(self, r, y, *rest):
        sizes.append((len(r), float(np.mean(y))))
        return real(self, r, y, *rest)

    config = CONFIG.model_copy(update={"variants": {"plus_content": {}}, "fit_max_rows": 40})
    monkeypatch.setattr(ablations.DefectClassifier, "fit", noted)
    run_ablations(pairs, TRAINING, config, tmp_path)
    assert sizes[-1] == (40, pytest.approx(54 / 120, abs=0.02))


def test_a_split_without_clips_names_the_remedy(tmp_path):
    pairs = PairedEmbeddings.validated(**toy_pairs())
    with pytest.raises(ValueError, match=r"in the split 'test'.*synthesis\.plan\.splits"):
        run_ablations(pairs, TRAINING, CONFIG, tmp_path)


def test_a_variant_changes_only_what_it_names():
    changed = varied(TRAINING, {"mask": "hard", "head": {"pooling": "max"}})
    assert changed.head == HEAD.model_copy(update={"pooling": "max"})
    assert changed == TRAINING.model_copy(update={"mask": "hard", "head": changed.head})
    assert varied(TRAINING, {}) == TRAINING


@pytest.mark.parametrize(
    ("variants", "reason"),
    [
        ({"soft": {"mask": "fuzzy"}}, "variant 'soft'.*mask"),
        ({"soft": {"head": {"depth": 2}}}, "variant 'soft'.*depth"),
        ({"With space": {}}, "use lower case"),
        ({STAGE_1: {}}, f"not {STAGE_1}"),
        ({}, "at least 1"),
    ],
)
def test_variants_that_cannot_be_trained_are_refused_before_any_work(variants, reason):
    with pytest.raises(ValidationError, match=f"(?s){reason}"):
        AblationsConfig(variants=variants)


def test_native_evidence_stands_alone_and_joined(found, pairs, folder, tmp_path):
    rng = np.random.default_rng(8)
    evidence = rng.standard_normal((2, len(pairs.q_rank), 5)).astype(np.float32)
    evidence[1, :, 0] += 4 * pairs.labels.max(axis=1)
    config = CONFIG.model_copy(update={"joined_with_evidence": ("plus_content",)})
    for kept in folder.glob("*.safetensors"):
        (tmp_path / kept.name).write_bytes(kept.read_bytes())
    measured = run_ablations(pairs, TRAINING, config, tmp_path, evidence)
    same = len(found.table)
    assert measured.table[:same].equals(found.table)
    rows = measured.table[same:]
    both = ["native_evidence"] * 2 + ["plus_content_native_evidence"] * 2
    assert rows["row"].tolist() == both
    assert rows["classifier"].tolist() == [LINEAR_PROBE, NU_SVM] * 2
    assert (rows["auc_defective"] > 0.95).all()
    test = pairs.rows("test")
    labels = np.r_[np.zeros(len(test)), pairs.labels[test].max(axis=1)]
    peer = roc_auc_score(labels, np.concatenate(evidence[:, test])[:, 0])
    assert rows["auc_defective"].iloc[0] == pytest.approx(peer, abs=0.03)
    none = run_ablations(pairs, TRAINING, config, tmp_path, evidence[:, :, :0])
    assert none.table.equals(found.table)


def test_only_variants_are_joined_with_evidence():
    with pytest.raises(ValidationError, match=r"names no variants: other"):
        AblationsConfig(variants={"plain": {}}, joined_with_evidence=("other",))
    with pytest.raises(ValidationError, match="ends in native_evidence"):
        AblationsConfig(variants={"a_native_evidence": {}})
