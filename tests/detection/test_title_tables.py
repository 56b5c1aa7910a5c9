"""Tables of titles as people write them: what is wrong is named, what is harmless is noted."""

import numpy as np
import pandas as pd
import pytest

from padam.detection.title_tables import check_titles


def titles(**changes: object) -> pd.DataFrame:
    """Two titles of a minute."""
    table = {
        "title": ["a", "b"],
        "split": ["test", "test"],
        "file": ["a.flac", "b.flac"],
        "duration_s": [60.0, 60.0],
    }
    return pd.DataFrame({**table, **changes})


def labels(*rows: tuple[object, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["title", "start_s", "end_s", "defect"])


def test_columns_that_may_be_absent_are_filled() -> None:
    checked = check_titles(titles(), labels(("a", 1, 2, "hum")))
    assert checked.titles[["content", "look_alike"]].values.tolist() == [["", ""]] * 2
    assert checked.labels["error_to_signal_db"].isna().all()
    assert checked.notes == ()
    given = titles(content=["music", np.nan], look_alike=[np.nan, "rain"])
    told = check_titles(given, labels(("a", 1, 2, "hum")).assign(error_to_signal_db=-3))
    assert told.titles[["content", "look_alike"]].values.tolist() == [["music", ""], ["", "rain"]]
    assert told.labels["error_to_signal_db"].tolist() == [-3.0]


def test_titles_without_a_label_are_clean() -> None:
    checked = check_titles(titles(), labels())
    assert checked.labels.empty
    assert list(checked.labels.columns)[-1] == "error_to_signal_db"
    assert len(checked.titles) == 2


def test_input_stays_as_it_was() -> None:
    given, told = titles(), labels(("a", 0.0, 60.01, "hum"), ("b", 1.0, 2.0, "hum"))
    before = given.copy(), told.copy()
    check_titles(given, told)
    pd.testing.assert_frame_equal(given, before[0])
    pd.testing.assert_frame_equal(told, before[1])


def test_labels_of_one_kind_that_overlap_are_merged_and_counted() -> None:
    told = labels(
        ("a", 10, 20, "hum"),
        ("a", 15, 18, "hum"),
        ("a", 19, 30, "hum"),
        ("a", 30, 31, "hum"),
        ("a", 12, 14, "hiss"),
        ("b", 15, 18, "hum"),
    ).assign(error_to_signal_db=[-10, -5, np.nan, np.nan, 1, 2])
    checked = check_titles(titles(), told)
    expected = [
        ["a", 10, 30, "hum", -5],
        ["a", 12, 14, "hiss", 1],
        ["a", 30, 31, "hum", None],
        ["b", 15, 18, "hum", 2],
    ]
    found = checked.labels.astype(object).where(checked.labels.notna(), None).values.tolist()
    assert found == expected
    assert checked.notes == (
        "2 labels overlapped another of the same defect and are merged with it",
    )


def test_merging_covers_the_same_time_as_brute_force() -> None:
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 500, 60) / 10
    ends = starts + rng.integers(1, 80, 60) / 10
    rows = [("a", s, min(e, 60), "hum") for s, e in zip(starts, ends, strict=True)]
    checked = check_titles(titles(), labels(*rows)).labels
    middles = np.arange(600) / 10 + 0.05
    covered = [any(s < t < e for _, s, e, _ in rows) for t in middles]
    merged = [int(((checked["start_s"] < t) & (checked["end_s"] > t)).sum()) for t in middles]
    assert merged == [int(each) for each in covered]


def test_an_end_beyond_the_title_by_a_rounding_is_cut_and_noted() -> None:
    checked = check_titles(titles(), labels(("a", 50, 60.015, "hum")))
    assert checked.labels["end_s"].tolist() == [60.0]
    assert checked.notes == (
        "1 labels passed the end of their title by a rounding and are cut there",
    )


def test_titles_shorter_than_a_segment_are_noted() -> None:
    checked = check_titles(titles(duration_s=[5.0, 60.0]), labels())
    assert checked.notes == ("1 titles are shorter than a segment of 10 s: one score each",)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (("a", 10, 61, "hum"), r"end_s 61.* of title a: expected at most the title's duration_s"),
        (("a", 60, 60.01, "hum"), r"end_s 60\.01 of title a: expected at most"),
        (("c", 10, 20, "hum"), r"labels of titles that titles\.csv does not hold: c"),
        (("a", 10, 20, "wow"), r"defect wow of title a: expected one of hum, hiss"),
        (("a", 10, 20, None), r"defect .* of title a: expected one of hum, hiss"),
        (("a", float("nan"), 20, "hum"), r"start_s nan of title a: expected a number"),
        (("a", 10, float("inf"), "hum"), r"end_s inf of title a: expected a number"),
        (("a", "0:10", 20, "hum"), r"start_s 0:10 of title a: expected a number"),
        (("a", -1, 20, "hum"), r"start_s -1.* of title a: expected 0 or more"),
        (("a", 20, 20, "hum"), r"end_s 20.* of title a: expected above start_s"),
        (("a", 21, 20, "hum"), r"end_s 20.* of title a: expected above start_s"),
    ],
)
def test_a_wrong_label_is_named(told: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^/archive: labels\.csv: {message}"):
        check_titles(titles(), labels(told), "/archive")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": ["a", "a"]}, r"title a is there twice"),
        ({"file": ["a.flac", "a.flac"]}, r"file a\.flac is there twice"),
        ({"title": ["a", None]}, r"title .* of title .*: expected a value"),
        ({"file": ["a.flac", None]}, r"file .* of title b: expected a value"),
        ({"split": ["test", ""]}, r"split .* of title b: expected a value"),
        ({"duration_s": [60, float("nan")]}, r"duration_s nan of title b: expected a number"),
        ({"duration_s": [60, "long"]}, r"duration_s long of title b: expected a number"),
        ({"duration_s": [60, 0.5]}, r"duration_s 0\.5 of title b: expected 1 s or more"),
    ],
)
def test_a_wrong_title_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^/archive: titles\.csv: {message}"):
        check_titles(titles(**changes), labels(), "/archive")


def test_missing_columns_and_no_titles_are_named() -> None:
    with pytest.raises(ValueError, match=r"titles\.csv lacks the columns split, file"):
        check_titles(titles().drop(columns=["split", "file"]), labels())
    with pytest.raises(ValueError, match=r"labels\.csv lacks the columns defect"):
        check_titles(titles(), labels().drop(columns="defect"))
    with pytest.raises(ValueError, match=r"titles\.csv holds no title"):
        check_titles(titles().iloc[:0], labels())


def test_many_wrong_rows_are_counted() -> None:
    rows = [("a", 10, 20 + n, "wow") for n in range(8)]
    with pytest.raises(ValueError, match=r"defect wow of title a; .* and 3 more: expected"):
        check_titles(titles(), labels(*rows))
