"""CSV files of a folder, a file, and on other storages."""

from pathlib import Path

import fsspec
import pytest
from kedro.io import DatasetError

from padam.audio.storage import read_bytes
from padam.datasets.csv_files import CsvFilesDataset

REMEDY = "Write one."


def files(place: object) -> CsvFilesDataset:
    return CsvFilesDataset(filepath=str(place), remedy=REMEDY)


def test_files_of_a_tree_are_listed_in_order(tmp_path: Path) -> None:
    for name in ("b.csv", "a/c.CSV", "a/run.json", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert files(tmp_path).load() == (tmp_path / "a/c.CSV", tmp_path / "b.csv")
    assert files(tmp_path / "b.csv").load() == (tmp_path / "b.csv",)


@pytest.mark.parametrize("place", [".", "gone"])
def test_no_file_is_an_error_with_what_to_do(tmp_path: Path, place: str) -> None:
    with pytest.raises(DatasetError, match=r"There is no \.csv file in .*\. Write one\."):
        files(tmp_path / place).load()
    assert files(tmp_path / place).exists() == (place == ".")


def test_files_of_object_stores_are_listed(storage: str) -> None:
    with fsspec.open(f"{storage}/results/a.csv", "wb") as file:
        file.write(b"x\n1\n")
    (found,) = files(f"{storage}/results").load()
    assert read_bytes(found) == b"x\n1\n"
    with pytest.raises(DatasetError, match="Write one"):
        files(f"{storage}/none").load()


def test_what_people_hand_in_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="read only"):
        files(tmp_path).save("ratings")
