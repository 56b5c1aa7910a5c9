import numpy as np
import pandas as pd
import pytest

from padam.defects.clip_ids import check_same_clips, clip_ids, clip_rng, clips_of

ROWS = [
    {"source": f"music/{n}.flac", "start_s": 1.5 * n, "seed": 1, "split": "train", "layers": "[]"}
    for n in range(12)
]


def test_source_start_and_seed_decide_what_is_drawn():
    first = clip_rng(1, "a.flac", 2.0).random()
    assert first == clip_rng(1, "a.flac", 2).random()
    others = [clip_rng(2, "a.flac", 2.0), clip_rng(1, "b.flac", 2.0), clip_rng(1, "a.flac", 2.001)]
    assert len({first, *(rng.random() for rng in others)}) == 4


def test_ids_sort_in_the_order_of_the_plan_however_long_it_is(monkeypatch):
    monkeypatch.setattr("padam.defects.clip_ids._DIGITS", 2)
    for count, digits in ((12, 2), (100, 2), (101, 3)):
        ids = clip_ids(({"seed": 1} for _ in range(count)), "")
        assert ids == sorted(ids)
        assert len(set(ids)) == count
        assert {len(name) for name in ids} == {digits + 9}


@pytest.mark.parametrize(
    "change",
    [
        {"source": "music/x.flac"}, {"start_s": 0.001}, {"seed": 2}, {"split": "validation"},
        {"layers": '[{"role": "music"}]'},
    ],
)  # fmt: skip
def test_anything_that_determines_a_clip_changes_its_id(change):
    (before,), (after,) = clip_ids(ROWS[:1], "w"), clip_ids([{**ROWS[0], **change}], "w")
    assert before != after
    assert before[:7] == after[:7] == "000000-"
    assert clip_ids(ROWS[:1], "another workflow") != [before]


def test_a_digest_depends_on_no_other_row_and_survives_a_table():
    ids = clip_ids(ROWS, "w")
    assert clip_ids(ROWS[:3], "w") == ids[:3]
    assert clip_ids(ROWS[5:], "w")[0][6:] == ids[5][6:]
    table = pd.DataFrame([{**row, "start_s": np.float64(row["start_s"])} for row in ROWS])
    table.insert(0, "clip_id", ids)
    assert clip_ids(table.to_dict(orient="records"), "w") == ids


def test_the_same_clips_in_any_order_pass():
    check_same_clips({"a": ["1", "2"], "b": pd.Series(["2", "1"]), "c": {"1", "2"}})
    check_same_clips({"a": []})


def test_other_clips_are_refused_with_the_datasets_and_the_remedy():
    with pytest.raises(ValueError, match="do not hold the same clips") as caught:
        check_same_clips(
            {"metric_scores": clip_ids(ROWS, "w"), "clip_manifest": clip_ids(ROWS, "v")}
        )
    text = str(caught.value)
    assert "12 are only in 'metric_scores' (000000-" in text
    assert "12 are only in 'clip_manifest'" in text
    assert "--load-versions metric_scores:VERSION,clip_manifest:VERSION" in text
    with pytest.raises(ValueError, match="0 are only in 'a', 1 are only in 'b' \\(3\\)"):
        check_same_clips({"a": ["1"], "b": ["1", "3"]})


def test_names_of_embeddings_are_of_clips():
    assert clips_of(["000000-ab.reference", "000000-ab.degraded"]) == {"000000-ab"}
