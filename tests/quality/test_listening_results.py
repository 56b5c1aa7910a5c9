"""Files of listeners: what is read from them, and what is refused."""

from pathlib import Path

import pandas as pd
import pytest

from padam.quality.listening_results import (
    RATING_COLUMNS,
    read_keys,
    read_results,
    summarise_results,
)

HEADER = "test,listener,trial,item,score,seconds,session,rows"
KEY = pd.DataFrame(
    [
        ("lt-1", "bcd", "training", "000003"),
        ("lt-1", "fgh", "clip", "000001"),
        ("lt-1", "jkl", "hidden_reference", "000001"),
        ("lt-1", "mnp", "clip", "000002"),
        ("lt-2", "fgh", "clip", "000009"),
    ],
    columns=["test_id", "item", "kind", "clip"],
)
ANNA = ["bcd,4,11.0", "mnp,2,12.5", "jkl,5,10.1", "fgh,1,30.0"]
BO = ["bcd,3,11.0", "fgh,2,12.0"]


def written(answers: list[str], listener: str, test: str = "lt-1", session: int = 1) -> str:
    """The file that the page saves after the answers, each `item,score,seconds`."""
    lines = [
        f"{test},{listener},{number},{answer},{session},{len(answers)}"
        for number, answer in enumerate(answers, start=1)
    ]
    return "\n".join([HEADER, *lines]) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "anna.csv").write_text(written(ANNA, "anna"))
    (tmp_path / "bo.csv").write_text(written(BO, "007", session=2))
    return tmp_path


def test_ratings_name_the_clip_that_was_heard(folder: Path) -> None:
    ratings = read_results(folder, KEY)
    assert tuple(ratings.columns) == RATING_COLUMNS
    assert ratings.to_dict(orient="split")["data"] == [
        ["000003", "007", 3, 1, "training", 11.0, 2],
        ["000001", "007", 2, 2, "clip", 12.0, 2],
        ["000003", "anna", 4, 1, "training", 11.0, 1],
        ["000002", "anna", 2, 2, "clip", 12.5, 1],
        ["000001", "anna", 5, 3, "hidden_reference", 10.1, 1],
        ["000001", "anna", 1, 4, "clip", 30.0, 1],
    ]
    assert summarise_results(ratings) == {
        "listeners": 2,
        "clips": 2,
        "ratings": {"clip": 3, "hidden_reference": 1, "training": 2},
        "clips_by_listener": {"007": 1, "anna": 2},
    }


def test_files_are_taken_one_by_one_too(folder: Path) -> None:
    whole = read_results(folder, KEY)
    named = read_results([folder / "bo.csv", folder / "anna.csv"], KEY)
    pd.testing.assert_frame_equal(whole, named)
    one = read_results(folder / "bo.csv", KEY)
    assert one["listener"].unique().tolist() == ["007"]


def test_the_file_may_have_gone_through_an_editor(folder: Path) -> None:
    before = read_results(folder, KEY)
    text = written(ANNA, "anna").replace("\n", "\r\n").rstrip()
    (folder / "anna.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    pd.testing.assert_frame_equal(read_results(folder, KEY), before)


def test_keys_of_several_tests_are_told_apart(folder: Path) -> None:
    for number, test in enumerate(("lt-1", "lt-2")):
        place = folder / f"version-{number}"
        place.mkdir()
        KEY[KEY["test_id"] == test].to_csv(place / "key.csv", index=False)
    keys = read_keys(sorted(folder.glob("*/key.csv")))
    pd.testing.assert_frame_equal(keys, KEY, check_dtype=False)
    (folder / "anna.csv").write_text(written(["fgh,5,1.0"], "anna", test="lt-2"))
    assert read_results(folder / "anna.csv", keys)["clip"].tolist() == ["000009"]


def test_every_cut_of_a_file_is_noticed(tmp_path: Path) -> None:
    text = written(ANNA, "anna")
    for length in range(len(text) - 1):  # without the last newline it is still whole
        (tmp_path / "cut.csv").write_text(text[:length])
        with pytest.raises(ValueError, match=r"cut\.csv"):
            read_results(tmp_path, KEY)


def spoiled(old: str, new: str) -> str:
    text = written(ANNA, "anna")
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (spoiled("mnp,2", "mnp,6"), r"line 3, score '6': .*less than or equal to 5"),
        (spoiled("mnp,2", "mnp,0"), r"line 3, score '0': .*greater than or equal to 1"),
        (spoiled("mnp,2", "mnp,2.5"), r"line 3, score '2.5'"),
        (spoiled("mnp,2", "mnp,"), r"line 3, score ''"),
        (spoiled("12.5", "nan"), r"line 3, seconds 'nan'"),
        (spoiled("12.5", "-1"), r"line 3, seconds '-1'"),
        (spoiled("anna,2", "anna,0"), r"line 3, trial '0'"),
        (spoiled("12.5,1,4", "12.5,1,4,oh"), "line 3 is not whole"),
        (spoiled("mnp", "fgh"), "holds item fgh twice"),
        (spoiled("anna,2", "anna,1"), "holds trial 1 twice"),
        (spoiled("mnp", "xyz"), "rates xyz, which test lt-1 does not have"),
        (spoiled("lt-1,anna,2", "lt-2,anna,2"), r"more than one test \(lt-1, lt-2\)"),
        (spoiled("anna,2", "bo,2"), r"more than one listener \(anna, bo\)"),
        (
            written(ANNA, "anna", test="lt-9"),
            r"of test lt-9, .*known: lt-1, lt-2.*data_root",
        ),
        (written(ANNA, "anna").replace(",", ";"), "has no column test, listener, "),
        (HEADER + "\n", "holds no rating"),
        ("", "has no column test"),
        (written(ANNA, "anna") + written(ANNA, "anna"), "line 6, trial 'trial'"),
        ("\n".join(written(ANNA, "anna").split("\n")[:-2]), "holds 3 of 4 lines"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_and_the_reason(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(ValueError, match=f"bad.csv: .*{message}"):
        read_results(tmp_path, KEY)


def test_a_picture_is_no_result(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ValueError, match="no text in UTF-8"):
        read_results(tmp_path, KEY)


def test_two_files_of_a_listener_are_refused(folder: Path) -> None:
    (folder / "anna (1).csv").write_text(written(ANNA[:2], "anna"))
    with pytest.raises(ValueError, match=r"listener anna has 2 files: .*\(2\), .*\(4\) ratings"):
        read_results(folder, KEY)


def test_files_of_two_tests_are_refused(folder: Path) -> None:
    (folder / "zoe.csv").write_text(written(["fgh,5,1.0"], "zoe", test="lt-2"))
    with pytest.raises(ValueError, match="the files are of 2 tests"):
        read_results(folder, KEY)


def test_all_bad_files_are_named_at_once(folder: Path) -> None:
    for name in ("x", "y"):
        (folder / f"{name}.csv").write_text(HEADER)
    with pytest.raises(ValueError, match=r"(?s)x\.csv: holds no rating.*y\.csv: holds no rating"):
        read_results(folder, KEY)


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no results: there is no \.csv file in"):
        read_results(tmp_path, KEY)
    with pytest.raises(FileNotFoundError, match=r"gone\.csv"):
        read_results(tmp_path / "gone.csv", KEY)
