"""Segments of titles as rows, against intervals whose overlap is known."""

import numpy as np
import pandas as pd
import pytest

from padam.defects.registry import DEFECT_NAMES
from padam.detection.matching import LABEL_COLUMNS
from padam.detection.title_embeddings import TitleEmbeddings
from padam.detection.title_segments import SegmentRules, label_segments, segment_arrays


def embedded(segments: int, *, silent: int | None = None) -> TitleEmbeddings:
    times = np.array([(10.0 * n, 10.0 * n + 10) for n in range(segments)])
    embeddings = np.zeros((segments, 1, 75, 384), dtype=np.float16)
    embeddings += np.arange(segments).reshape(-1, 1, 1, 1).astype(np.float16)
    if silent is not None:
        embeddings[silent] = np.nan
    evidence = np.arange(segments, dtype=np.float32).reshape(-1, 1, 1)
    return TitleEmbeddings(times, embeddings, evidence)


def titles(*names: str) -> pd.DataFrame:
    return pd.DataFrame({"title": names, "split": "train"})


def test_a_segment_holds_the_defects_that_overlap_it_for_long_enough() -> None:
    labels = pd.DataFrame(
        [("a", 9.5, 15.0, "hum"), ("a", 14.0, 20.2, "clicks"), ("b", 0.0, 9.0, "hiss")],
        columns=LABEL_COLUMNS,
    )
    arrays = segment_arrays("a", embedded(4)) | segment_arrays("b", embedded(1))
    rows = label_segments(titles("a", "b"), labels, arrays, SegmentRules(min_overlap_s=0.5))
    assert rows["clip_id"].tolist() == ["a"] * 4 + ["b"]
    held = {name: rows.loc[rows[name] == 1, ["clip_id", "start_s"]] for name in DEFECT_NAMES}
    assert held["hum"].to_numpy().tolist() == [["a", 0.0], ["a", 10.0]]
    assert held["clicks"].to_numpy().tolist() == [["a", 10.0]]
    assert held["hiss"].to_numpy().tolist() == [["b", 0.0]]
    assert rows["defective"].tolist() == [1, 1, 0, 0, 1]
    # clicks overlap the third segment by 0.2 s: neither clean nor worth learning from
    assert rows["complete"].tolist() == [True, True, False, True, True]
    assert rows["overlap_s"].tolist() == pytest.approx([0.5, 6.0, 0.2, 0, 9.0])


def test_intervals_of_one_defect_count_together_and_silence_is_left_out() -> None:
    labels = pd.DataFrame(
        [("a", 1.0, 1.3, "drops"), ("a", 5.0, 5.3, "drops")], columns=LABEL_COLUMNS
    )
    arrays = segment_arrays("a", embedded(2, silent=1))
    rows = label_segments(titles("a"), labels, arrays, SegmentRules())
    assert rows["drops"].tolist() == [1, 0]
    assert rows["complete"].tolist() == [True, False]


def test_the_arrays_of_titles_have_names_of_their_own() -> None:
    first, second = segment_arrays("a", embedded(2)), segment_arrays("b", embedded(2))
    assert not set(first) & set(second)
    np.testing.assert_array_equal(first["a.00001"], np.ones((1, 75, 384)))
    assert first["a.00001.native_evidence"].tolist() == [[1.0]]
    assert first["a.times"].tolist() == [[0, 10], [10, 20]]


def test_no_titles_make_an_empty_table_of_the_same_columns() -> None:
    arrays = segment_arrays("a", embedded(1))
    none = pd.DataFrame(columns=LABEL_COLUMNS)
    empty = label_segments(titles(), none, arrays, SegmentRules())
    assert (
        empty.columns.tolist()
        == label_segments(titles("a"), none, arrays, SegmentRules()).columns.tolist()
    )
    assert empty.empty
