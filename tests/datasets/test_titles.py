"""Titles on disk: what is written is read back, and what others wrote is read or refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from padam.audio.media import read_audio
from padam.datasets.shard_jobs import Compute, ShardJobs
from padam.datasets.titles import TitlesDataset, read_titles
from padam.detection.titles import Title

RATE = 16_000
COLUMNS = ["title", "start_s", "end_s", "defect"]


def title(name: str, labels: pd.DataFrame, **told: str) -> Title:
    audio = 0.1 * np.random.default_rng(0).standard_normal((1, 12 * RATE)).astype(np.float32)
    return Title(name, "test", audio, RATE, labels, {"made": "here"}, **told)


def saved(folder: Path, *titles: Title) -> TitlesDataset:
    dataset = TitlesDataset(filepath=str(folder))
    jobs = {each.title_id: (lambda each=each: each) for each in titles}
    dataset.save(ShardJobs("work", jobs, Compute(n_jobs=1)))
    return dataset


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    told = pd.DataFrame([("007", 1.25, 3.5, "hum", -4.5)], columns=[*COLUMNS, "error_to_signal_db"])
    untold = pd.DataFrame([("b", 2.0, 3.0, "hiss")], columns=COLUMNS)
    clean = pd.DataFrame(columns=COLUMNS)
    dataset = saved(
        tmp_path / "titles",
        title("007", told, content="music", look_alike="rain"),
        title("b", untold),
        title("c", clean),
    )
    folder = dataset.load()
    assert folder.titles["title"].tolist() == ["007", "b", "c"]
    assert folder.titles["content"].tolist() == ["music", "", ""]
    assert folder.titles["look_alike"].tolist() == ["rain", "", ""]
    assert folder.titles["duration_s"].tolist() == [12.0] * 3
    assert folder.labels["error_to_signal_db"].fillna(0).tolist() == [-4.5, 0]
    assert folder.labels[COLUMNS].values.tolist() == [
        ["007", 1.25, 3.5, "hum"],
        ["b", 2, 3, "hiss"],
    ]
    audio = read_audio(folder.path("007.flac"), sample_rate=RATE)
    assert audio.shape == (1, 12 * RATE)
    described = json.loads((tmp_path / "titles" / "b.json").read_text())
    assert described["labels"][0]["defect"] == "hiss"
    assert described["metadata"] == {"made": "here"}


def archive(folder: Path, titles: str, labels: str | None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "titles.csv").write_text(titles)
    if labels is not None:
        (folder / "labels.csv").write_text(labels)
    return folder


TITLES = "title,split,file,duration_s\n1,test,films/1.mov,7200\nnone,test,films/2.mov,60\n"


def test_an_archives_own_tables_are_read(tmp_path: Path) -> None:
    labels = "title,start_s,end_s,defect,by\n1,3,4.5,clicks,me\n"
    folder = read_titles(archive(tmp_path, TITLES, labels))
    assert folder.titles["title"].tolist() == ["1", "none"]
    assert folder.labels[COLUMNS].values.tolist() == [["1", 3, 4.5, "clicks"]]
    assert folder.labels["error_to_signal_db"].isna().all()
    assert folder.path("films/1.mov") == tmp_path / "films" / "1.mov"
    assert folder.notes == ()


def test_what_is_put_right_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    labels = "title,start_s,end_s,defect\n1,3,5,clicks\n1,4,6,clicks\n"
    folder = read_titles(archive(tmp_path, TITLES, labels))
    assert len(folder.notes) == 1
    assert folder.notes[0] in caplog.text


@pytest.mark.parametrize(
    ("titles", "labels", "message"),
    [
        (TITLES, None, r"labels\.csv is missing; where all titles are clean"),
        (TITLES, "", r"labels\.csv cannot be read as a table"),
        (TITLES, "title,start_s,end_s,defect\n1,3,9000,hum\n", r"labels\.csv: end_s 9000"),
        ("", "title,start_s,end_s,defect\n", r"titles\.csv cannot be read as a table"),
        ("title\n1\n", "title,start_s,end_s,defect\n", r"titles\.csv lacks the columns split"),
    ],
)
def test_what_cannot_be_is_refused_with_its_file(
    tmp_path: Path, titles: str, labels: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path}.*{message}"):
        read_titles(archive(tmp_path, titles, labels))


def test_no_table_of_titles_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"titles\.csv is missing$"):
        read_titles(tmp_path)
