"""A listening test made and read back by `kedro run`, from clips and q̂ that are there already."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import soundfile
from click.testing import CliRunner, Result
from kedro.framework.cli.cli import KedroCLI

from padam.defects.shards import ClipPair, write_shard
from padam.hooks.mlflow_record import RUN_FILE
from padam.quality.ratings import read_ratings
from tests.quality.listening_kit import make_pairs, quality_of

VERSION = "2026-01-01T00.00.00.000Z"
KIT, KEY = "08_reporting/listening_test_kit", "08_reporting/listening_test_key.csv"
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clip pairs, manifest and q̂ as a run leaves them."""
    root = tmp_path_factory.mktemp("data")
    pairs = {
        name: ClipPair(name, pair.reference, pair.degraded, pair.sample_rate, {"clip_id": name})
        for name, pair in make_pairs().items()
    }
    write_shard(root / "03_primary/clip_pairs" / VERSION / "clip_pairs/a.tar", pairs.values())
    table = quality_of(pairs)
    for name, columns in (
        ("03_primary/clip_manifest.parquet", ["clip_id", "split", "labels"]),
        ("04_feature/fused_quality.parquet", list(table.columns)),
    ):
        path = root / name / VERSION / Path(name).name
        path.parent.mkdir(parents=True)
        table[columns].to_parquet(path, index=False)
    return root


@pytest.fixture(scope="module")
def run(data: Path, project: Path) -> Run:
    def run_pipeline(pipeline: str, **parameters: object) -> Result:
        given = {"data_root": data, "media": data, "titles": data, **parameters}
        text = ",".join(f"{name}={value}" for name, value in given.items())
        command = ["run", "--env", "test", "--pipelines", pipeline, "--params", text]
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(project)
            return CliRunner().invoke(KedroCLI(project), command)

    return run_pipeline


def latest(root: Path, dataset: str) -> Path:
    return max((root / dataset).iterdir()) / Path(dataset).name


@pytest.fixture(scope="module")
def before(data: Path, run: Run) -> Result:
    """Results read back where no test has been made."""
    hand_in(data / "early", pd.DataFrame(), "ann", 3)
    return run("listening_results", listening_results=data / "early")


@pytest.fixture(scope="module")
def kit(data: Path, run: Run, before: Result) -> Path:
    result = run("listening_test", **{"listening_test.sample.clips": 5})
    assert result.exit_code == 0, result.output
    assert "5 clips, 2 hidden references, 2 for practice" in result.output
    kit = latest(data, KIT)
    assert str(kit / "index.html") in re.sub(r"[│\s]", "", result.output), "folded in a table"
    return kit


def hand_in(folder: Path, key: pd.DataFrame, listener: str, score: int) -> None:
    """Write what the page saves when a listener gives everything the same score."""
    rows = [
        f"{row.test_id},{listener},{row.Index + 1},{row.item},{score},9.5,1,{len(key)}"
        for row in key.itertuples()
    ]
    folder.mkdir(exist_ok=True)
    lines = ["test,listener,trial,item,score,seconds,session,rows", *rows, ""]
    (folder / f"{listener}.csv").write_text("\n".join(lines))


def test_a_kit_is_a_page_with_its_audio_and_the_key_lies_apart(kit: Path, data: Path) -> None:
    key = pd.read_csv(latest(data, KEY))
    assert key["kind"].value_counts().to_dict() == {"clip": 5, "training": 2, "hidden_reference": 2}
    assert {path.name for path in kit.iterdir()} == {"index.html", "audio"}
    assert {path.stem for path in (kit / "audio").iterdir()} == set(key["item"])
    page = (kit / "index.html").read_text(encoding="utf-8")
    assert json.loads(re.findall(r'id="test">(.*?)</script>', page)[0])["id"] == key["test_id"][0]
    pairs = make_pairs()
    for row in key.itertuples():
        audio, _ = soundfile.read(kit / "audio" / f"{row.item}.flac")
        expected = pairs[row.clip]
        side = expected.reference if row.kind == "hidden_reference" else expected.degraded
        assert abs(audio.T - side).max() < 2**-22
    assert (kit.parent / RUN_FILE).exists(), "MLflow has it on record"
    summary = json.loads(latest(data, "08_reporting/listening_test_summary.json").read_text())
    assert sum(summary["items"].values()) == len(key)


def test_results_come_back_as_ratings_of_clips(
    kit: Path, data: Path, run: Run, tmp_path: Path
) -> None:
    key = pd.read_csv(latest(data, KEY))
    again = run("listening_test", **{"listening_test.sample.clips": 4})
    assert again.exit_code == 0, again.output
    assert pd.read_csv(latest(data, KEY))["test_id"][0] != key["test_id"][0]
    for listener, score in (("ann", 4), ("bob", 2)):
        hand_in(tmp_path / "handed in", key, listener, score)
    result = run("listening_results", listening_results=tmp_path / "handed in")
    assert result.exit_code == 0, result.output
    assert "ann 5, bob 5" in result.output
    ratings = pd.read_csv(latest(data, "03_primary/ratings.csv"))
    assert len(ratings) == 2 * len(key), "of the first test, though a second one was made"
    assert ratings.groupby("listener")["score"].unique().str[0].to_dict() == {"ann": 4, "bob": 2}
    for _, mine in ratings.groupby("listener"):
        assert mine.sort_values("trial")["clip"].tolist() == key["clip"].tolist()
        assert mine.sort_values("trial")["kind"].tolist() == key["kind"].tolist()
    table = pd.read_csv(latest(data, "03_primary/ratings.csv"), dtype=str)
    understood = read_ratings(table, list(make_pairs()))
    assert len(understood.clips) == 2 * 5
    assert len(understood.hidden_references) == 2 * 2
    assert understood.dropped == {"training": 2 * 2, "unanswered": 0, "unknown_clip": 0}


def test_faults_are_one_message(kit: Path, run: Run, tmp_path: Path) -> None:
    empty = run("listening_results", listening_results=tmp_path)
    assert empty.exit_code == 1
    assert f"There is no .csv file in '{tmp_path}'. Put there what" in empty.output
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    bad = run("listening_results", listening_results=tmp_path)
    assert bad.exit_code == 1
    assert f"{tmp_path / 'a.csv'}: has no column test, listener" in bad.output
    large = run("listening_test", **{"listening_test.sample.clips": 99})
    assert large.exit_code == 1
    assert "99 clips are to be rated, but 12" in large.output


def test_without_a_test_there_is_nothing_to_read_back(before: Result) -> None:
    assert before.exit_code == 1
    assert "Make a test with `kedro run --pipelines listening_test`" in before.output
