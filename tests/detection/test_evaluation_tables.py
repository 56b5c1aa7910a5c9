"""Intervals, comparisons, breakdowns and pages of the evaluation, on titles worked by hand."""

import numpy as np
import pandas as pd
import pytest

from padam.detection.evaluation_tables import in_order, latex_tables, markdown_tables
from padam.detection.title_evaluation import EvaluationConfig, evaluate_scorers
from tests.detection.test_title_evaluation import labels_of, row_of, scores_of

CONFIG = EvaluationConfig(bootstrap_rounds=200, filter_x_s=(0, 10), filter_y_s=(0, 20))
NAN = float("nan")


def many(seed, scorer, strength, titles=40, split="test"):
    """Titles of six segments; every other one has a defect in its fourth."""
    rng = np.random.default_rng(seed)
    found = {}
    for number in range(titles):
        values = rng.random(6)
        if number % 2:
            values[3] += strength
        found[f"{split}{number:02d}"] = values
    return scores_of(found, scorer, split)


def labels_for(titles=40, split="test", **columns):
    rows = [
        (f"{split}{n:02d}", 31.0, 39.0, "hum" if n % 4 == 1 else "hiss")
        for n in range(1, titles, 2)
    ]
    return labels_of(*rows).assign(**columns)


def test_a_worse_system_is_told_from_padam_and_one_like_it_is_not():
    scores = pd.concat(
        [many(0, "padam", 1.0), many(1, "worse", 0.0), many(0, "twin", 1.0)], ignore_index=True
    )
    table = evaluate_scorers(scores, labels_for(), CONFIG).systems
    for level in ("segment", "title"):
        worse = row_of(table, level, scorer="worse")
        padam = row_of(table, level, scorer="padam")
        assert worse["f1_difference"] == pytest.approx(worse["f1"] - padam["f1"])
        assert worse["f1_difference_low"] <= worse["f1_difference"] <= worse["f1_difference_high"]
        assert worse["average_precision_p"] < 0.02
        twin = row_of(table, level, scorer="twin")
        assert twin["f1_p"] == 1
        assert twin["f1_difference_high"] == 0
        assert np.isnan(padam["f1_p"])
    assert row_of(table, "segment", scorer="worse")["f1_p"] < 0.02


def test_without_the_system_to_compare_with_there_is_no_difference():
    table = evaluate_scorers(many(0, "dnsmos", 0.5), labels_for(), CONFIG).systems
    assert "f1_p" not in table.columns
    assert "| DNSMOS |" in markdown_tables(table, pd.DataFrame(), {"defective": 1, "clean": 1})


def test_every_measure_lies_in_its_interval():
    table = evaluate_scorers(many(0, "padam", 0.6), labels_for(), CONFIG).systems
    for name in ("precision", "recall", "f1", "average_precision", "auc", "false_alarms_per_hour"):
        assert (table[f"{name}_low"] <= table[name]).all(), name
        assert (table[name] <= table[f"{name}_high"]).all(), name


def test_at_another_prevalence_precision_is_that_of_bayes_and_recall_is_the_same():
    # 1 of 2 defective segments found, 1 false alarm among 4 clean ones, all in titles of three.
    scores = scores_of({"a": [0.9, 0.1, 0.1], "b": [0.2, 0.9, 0.1]})
    labels = labels_of(("a", 0.0, 9.0, "hum"), ("b", 0.0, 9.0, "hum"))
    config = EvaluationConfig(bootstrap_rounds=5, reference_prevalence=0.1)
    row = row_of(evaluate_scorers(scores, labels, config).systems, "segment")
    # At 0.2: both found, one false alarm (F1 0.8). Recall 1, alarm rate ¼.
    assert row["threshold"] == 0.2
    assert row["prevalence"] == pytest.approx(1 / 3)
    precision = 0.1 / (0.1 + 0.25 * 0.9)
    assert row["precision_at_reference"] == pytest.approx(precision)
    assert row["f1_at_reference"] == pytest.approx(2 * precision / (1 + precision))
    same = EvaluationConfig(bootstrap_rounds=5, reference_prevalence=1 / 3)
    row = row_of(evaluate_scorers(scores, labels, same).systems, "segment")
    assert row["f1_at_reference"] == pytest.approx(row["f1"])
    assert row["average_precision_at_reference"] == pytest.approx(row["average_precision"])


def test_auc_of_a_defect_is_against_clean_segments_only():
    scores = scores_of({"a": [0.9, 0.8, 0.1], "b": [0.7, 0.2, 0.3]})
    labels = labels_of(("a", 0.0, 9.0, "hum"), ("a", 11.0, 19.0, "hiss"), ("b", 11.0, 12.0, "hiss"))
    defects = evaluate_scorers(scores, labels, CONFIG).defects
    auc = defects[defects["level"] == "segment"].set_index("defect")["auc"]
    assert auc["hum"] == 1
    # hiss: 0.8 beats 0.7, 0.3 and 0.1; 0.2 beats 0.1 only.
    assert auc["hiss"] == pytest.approx(4 / 6)
    assert defects.loc[defects["level"] == "title", "auc"].isna().all()


def test_recall_rises_with_severity_where_scores_do():
    titles = {f"t{n}": [n / 10, 0.0] for n in range(9)} | {"clean": [0.05, 0.05]}
    labels = labels_of(*[(f"t{n}", 0.0, 9.0, "hum") for n in range(9)])
    labels["error_to_signal_db"] = [-40.0 + 3 * n for n in range(9)]
    scores = pd.concat([scores_of(titles), scores_of({"v": [0.55, 0.1]}, split="validation")])
    labels = pd.concat([labels, labels_of(("v", 0.0, 9.0, "hum"))], ignore_index=True)
    breakdown = evaluate_scorers(scores, labels, CONFIG).breakdown
    rows = breakdown.query("by == 'severity' and threshold_from == 'validation'")
    recall = rows.set_index("group")["recall"]
    assert recall.to_dict() == {"mildest third": 0.0, "middle third": 0.0, "strongest third": 1.0}
    assert rows["actual"].tolist() == [3, 3, 3]
    assert rows["error_to_signal_db_from"].tolist() == [-40.0, -31.0, -22.0]
    auc = rows["auc"].tolist()
    assert auc == sorted(auc)
    assert auc[2] == 1


def test_segments_are_told_apart_by_how_long_a_label_overlaps_them():
    # hum takes 0.2 s of a's first segment, 9 s of its second and 1 s of its third, of which hiss
    # takes 3 s: the longest counts. A bound belongs to the group below it.
    scores = scores_of({"a": [0.1, 0.9, 0.6, 0.2], "b": [0.9, 0.3], "clean": [0.5, 0.4]})
    labels = labels_of(
        ("a", 9.8, 19.0, "hum"),
        ("a", 20.0, 21.0, "hum"),
        ("a", 25.0, 28.0, "hiss"),
        ("b", 10.0, 10.5, "hum"),
        ("elsewhere", 0.0, 10.0, "hum"),
    )
    breakdown = evaluate_scorers(scores, labels, CONFIG).breakdown
    rows = breakdown.query("by == 'overlap' and threshold_from == 'test'").set_index("group")
    assert rows["actual"].to_dict() == {"0 to 0.5 s": 2, "2 to 4 s": 1, "over 4 s": 1}
    # clean: 0.2, 0.9, 0.5, 0.4. 0.1 beats none of them, 0.3 one; 0.6 three; 0.9 three and a half.
    assert rows["auc"].tolist() == pytest.approx([1 / 8, 3 / 4, 7 / 8])
    assert rows.loc["over 4 s", "recall"] == 1
    assert (
        rows["detected"].sum()
        == row_of(evaluate_scorers(scores, labels, CONFIG).systems, "segment", "test")[
            "true_positives"
        ]
    )


@pytest.mark.parametrize("values", [None, [NAN] * 3, [-10.0, NAN, -5.0]])
def test_too_little_severity_gives_no_rows(values):
    labels = labels_of(*[(f"t{n}", 0.0, 9.0, "hum") for n in range(3)])
    if values:
        labels["error_to_signal_db"] = values
    scores = scores_of({f"t{n}": [0.9, 0.1] for n in range(3)})
    assert "severity" not in set(evaluate_scorers(scores, labels, CONFIG).breakdown["by"])


def test_content_and_look_alikes_are_measured_apart():
    scores = scores_of(
        {"a": [0.9, 0.1], "b": [0.1, 0.2], "c": [0.9, 0.9], "d": [0.1, 0.1], "e": [0.1, 0.1]}
    )
    labels = labels_of(("a", 0.0, 9.0, "hum"), ("b", 0.0, 9.0, "hum"))
    titles = pd.DataFrame(
        {
            "title": list("abcde"),
            "split": "test",
            "content": ["music", "music", "effects", "dialogue", None],
            "look_alike": [None, "", "rain", "rain", "False"],
        }
    )
    breakdown = evaluate_scorers(scores, labels, CONFIG, titles).breakdown
    chosen = (breakdown["threshold_from"] == "test") & (breakdown["by"] != "overlap")
    rows = breakdown[chosen].set_index(["by", "group"])
    assert set(rows.index) == {
        ("content", "music"),
        ("content", "effects"),
        ("content", "dialogue"),
        ("look_alike", "rain"),
    }
    assert rows.loc[("content", "music"), "recall"] == 0.5
    assert rows.loc[("content", "music"), "titles_defective"] == 2
    assert rows.loc[("content", "effects"), "false_alarms_per_hour"] == pytest.approx(
        2 / (20 / 3600)
    )
    assert np.isnan(rows.loc[("content", "effects"), "recall"])
    rain = rows.loc[("look_alike", "rain")]
    assert (rain["titles"], rain["titles_flagged"], rain["segments"]) == (2, 1, 4)
    assert rain["false_alarms_per_hour"] == pytest.approx(2 / (40 / 3600))


@pytest.mark.parametrize("value", [True, 1, 1.0, "True", "yes"])
def test_a_look_alike_may_be_a_yes(value):
    scores = scores_of({"a": [0.9, 0.1], "b": [0.1, 0.2]})
    titles = pd.DataFrame({"title": ["a", "b"], "split": "test", "look_alike": [None, value]})
    breakdown = evaluate_scorers(
        scores, labels_of(("a", 0.0, 9.0, "hum")), CONFIG, titles
    ).breakdown
    assert set(breakdown.loc[breakdown["by"] == "look_alike", "group"]) == {"yes"}


# What comes in a hurry from an archive.


def test_labels_beyond_the_end_leave_a_title_defective_and_missed():
    scores = scores_of({"a": [0.1, 0.2], "b": [0.9, 0.1], "c": [0.0, 0.0]})
    labels = labels_of(("a", 500.0, 510.0, "hum"), ("b", 0.0, 5.0, "hum"))
    table = evaluate_scorers(scores, labels, CONFIG).systems
    title, segment = row_of(table, "title"), row_of(table, "segment")
    assert (title["actual"], title["true_positives"], title["recall"]) == (2, 1, 0.5)
    assert segment["actual"] == 1
    partly = labels_of(("b", 5.0, 500.0, "hum"))
    row = row_of(evaluate_scorers(scores, partly, CONFIG).systems, "segment")
    assert row["actual"] == 2, "the part within the title counts"


def test_overlapping_labels_count_a_segment_once():
    scores = scores_of({"a": [0.9, 0.1, 0.0], "b": [0.1, 0.2, 0.0]})
    labels = labels_of(("a", 0.0, 8.0, "hum"), ("a", 2.0, 9.0, "hum"), ("a", 4.0, 6.0, "hiss"))
    evaluation = evaluate_scorers(scores, labels, CONFIG)
    assert row_of(evaluation.systems, "segment")["actual"] == 1
    defects = evaluation.defects.query("level == 'segment'").set_index("defect")
    assert defects["actual"].to_dict() == {"hum": 1, "hiss": 1}


def test_a_defect_of_another_name_has_a_row_of_its_own():
    scores = scores_of({"a": [0.9, 0.1], "b": [0.1, 0.2]})
    defects = evaluate_scorers(
        scores, labels_of(("a", 0.0, 8.0, "wow_and_flutter")), CONFIG
    ).defects
    assert set(defects["defect"]) == {"wow_and_flutter"}


def test_a_title_without_a_segment_is_missed_where_it_is_defective():
    scores = scores_of({"a": [0.9, 0.1], "b": [0.1, 0.2]})
    titles = pd.DataFrame({"title": ["a", "b", "blink"], "split": "test"})
    labels = labels_of(("a", 0.0, 8.0, "hum"), ("blink", 0.1, 0.3, "clicks"))
    row = row_of(evaluate_scorers(scores, labels, CONFIG, titles).systems, "title")
    assert (row["titles"], row["actual"], row["true_positives"]) == (3, 2, 1)
    assert row["recall"] == 0.5


def test_a_title_shorter_than_a_segment_is_scored_as_it_is():
    scores = scores_of({"a": [0.9, 0.1], "b": [0.1]})
    scores.loc[scores["title"] == "b", "end_s"] = 4.0
    row = row_of(
        evaluate_scorers(scores, labels_of(("a", 0.0, 9.0, "hum")), CONFIG).systems, "title"
    )
    assert row["f1"] == 1
    assert row["false_alarms_per_hour"] == 0


def test_what_was_not_scored_is_counted_and_taken_for_neither():
    scores = scores_of({"a": [NAN, 0.9], "b": [NAN, 0.1]})
    labels = labels_of(("a", 0.0, 20.0, "hum"))
    row = row_of(evaluate_scorers(scores, labels, CONFIG).systems, "segment")
    assert row["segments_unscored"] == 2
    assert row["recall"] == 0.5, "a defect that was not scored is missed"
    # Of b only one segment of 10 s was listened to: no false alarm in 20 s of scored sound.
    assert row["false_alarms_per_hour"] == 0
    assert row["auc"] == 0.5, "the unscored defect loses to the clean one, the other wins"
    loud = scores_of({"a": [NAN, 0.9], "b": [NAN, 0.95]})
    row = row_of(evaluate_scorers(loud, labels, CONFIG).systems, "segment")
    assert row["auc"] == 0
    assert row["false_alarms_per_hour"] == pytest.approx(1 / (20 / 3600))


def test_scores_of_a_title_that_is_not_listed_are_refused():
    titles = pd.DataFrame({"title": ["a"], "split": "test"})
    scores = scores_of({"a": [0.9, 0.1], "b": [0.1]})
    with pytest.raises(ValueError, match="scores of 'b', which is no title of this split"):
        evaluate_scorers(scores, labels_of(), CONFIG, titles)
    with pytest.raises(ValueError, match=r"titles lack the columns \['split'\]"):
        evaluate_scorers(scores, labels_of(), CONFIG, titles[["title"]])


def test_titles_named_by_numbers_are_matched_by_their_text():
    scores = scores_of({7: [0.9, 0.1], 8: [0.1, 0.1]})
    labels = labels_of((7, 0.0, 9.0, "hum")).astype({"title": int})
    titles = pd.DataFrame({"title": [7, 8], "split": "test"})
    assert row_of(evaluate_scorers(scores, labels, CONFIG, titles).systems, "title")["f1"] == 1


def test_pages_have_a_row_for_all_and_say_what_is_absent():
    scores = pd.concat(
        [
            many(0, "padam", 1.0),
            many(0, "padam", 1.0, 4, "validation"),
            many(1, "srmr", 0.2),
            many(1, "srmr", 0.2, 4, "validation"),
        ],
        ignore_index=True,
    )
    labels = pd.concat([labels_for(), labels_for(4, "validation")], ignore_index=True)
    absent = {"nisqa": "weights absent: padam weights fetch nisqa"}
    evaluation = evaluate_scorers(scores, labels, CONFIG, None, absent)
    page = markdown_tables(evaluation.systems, evaluation.defects, {"defective": 20, "clean": 20})
    assert page.count("weights absent: padam weights fetch nisqa") == 4
    assert page.count("| PADAM: + SVM classifier |") == 6
    assert "## Table 2" in page
    assert "## Table 3" in page
    for line in page.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
    assert "nan" not in page
    tex = latex_tables(evaluation.systems)
    assert tex.count(r"\begin{table}") == tex.count(r"\end{table}") == 4
    assert r"95 \%" not in tex
    assert "_" not in tex.replace(r"\_", "")
    assert r"\textbf{" in tex
    rows = [line for line in tex.splitlines() if line.startswith("SRMR")]
    header = next(line for line in tex.splitlines() if line.startswith("Model"))
    assert rows[0].count("&") == header.count("&")


def test_systems_stand_as_in_the_paper():
    names = ["padam", "mine", "nisqa", "quality_head", "audio_artifacts", "nisqa"]
    assert in_order(names) == ["mine", "audio_artifacts", "nisqa", "quality_head", "padam"]
