"""The learning curve of stage 3: what its parts hold, what is fitted, and what is made of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from padam.defects.registry import DEFECT_NAMES
from padam.models.defect_classifier import DefectClassifier
from padam.models.refit import RefitConfig
from padam.models.search import SvmSearchConfig
from padam.training.learning_curve import (
    CurveFit,
    LearningCurveConfig,
    Part,
    fit_part,
    part_name,
    parts_of,
)
from padam.training.learning_curve_figure import plot_learning_curve
from padam.training.learning_curve_table import JudgedRows, LearningCurve, judge_curve
from padam.training.source_bootstrap import SourceBootstrap

CONFIG = LearningCurveConfig(halvings=3, draws=4, seed=7)
SOURCES = np.array([f"title_{n % 21:02d}" for n in range(100)])
SEARCH = SvmSearchConfig(engine="sklearn", r_weight=3.0, balanced=False)


def rows(seed: int, count: int = 100) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 3 == 0).astype(np.int64)
    return rng.normal(size=(count, 6)) + labels[:, None], labels


def test_a_part_has_all_rows_of_a_source_or_none() -> None:
    parts = list(parts_of(SOURCES, CONFIG))
    assert [(part.of, part.draw) for part in parts] == [
        (1, 0),
        *((of, draw) for of in (2, 4, 8) for draw in range(4)),
    ]
    for part in parts:
        kept, left_out = set(SOURCES[part.kept]), set(SOURCES[~part.kept])
        assert not kept & left_out
        assert len(kept) == round(21 / part.of)


def test_parts_of_a_draw_lie_in_each_other_and_those_of_two_draws_differ() -> None:
    parts = {(part.of, part.draw): part.kept for part in parts_of(SOURCES, CONFIG)}
    for draw in range(4):
        assert (parts[8, draw] <= parts[4, draw]).all()
        assert (parts[4, draw] <= parts[2, draw]).all()
    assert len({parts[2, draw].tobytes() for draw in range(4)}) == 4
    again = {(part.of, part.draw): part.kept for part in parts_of(SOURCES, CONFIG)}
    assert all((again[name] == kept).all() for name, kept in parts.items())
    others = parts_of(SOURCES, CONFIG.model_copy(update={"seed": 8}))
    assert any((parts[part.of, part.draw] != part.kept).any() for part in others)


def test_too_few_sources_for_the_smallest_part_are_refused() -> None:
    assert list(parts_of(SOURCES[:8], CONFIG))
    with pytest.raises(ValueError, match=r"asks for 8 training sources; there are 7: lower it"):
        list(parts_of(SOURCES[:7], CONFIG))


@pytest.mark.parametrize("evidence_columns", [0, 2])
def test_all_sources_give_the_classifier_itself(evidence_columns: int) -> None:
    """ν, γ, the weight of r and the balance are the classifier's, whatever the search now says."""
    train, labels = rows(0)
    judged, _ = rows(1, 40)
    trained = DefectClassifier(
        *(0.4, 0.05), evidence_columns=evidence_columns, r_weight=0.5, engine="sklearn"
    ).fit(train, labels)
    whole = next(parts_of(SOURCES, CONFIG))
    fit = CurveFit(trained, SEARCH, RefitConfig())
    found = fit_part(whole, fit, train, labels, SOURCES, judged)
    np.testing.assert_array_equal(found["score"], trained.score(judged))
    first = found.iloc[0]
    assert (first["sources"], first["rows"], first["defective_rows"]) == (21, 100, 34)
    assert (first["kind"], first["reason"]) == ("nu_svm", "")


def test_a_part_is_fitted_on_its_rows_alone() -> None:
    train, labels = rows(0)
    judged, _ = rows(1, 40)
    trained = DefectClassifier(0.4, 0.05, engine="sklearn").fit(train, labels)
    half = next(part for part in parts_of(SOURCES, CONFIG) if part.of == 2)
    spoilt = np.where(half.kept[:, None], train, 1e6)
    fit = CurveFit(trained, SEARCH, RefitConfig())
    found = fit_part(half, fit, spoilt, labels, SOURCES, judged)
    expected = DefectClassifier(0.4, 0.05, engine="sklearn").fit(
        train[half.kept], labels[half.kept]
    )
    np.testing.assert_array_equal(found["score"], expected.score(judged))


def test_beyond_the_largest_fit_it_is_what_stage_3_then_fits() -> None:
    train, labels = rows(0)
    trained = DefectClassifier(0.4, 0.05, engine="sklearn").fit(train, labels)
    refit = RefitConfig(refit_max_rows=60, n_components=20)
    fit = CurveFit(trained, SEARCH, refit)
    kinds = {
        part.of: fit_part(part, fit, train, labels, SOURCES, train[:5])["kind"].iloc[0]
        for part in parts_of(SOURCES, CONFIG)
    }
    assert (kinds[1], kinds[2]) == ("nystroem", "nu_svm")


def test_a_part_of_one_class_is_recorded_with_the_reason() -> None:
    train, labels = rows(0)
    trained = DefectClassifier(0.4, 0.05, engine="sklearn").fit(train, labels)
    clean = Part(2, 0, labels == 0)
    found = fit_part(
        clean, CurveFit(trained, SEARCH, RefitConfig()), train, labels, SOURCES, train[:5]
    )
    assert found["score"].isna().all()
    assert set(found["reason"]) == {
        "The classifier needs clean and defective clips; it got clean clips only."
    }
    assert (found["rows"].iloc[0], found["kind"].iloc[0]) == (66, "")


def test_what_a_fit_depends_on_is_in_its_settings() -> None:
    train, labels = rows(0)
    trained = DefectClassifier(0.4, 0.05, engine="sklearn").fit(train, labels)
    fit = CurveFit(trained, SEARCH, RefitConfig())
    wider = DefectClassifier(0.4, 0.06, engine="sklearn")
    others = (
        replace(fit, classifier=wider),
        replace(fit, refit=RefitConfig(refit_max_rows=50)),
        replace(fit, search=SEARCH.model_copy(update={"seed": 9})),
    )
    assert all(other.settings() != fit.settings() for other in others)
    searched_longer = SEARCH.model_copy(update={"trials": 99})
    assert replace(fit, search=searched_longer).settings() == fit.settings()


def fitted(of: int, draw: int, score: list[float], reason: str = "") -> pd.DataFrame:
    return pd.DataFrame(
        {
            "of": of,
            "draw": draw,
            "sources": 8 // of,
            "rows": 80 // of,
            "defective_rows": 40 // of,
            "kind": "" if reason else "nu_svm",
            "reason": reason,
            "score": np.full(len(score), np.nan) if reason else score,
        }
    )


HUM, HISS = DEFECT_NAMES.index("hum"), DEFECT_NAMES.index("hiss")


@pytest.fixture(scope="module")
def judged() -> JudgedRows:
    """Two rows of hum, one of hiss, two clean ones, each in all of 30 sources."""
    defects = np.zeros((5, len(DEFECT_NAMES)), dtype=bool)
    defects[:2, HUM] = defects[2, HISS] = True
    sources = np.repeat(np.arange(30), 5)
    return JudgedRows(np.tile(defects, (30, 1)), SourceBootstrap(sources, 50, seed=0))


@pytest.fixture(scope="module")
def curve(judged: JudgedRows) -> LearningCurve:
    scores = {
        (1, 0): [0.9, 0.8, 0.7, 0.2, 0.1],  # all above clean
        (2, 0): [0.9, 0.8, 0.1, 0.2, 0.3],  # hiss below both clean rows: 4 of 6 pairs
        (2, 1): [0.9, 0.1, 0.8, 0.2, 0.3],  # so is a row of hum: 4 of 6
        (2, 2): [0.9, 0.8, 0.25, 0.2, 0.3],  # hiss between them: 5 of 6
    }
    tables = [fitted(*name, score * 30) for name, score in scores.items()]
    return judge_curve(pd.concat([*tables, fitted(4, 0, [0.0] * 150, "no hum")]), judged)


def test_areas_are_those_of_counted_pairs(curve: LearningCurve) -> None:
    table = curve.table.set_index(["part", "draw"])
    assert table.loc[("all", 0), "auc_defective"] == 1.0
    halves = table.loc["1_of_2"]
    np.testing.assert_allclose(halves["auc_defective"], [4 / 6, 4 / 6, 5 / 6])
    np.testing.assert_allclose(halves["auc_hum"], [1.0, 0.5, 1.0])
    np.testing.assert_allclose(halves["auc_hiss"], [0.0, 1.0, 0.5])
    # hits at ranks 1 and 2 of 5, and at 4 (or, with hiss, 5)
    expected = [(1 + 1 + 3 / 5) / 3, (1 + 1 + 3 / 5) / 3, (1 + 1 + 3 / 4) / 3]
    np.testing.assert_allclose(halves["average_precision_defective"], expected)
    assert halves["auc_clicks"].isna().all()
    assert table.loc[("1_of_4", 0), "reason"] == "no hum"
    assert np.isnan(table.loc[("1_of_4", 0), "auc_defective"])
    assert curve.table["fraction"].tolist() == [0.25, 0.5, 0.5, 0.5, 1.0]


def test_medians_over_draws_stand_beside_their_range(curve: LearningCurve) -> None:
    assert list(curve.parts) == ["1_of_2", "all"]  # no quarter could be fitted
    half = curve.parts["1_of_2"]["auc_defective"]
    assert half["median"] == pytest.approx(4 / 6)
    assert (half["draws_low"], half["draws_high"]) == pytest.approx((4 / 6, 5 / 6))
    gain = curve.gain["auc_defective"]
    assert gain["median"] == pytest.approx(2 / 6)
    assert (gain["draws_low"], gain["draws_high"]) == pytest.approx((1 / 6, 2 / 6))
    # each source holds the same rows: which of them are judged changes nothing
    assert (gain["low"], gain["high"]) == pytest.approx((2 / 6, 2 / 6))
    assert set(curve.gain["auc_clicks"].values()) == {None}


def test_a_gain_is_resampled_alike_for_both_of_its_sides() -> None:
    """All is better than a half by as much in each source: surer than either is by itself."""
    rng = np.random.default_rng(2)
    sources = np.repeat(np.arange(40), 10)
    defects = np.zeros((400, len(DEFECT_NAMES)), dtype=bool)
    defects[::2, HUM] = True
    noise = rng.normal(size=400) + rng.normal(size=40)[sources]
    whole, half = (noise + shift * defects[:, HUM] for shift in (2.0, 1.9))
    judged = JudgedRows(defects, SourceBootstrap(sources, 200, seed=0))
    tables = [fitted(1, 0, list(whole)), fitted(2, 0, list(half))]
    found = judge_curve(pd.concat(tables), judged)
    gain, area = found.gain["auc_defective"], found.parts["all"]["auc_defective"]
    widths = [each["high"] - each["low"] for each in (gain, area)]  # type: ignore[operator]
    assert widths[0] < widths[1] / 2
    assert gain["low"] > 0  # type: ignore[operator]


def test_without_both_of_its_sides_there_is_no_gain(judged: JudgedRows) -> None:
    score = [0.9, 0.8, 0.7, 0.2, 0.1] * 30
    for tables in (
        [fitted(1, 0, score), fitted(2, 0, score, "one class")],
        [fitted(1, 0, score, "one class"), fitted(2, 0, score)],
    ):
        assert judge_curve(pd.concat(tables), judged).gain == {}


def test_scores_of_other_rows_are_refused(judged: JudgedRows) -> None:
    with pytest.raises(ValueError, match="149 scores for 150 validation rows"):
        judge_curve(fitted(1, 0, [0.5] * 149), judged)


def test_the_figure_marks_each_part_by_its_sources(curve: LearningCurve) -> None:
    figure = plot_learning_curve(curve)
    area, precision, by_defect = figure.axes
    for axes in figure.axes:
        assert [text.get_text() for text in axes.get_xticklabels()] == [
            "2\n1/4",
            "4\n1/2",
            "8\nall",
        ]
        assert "training sources" in axes.get_xlabel()
    assert (area.get_ylabel(), precision.get_ylabel()) == (
        "area under the ROC curve",
        "average precision",
    )
    named = [text.get_text() for text in by_defect.get_legend().get_texts()]
    assert {"hum 1.00", "hiss 1.00", "packet loss –"} <= set(named)
    figure.draw_without_rendering()


def test_where_nothing_could_be_fitted_the_figure_says_so(judged: JudgedRows) -> None:
    curve = judge_curve(fitted(1, 0, [0.5] * 150, "one class"), judged)
    (text,) = plot_learning_curve(curve).texts
    assert "could be fitted" in text.get_text()


def test_parts_have_names() -> None:
    assert [part_name(of) for of in (1, 2, 16)] == ["all", "1_of_2", "1_of_16"]
