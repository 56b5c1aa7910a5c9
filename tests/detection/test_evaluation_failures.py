"""Failures to listen to: which they are, what is heard, and what is told without a sound."""

import re

import numpy as np
import pandas as pd
import pytest
import soundfile

from padam.audio.media import write_flac
from padam.detection.evaluation_failures import (
    FALSE_ALARM,
    MISS,
    Failures,
    FailuresConfig,
    worst_failures,
    write_failures,
)
from tests.detection.test_title_evaluation import labels_of, scores_of

NAN = float("nan")
CONFIG = FailuresConfig(worst=3, around_s=2.0, longest_s=14.0)


def titles_of(*names, **columns):
    return pd.DataFrame({"title": list(names), "split": "test", **columns})


def of_kind(table, kind):
    return table[table["kind"] == kind].reset_index(drop=True)


def test_a_miss_is_a_label_without_a_flagged_segment_the_lowest_score_first():
    scores = scores_of({"a": [0.1, 0.9, 0.3, NAN], "b": [0.2, 0.0, 0.0, 0.0]})
    labels = labels_of(
        ("a", 2.0, 4.0, "hum"),      # 0.1
        ("a", 8.0, 12.0, "hiss"),    # 0.9 finds it
        ("a", 22.0, 24.0, "drops"),  # 0.3
        ("a", 31.0, 33.0, "clicks"), # not scored
        ("b", 1.0, 2.0, "clipping"), # 0.2
    )  # fmt: skip
    table = worst_failures(scores, labels, titles_of("a", "b"), "s", 0.5, CONFIG)
    misses = of_kind(table, MISS)
    assert misses["defect"].tolist() == ["clicks", "hum", "clipping"]
    assert misses["rank"].tolist() == [1, 2, 3]
    assert np.isnan(misses["score"][0])
    assert misses["score"][1:].tolist() == [0.1, 0.2]
    assert (misses["threshold"] == 0.5).all()
    assert (misses["excerpt_start_s"].tolist(), misses["excerpt_end_s"].tolist()) == (
        [29.0, 0.0, 0.0],
        [35.0, 6.0, 4.0],
    )


def test_a_false_alarm_is_a_run_of_flagged_clean_segments_the_highest_score_first():
    scores = scores_of({"a": [0.6, 0.7, 0.9, 0.1, 0.8], "b": [0.95, 0.1], "c": [0.9, 0.9]})
    labels = labels_of(("a", 21.0, 24.0, "hum"), ("elsewhere", 0.0, 9.0, "hum"))
    table = worst_failures(scores, labels, titles_of("a", "b", "c"), "s", 0.5, CONFIG)
    alarms = of_kind(table, FALSE_ALARM)
    # a ends with 0.8, c begins flagged: two runs, though the rows are next to each other
    assert alarms[["title", "start_s", "end_s", "score"]].to_numpy().tolist() == [
        ["b", 0.0, 10.0, 0.95],
        ["c", 0.0, 20.0, 0.9],
        ["a", 40.0, 50.0, 0.8],
    ]
    assert alarms["excerpt_end_s"].tolist() == [12.0, 14.0, 52.0]


def test_only_the_test_titles_and_the_system_that_was_asked_for():
    scores = pd.concat(
        [
            scores_of({"a": [0.9, 0.9]}),
            scores_of({"v": [0.9]}, split="validation"),
            scores_of({"a": [0.9, 0.9]}, scorer="other"),
        ]
    )
    titles = titles_of("a", "v", content="music", look_alike=["rain", None])
    titles["split"] = ["test", "validation"]
    labels = labels_of(("v", 0.0, 5.0, "hum"))
    table = worst_failures(scores, labels, titles, "s", 0.5, CONFIG)
    assert table["title"].tolist() == ["a"]
    assert table["content"].tolist() == ["music"]
    assert table["look_alike"].tolist() == ["rain"]


@pytest.mark.parametrize("threshold", [NAN, 2.0])
def test_a_system_that_flags_nothing_has_misses_only(threshold):
    scores = scores_of({"a": [0.9, 0.1]})
    table = worst_failures(
        scores, labels_of(("a", 0.0, 5.0, "hum")), titles_of("a"), "s", threshold, CONFIG
    )
    assert table["kind"].tolist() == [MISS]
    assert worst_failures(scores, labels_of(), titles_of("a"), "s", threshold, CONFIG).empty


def test_the_excerpt_is_what_lies_there(tmp_path):
    rate = 48_000
    ramp = np.tile(np.linspace(-0.9, 0.9, 30 * rate, dtype=np.float32), (2, 1))
    write_flac(tmp_path / "a.flac", ramp, rate)
    scores = scores_of({"a": [0.1, 0.9, 0.2], "gone": [0.9]})
    labels = labels_of(("a", 21.0, 24.0, "hum"))
    table = worst_failures(scores, labels, titles_of("a", "gone"), "s", 0.5, CONFIG)
    paths = {"a": tmp_path / "a.flac", "gone": tmp_path / "gone.flac"}
    page = write_failures(tmp_path / "out", Failures(table, paths))

    written = pd.read_csv(tmp_path / "out" / "failures.csv")
    assert written.loc[0, "file"] == "miss_01.flac"
    samples, found_rate = soundfile.read(tmp_path / "out" / "miss_01.flac", dtype="float32")
    assert (found_rate, samples.shape) == (rate, (7 * rate, 2))
    expected = ramp[:, 19 * rate : 26 * rate].T
    np.testing.assert_allclose(samples, expected, atol=2**-14)
    gone = written[written["title"] == "gone"].iloc[0]
    assert pd.isna(gone["file"])
    assert "gone.flac" in gone["reason"]
    text = page.read_text(encoding="utf-8")
    assert 'src="miss_01.flac"' in text
    assert "No sound: " in text
    assert re.search(r"\bnan\b", text, re.IGNORECASE) is None
    for file in written["file"].dropna():
        assert (tmp_path / "out" / file).is_file()


def test_a_page_without_failures_says_so(tmp_path):
    table = worst_failures(
        scores_of({"a": [0.1]}), labels_of(), titles_of("a"), "s", 0.5, FailuresConfig(worst=0)
    )
    page = write_failures(tmp_path / "out", Failures(table, {}))
    assert page.read_text(encoding="utf-8").count("None.") == 2


def test_names_are_no_markup(tmp_path):
    scores = scores_of({"<b>a": [0.9]})
    table = worst_failures(scores, labels_of(), titles_of("<b>a"), "s", 0.5, CONFIG)
    page = write_failures(tmp_path, Failures(table, {"<b>a": tmp_path / "a.wav"}))
    assert "<b>a" not in page.read_text(encoding="utf-8")
