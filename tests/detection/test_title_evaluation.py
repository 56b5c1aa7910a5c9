"""Evaluation tables: worked titles, edge cases, determinism, and the joint search."""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from padam.detection.operating_point import TitleScores, tune_titles
from padam.detection.segments import segment_times
from padam.detection.temporal_filter import TemporalFilter, title_decision
from padam.detection.title_evaluation import EvaluationConfig, evaluate_scorers

CONFIG = EvaluationConfig(bootstrap_rounds=200)
LABEL_COLUMNS = ["title", "start_s", "end_s", "defect"]


def scores_of(titles, scorer="s", split="test"):
    """Rows of titles given as name → scores of 10 s segments."""
    frames = []
    for name, values in titles.items():
        times = segment_times(10.0 * len(values))
        frames.append(
            pd.DataFrame(
                {"title": name, "start_s": times[:, 0], "end_s": times[:, 1], "score": values}
            )
        )
    return pd.concat(frames, ignore_index=True).assign(scorer=scorer, split=split)


def labels_of(*rows):
    return pd.DataFrame(rows, columns=LABEL_COLUMNS)


def row_of(table, level, threshold_from="test", scorer="s"):
    rows = table.query(
        "scorer == @scorer and level == @level and threshold_from == @threshold_from"
    )
    assert len(rows) == 1
    return rows.iloc[0]


def test_a_worked_example_at_both_levels():
    scores = scores_of({"a": [0.1, 0.9, 0.2], "b": [0.1, 0.8, 0.3], "c": [0.1, 0.0, 0.1]})
    labels = labels_of(("a", 12.0, 14.0, "hum"), ("b", 25.0, 29.0, "hiss"))

    table = evaluate_scorers(scores, labels, CONFIG).systems

    segment = row_of(table, "segment")
    # 0.9 finds one of two at precision 1 (F1 ⅔); 0.3 finds both with one false alarm (F1 0.8).
    assert segment["threshold"] == 0.3
    assert segment["precision"] == pytest.approx(2 / 3)
    assert segment["recall"] == 1
    assert segment["f1"] == pytest.approx(0.8)
    assert segment["false_alarms_per_hour"] == pytest.approx(1 / (90 / 3600))
    assert np.isnan(segment["filter_x_s"])
    assert segment["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    title = row_of(table, "title")
    assert (title["precision"], title["recall"], title["f1"]) == (1, 1, 1)
    assert title["titles"] == 3
    assert title["segments"] == 9
    assert title["segments_unscored"] == 0


def test_a_title_found_at_the_wrong_place_is_a_false_detection_and_a_miss():
    scores = scores_of({"a": [0.9, 0.1, 0.0], "b": [0.0, 0.0, 0.0]})
    table = evaluate_scorers(scores, labels_of(("a", 12.0, 14.0, "hum")), CONFIG).systems
    title = row_of(table, "title")
    # Only at 0.1 does a detection overlap the label.
    assert title["threshold"] == pytest.approx(0.1)
    assert title["f1"] == 1

    unreachable = scores_of({"a": [0.9, np.nan, 0.0], "b": [0.0, 0.0, 0.0]})
    table = evaluate_scorers(unreachable, labels_of(("a", 12.0, 14.0, "hum")), CONFIG).systems
    assert row_of(table, "title")["true_positives"] == 0
    assert row_of(table, "title")["f1"] == 0
    assert row_of(table, "title")["segments_unscored"] == 1


def test_the_threshold_of_validation_is_carried_to_the_test_titles():
    labels = labels_of(("v1", 0.0, 10.0, "hum"), ("t1", 0.0, 10.0, "hum"))
    scores = pd.concat(
        [
            scores_of({"v1": [0.5, 0.1], "v2": [0.2, 0.1]}, split="validation"),
            scores_of({"t1": [0.4, 0.1], "t2": [0.3, 0.1]}, split="test"),
        ]
    )
    evaluation = evaluate_scorers(scores, labels, CONFIG)
    assert row_of(evaluation.systems, "segment", "validation")["threshold"] == 0.5
    assert row_of(evaluation.systems, "segment", "validation")["f1"] == 0
    assert row_of(evaluation.systems, "segment", "test")["threshold"] == 0.4
    assert row_of(evaluation.systems, "segment", "test")["f1"] == 1
    assert evaluation.operating_point("s").threshold == 0.5
    with pytest.raises(KeyError, match="unknown"):
        evaluation.operating_point("unknown")


def test_the_search_picks_the_filter_that_parts_runs_from_lone_detections():
    # Equal peaks everywhere; only the defect lasts.
    lone, run = [0, 9, 0, 0, 9, 0, 0, 0, 9, 0], [0, 0, 9, 9, 9, 0, 0, 0, 0, 0]
    titles = {f"clean{i}": lone for i in range(3)} | {f"bad{i}": run for i in range(3)}
    labels = labels_of(*[(f"bad{i}", 20.0, 50.0, "hiss") for i in range(3)])
    title = row_of(evaluate_scorers(scores_of(titles), labels, CONFIG).systems, "title")
    assert title["f1"] == 1
    assert (title["filter_x_s"], title["filter_y_s"]) == (20, 20)
    assert title["average_precision"] == 1


@pytest.mark.parametrize("seed", range(4))
def test_the_joint_search_equals_an_exhaustive_one(seed):
    rng = np.random.default_rng(seed)
    titles = {f"t{i}": rng.integers(0, 8, rng.integers(3, 12)) / 8 for i in range(8)}
    labels = labels_of(("t0", 4.0, 25.0, "hum"), ("t1", 0.0, 12.0, "hum"), ("t2", 11, 19, "hum"))
    scores = TitleScores.of(scores_of(titles), labels)
    filters = EvaluationConfig(filter_x_s=(0, 10, 20, 30), filter_y_s=(0, 20, 30, 60)).filters

    def f1_of(threshold, using):
        found = predicted = 0
        for s in scores.slices:
            flags = scores.scores[s] >= threshold
            predicted += title_decision(flags, scores.times[s], using.x_s, using.y_s)
        kept = scores.detections(type(point)(threshold, using))
        found = (scores.sum_by_title(kept & scores.truth) > 0).sum()
        return 2 * found / (predicted + 3)

    point = tune_titles(scores, filters)
    best = max(f1_of(t, f) for t in np.unique(scores.scores) for f in filters)
    assert f1_of(point.threshold, point.filter) == pytest.approx(best)


def test_bootstrap_is_deterministic_and_holds_the_estimate():
    rng = np.random.default_rng(1)
    titles = {f"t{i:02d}": rng.random(9) + (i < 10) * np.eye(9)[4] * 0.5 for i in range(30)}
    labels = labels_of(*[(f"t{i:02d}", 41.0, 49.0, "clicks") for i in range(10)])
    first = evaluate_scorers(scores_of(titles), labels, CONFIG).systems
    again = evaluate_scorers(scores_of(titles), labels, CONFIG).systems
    pd.testing.assert_frame_equal(first, again)
    assert (first["f1_low"] <= first["f1"]).all()
    assert (first["f1"] <= first["f1_high"]).all()
    assert (first["f1_low"] < first["f1_high"]).any()


def test_recall_is_told_per_defect():
    scores = scores_of({"a": [0.9, 0.1, 0.0], "b": [0.1, 0.0, 0.0], "c": [0.0, 0.0, 0.0]})
    labels = labels_of(
        ("a", 1.0, 4.0, "hum"), ("b", 1.0, 4.0, "hiss"), ("elsewhere", 0.0, 4.0, "drops")
    )
    defects = evaluate_scorers(scores, labels, CONFIG).defects
    segment = defects.query("level == 'segment'").set_index("defect")
    assert set(segment.index) == {"hum", "hiss"}
    assert segment.loc["hum", "recall"] == 1
    assert segment["actual"].tolist() == [1, 1]


def test_without_defective_titles_nothing_is_tuned_and_nothing_fails():
    scores = scores_of({"a": [0.9, 0.1], "b": [0.2, 0.1]})
    evaluation = evaluate_scorers(scores, labels_of(), CONFIG)
    for _, row in evaluation.systems.iterrows():
        assert np.isnan(row["threshold"])
        assert row["predicted"] == 0
        assert np.isnan(row["f1"])
        assert np.isnan(row["average_precision"])
    assert evaluation.defects.empty


def test_a_scorer_that_scored_nothing_is_reported_as_such():
    scores = scores_of({"a": [np.nan, np.nan], "b": [np.nan, np.nan]})
    table = evaluate_scorers(scores, labels_of(("a", 0.0, 5.0, "hum")), CONFIG).systems
    assert (table["segments_unscored"] == 4).all()
    assert (table["f1"] == 0).all()
    assert table["false_alarms_per_hour"].isna().all()


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match=r"scores lack the columns \['split'\]"):
        evaluate_scorers(scores_of({"a": [1.0]}).drop(columns="split"), labels_of(), CONFIG)
    with pytest.raises(ValueError, match="no row of split 'test'"):
        evaluate_scorers(scores_of({"a": [1.0]}, split="validation"), labels_of(), CONFIG)


@pytest.mark.parametrize(
    ("x_s", "y_s", "expected"),
    [
        ((0, 10), (0, 20), [(0, 0), (10, 20)]),
        ((10, 30), (20, 45), [(10, 20), (10, 45), (30, 45)]),
        ((45,), (20,), [(0, 0)]),  # none is possible
    ],
)
def test_no_filter_is_tried_where_the_grid_admits_it(x_s, y_s, expected):
    grid = EvaluationConfig(filter_x_s=x_s, filter_y_s=y_s).filters
    assert [(each.x_s, each.y_s) for each in grid] == expected


def test_the_grid_holds_possible_filters_only():
    grid = EvaluationConfig(filter_x_s=(0, 20, 45), filter_y_s=(0, 20, 45)).filters
    assert [(f.x_s, f.y_s) for f in grid] == [(0, 0), (20, 20), (20, 45), (45, 45)]
    assert grid[0] == TemporalFilter()
    with pytest.raises(ValidationError):
        EvaluationConfig(filter_x_s=(-1,))
    with pytest.raises(ValidationError):
        EvaluationConfig(threshold_candidates=1)
