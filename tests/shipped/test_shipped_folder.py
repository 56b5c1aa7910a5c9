"""A model put where it is shipped: found, altered, absent; its runs and its tables."""

import json
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from padam import scan_inputs, shipped
from padam.audio.media import write_flac
from padam.commands import padam
from padam.detection.padam_model import PadamModel, PadamModelError
from padam.detection.review_volume import review_points
from padam.hooks.exported_run import exported_run, without_folders
from padam.shipped import ShippedModelError, model_folder, shipped_digests
from padam.shipped import release as releases
from padam.shipped.release import ship_model
from padam.shipped.tables import TABLES, Figures, fill_tables
from tests.detection.conftest import RATE, tiny_model  # noqa: F401

RUN = {"run_name": "stage_1", "start_time": "2026-11-28T09:00:00+00:00", "duration_s": 1680.0}


@pytest.fixture
def trained(tiny_model: PadamModel, tmp_path: Path) -> Path:  # noqa: F811
    points = review_points(np.arange(500.0) / 500)
    replace(tiny_model, operating_points=points).save(tmp_path / "trained")
    return tmp_path / "trained"


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A folder with a shipped model."""
    (tmp_path / "shipped").mkdir()
    ship_model(trained, "padam-tiny-1", [RUN], tmp_path / "shipped")
    return tmp_path / "shipped"


@pytest.fixture
def title(tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 12 * RATE)).astype(np.float32)
    write_flac(tmp_path / "title.flac", noise, RATE)
    return tmp_path / "title.flac"


def test_what_was_shipped_is_the_model_under_its_name(folder: Path, trained: Path) -> None:
    model = PadamModel.load(model_folder(folder))
    assert model.name == "padam-tiny-1"
    assert model.operating_points == PadamModel.load(trained).operating_points
    for name in ("encoder.safetensors", "classifier/decision.safetensors"):
        assert (folder / "padam_model" / name).read_bytes() == (trained / name).read_bytes()
    assert json.loads((folder / "training_runs.json").read_text()) == [RUN]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(shipped_digests(folder)) == files - {"sha256.json"}
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*.*")} == {0o644}


@pytest.mark.parametrize("file", ["padam_model/model.json", "padam_model/encoder.safetensors"])
def test_an_altered_file_is_refused_by_name(folder: Path, file: str) -> None:
    content = bytearray((folder / file).read_bytes())
    content[-3] ^= 1
    (folder / file).write_bytes(content)
    with pytest.raises(ShippedModelError, match=rf"{file} was changed .*install padam again"):
        model_folder(folder)


def test_a_forged_threshold_is_refused_though_the_folder_agrees_with_itself(folder: Path) -> None:
    path = folder / "padam_model" / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "threshold": 0.0}))
    PadamModel.load(folder / "padam_model")
    with pytest.raises(ShippedModelError, match=r"model\.json was changed"):
        model_folder(folder)


def test_a_missing_file_and_a_damaged_list_are_told(folder: Path) -> None:
    (folder / "padam_model" / "encoder.safetensors").unlink()
    with pytest.raises(ShippedModelError, match=r"encoder\.safetensors is missing; install"):
        model_folder(folder)
    for damaged in ("{", "[]", "{}"):
        (folder / "sha256.json").write_text(damaged)
        with pytest.raises(ShippedModelError, match=r"sha256\.json"):
            model_folder(folder)


def test_a_copy_without_weights_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ShippedModelError, match=r"no model is shipped .*wheel.*--model newest"):
        model_folder(tmp_path)


def test_a_model_above_the_limit_is_not_shipped(
    trained: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shipped_digests(folder)
    monkeypatch.setattr(releases, "LARGEST_MB", 0.001)
    with pytest.raises(ValueError, match=r"MB are more than the 0\.001"):
        ship_model(trained, "larger", [], folder)
    assert shipped_digests(folder) == before
    assert model_folder(folder).is_dir()
    with pytest.raises(PadamModelError, match="no such folder"):
        ship_model(folder / "none", "none", [], folder)


def invoke(*arguments: object):
    return CliRunner().invoke(padam, [str(each) for each in arguments])


def scan(title: Path, out: Path, *arguments: object):
    return invoke("scan", title, "--out", out, "--jobs", 0, *arguments)


@pytest.fixture
def as_shipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in the place of the package's own."""
    monkeypatch.setattr(scan_inputs, "model_folder", lambda: model_folder(folder))
    return folder


def test_a_scan_without_a_model_takes_the_shipped_one_and_says_so(
    as_shipped: Path, title: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = scan(title, tmp_path / "out")
    assert result.exit_code in (0, 1), result.stderr
    decided = json.loads((tmp_path / "out" / "title.flac" / "detections.json").read_text())["model"]
    assert decided["name"] == "padam-tiny-1"
    assert decided["sha256"] == shipped_digests(as_shipped)["padam_model/model.json"]
    assert "Model: padam-tiny-1 0123abcd, SHA-256 " + decided["sha256"][:12] in result.stdout
    page = (tmp_path / "out" / "title.flac" / "report.html").read_text()
    assert "padam-tiny-1 0123abcd" in page
    assert decided["sha256"] in page


def test_newest_is_the_projects_and_a_named_folder_is_itself(
    as_shipped: Path,
    trained: Path,
    title: Path,
    tmp_path: Path,
    tiny_model: PadamModel,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versions = tmp_path / "project" / "data" / "06_models" / "padam_model"
    for version in ("2026-01-01", "2026-01-02"):
        replace(tiny_model, name=version).save(versions / version / "padam_model")
    monkeypatch.chdir(tmp_path / "project")
    for named, name in (("newest", "2026-01-02"), (trained, None)):
        result = scan(title, tmp_path / "out", "--model", named, "--json")
        assert json.loads(result.stdout)["titles"][0]["model"]["name"] == name


def test_an_altered_model_stops_a_scan_before_any_title(
    as_shipped: Path, title: Path, tmp_path: Path
) -> None:
    (as_shipped / "padam_model" / "encoder.safetensors").write_bytes(b"")
    result = scan(title, tmp_path / "out")
    assert result.exit_code == 2
    assert "encoder.safetensors was changed" in result.stderr
    assert "Traceback" not in result.output


def test_an_operating_point_decides_a_scan(as_shipped: Path, title: Path, tmp_path: Path) -> None:
    result = scan(title, tmp_path / "out", "--operating-point", "sensitive", "--json")
    decided = json.loads(result.stdout)["titles"][0]["model"]
    assert decided["operating_point"] == "sensitive"
    assert decided["threshold"] == 0.99
    told = scan(title, tmp_path / "out", "--operating-point", "sensitive").stdout
    assert "operating point sensitive, threshold 0.990" in told


def test_an_operating_point_that_is_absent_or_clashes_stops_a_scan(
    as_shipped: Path, title: Path, tmp_path: Path
) -> None:
    absent = scan(title, tmp_path / "out", "--operating-point", "strict")
    assert absent.exit_code == 2
    assert "500 clean validation segments are too few" in absent.stderr
    clash = scan(title, tmp_path / "out", "--operating-point", "strict", "--threshold", 0.5)
    assert clash.exit_code == 2
    assert "not both" in clash.stderr
    unknown = scan(title, tmp_path / "out", "--operating-point", "loose")
    assert unknown.exit_code == 2
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").glob("*/*.json"))


def test_every_operating_point_is_in_the_help_with_its_volume() -> None:
    shown = " ".join(invoke("scan", "--help").stdout.split())
    assert "strict 0.1 %, balanced 0.5 %, sensitive 1 %" in shown


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A run with a path in a parameter: its id, and where it is kept."""
    tmp_path = tmp_path_factory.mktemp("runs")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(uri)
    experiment = client.create_experiment("small", artifact_location=str(tmp_path / "artifacts"))
    created = client.create_run(experiment, run_name="stage_2", tags={"padam.version": "9"})
    client.log_param(created.info.run_id, "steps", 450)
    client.log_param(created.info.run_id, "media", "/home/someone/archive/music")
    for step, value in enumerate((3.0, 1.5)):
        client.log_metric(created.info.run_id, "loss", value, step=step)
    client.log_metric(created.info.run_id, "broken", float("nan"))
    client.set_tag(created.info.run_id, "mlflow.user", "someone")
    client.set_terminated(created.info.run_id)
    return created.info.run_id, uri


def test_an_exported_run_has_what_was_logged_and_no_place_or_person(run: tuple[str, str]) -> None:
    exported = exported_run(*run)
    assert exported["run_id"] == run[0]
    assert (exported["run_name"], exported["status"]) == ("stage_2", "FINISHED")
    assert exported["params"] == {"media": "music", "steps": "450"}
    assert exported["metrics"] == {"broken": None, "loss": 1.5}
    assert exported["tags"] == {"padam.version": "9"}
    assert exported["duration_s"] >= 0
    assert "someone" not in json.dumps(exported, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("/home/me/corpus/media", "media"),
        ("['/a/b/one.wav', '/c/two.wav']", "['one.wav', 'two.wav']"),
        ("file:///home/me/mlruns/1", "1"),
        ("s3://bucket/archive/film", "film"),
        ("music/nexuiz-music", "music/nexuiz-music"),
        ("1/512", "1/512"),
        ("0.5", "0.5"),
    ],
)
def test_of_a_path_only_the_last_part_is_kept(value: str, kept: str) -> None:
    assert without_folders(value) == kept


def test_the_command_ships_a_model_with_its_run(
    trained: Path, run: tuple[str, str], tmp_path: Path
) -> None:
    to = tmp_path / "there"
    arguments = ["model", "ship", trained, "--name", "padam-tiny-2", "--to", to]
    result = invoke(*arguments, "--run", run[0], "--tracking-uri", run[1])
    assert result.exit_code == 0, result.output
    assert PadamModel.load(model_folder(to)).name == "padam-tiny-2"
    assert json.loads((to / "training_runs.json").read_text()) == [exported_run(*run)]
    for file, digest in shipped_digests(to).items():
        assert f"{digest}  {file}" in result.stdout
    with pytest.raises(ValueError, match="MLflow run"):
        exported_run("0" * 32, run[1])
    missing = invoke(*arguments, "--run", "0" * 32, "--tracking-uri", run[1])
    assert missing.exit_code == 2
    assert "not found" in missing.stderr


def interval(name: str, value: float) -> dict[str, float]:
    return {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    """Tables of two systems, one of them absent, and of one defect, by hand."""
    of_padam = {"scorer": "padam", "level": "segment", "threshold_from": "validation"}
    measures = {
        **interval("auc", 0.84),
        **interval("average_precision", 0.44),
        **interval("f1", 0.43),
        **interval("f1_at_reference", 0.23),
        **interval("false_alarms_per_hour", 8.0),
    }
    absent = {**of_padam, "scorer": "scoreq", "note": "weights absent"}
    title = {**of_padam, "level": "title", **interval("f1", 0.57)}
    tables = {
        "evaluation_table.csv": [
            {**of_padam, **measures},
            title,
            absent,
            {**of_padam, **measures, "threshold_from": "test", "auc": 0.99},
        ],
        "defect_recall.csv": [
            {
                **of_padam,
                "defect": "packet_loss",
                "actual": 21,
                **interval("auc", 0.71),
                **interval("recall", 0.45),
            }
        ],
        "evaluation_breakdown.csv": [
            {
                **of_padam,
                "by": "severity",
                "group": group,
                "defect": "packet_loss",
                "error_to_signal_db_from": -20.4,
                "error_to_signal_db_to": -6.6,
                "actual": 7,
                **interval("auc", 0.6),
                **interval("recall", recall),
            }
            for group, recall in (("strongest third", 0.7), ("mildest third", 0.2))
        ]
        + [
            {
                **of_padam,
                "by": "overlap",
                "group": "0 to 0.5 s",
                "actual": 9,
                **interval("auc", 0.4),
                **interval("recall", 0.1),
            },
            {**of_padam, "by": "look_alike", "group": "rain", "titles": 8, **measures},
        ],
    }
    for name, rows in tables.items():
        for version in ("2026-01-01", "2026-01-02"):
            place = tmp_path / "reporting" / name / version / name
            place.parent.mkdir(parents=True)
            pd.DataFrame(rows if version.endswith("2") else rows[:0]).to_csv(place, index=False)
    return tmp_path / "reporting"


def test_tables_are_filled_from_the_newest_figures(folder: Path, evaluation: Path) -> None:
    names = list(TABLES)
    blocks = "\n".join(
        f"<!-- table: {name} -->\nstale text\n<!-- end of table -->" for name in names
    )
    figures = Figures(evaluation, cpu_hours=1.5, watts=12.0, shipped=folder)
    page = fill_tables(f"before\n{blocks}\nafter\n", figures)
    assert "stale" not in page
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    for line in (
        "| PADAM: + SVM classifier | 0.84 [0.74, 0.94] | 0.44 [0.34, 0.54] | 0.43 [0.33, 0.53] "
        "| 0.23 [0.13, 0.33] | 8.00 [7.90, 8.10] | 0.57 [0.47, 0.67] |",
        "| SCOREQ | weights absent |  |  |  |  |  |",
        "| packet loss | 21 | 0.71 [0.61, 0.81] | 0.45 [0.35, 0.55] |",
        "| 0 to 0.5 s | 9 | 0.40 [0.30, 0.50] | 0.10 [0.00, 0.20] |",
        "| look-alike: rain | 8 | 0.84 [0.74, 0.94] |  | 8.00 [7.90, 8.10] |",
        "| its own | greatest F1 of titles | 0.6000 | 10 s within 20 s |",
        "| `sensitive` | 1 % of clean segments | 0.9900 | 10 s within 10 s |",
        "| stage_1 | 2026-11-28T09:00:00+00:00 | 28 |",
    ):
        assert line in page, line
    assert "500 clean validation segments are too few for a review volume of 0.1 %" in page
    assert "1.5 CPU-hours. Energy: 0.02 kWh, an estimate: CPU-hours by 12 W a core." in page
    mild, strong = page.index("mildest third"), page.index("strongest third")
    assert mild < strong, "the mildest come first"
    assert "| -20 to -7 dB | 7 |" in page
    for file, digest in shipped_digests(folder).items():
        assert f"| `{file}` |" in page
        assert digest in page
    assert fill_tables(page, figures) == page


def test_a_table_of_no_known_name_is_refused(folder: Path, evaluation: Path) -> None:
    figures = Figures(evaluation, 1.0, 10.0, folder)
    with pytest.raises(ValueError, match="no table 'sytems', only systems, defects"):
        fill_tables("<!-- table: sytems -->\n<!-- end of table -->", figures)


def test_the_command_fills_a_page_or_says_what_is_absent(
    evaluation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- table: defects -->\n<!-- end of table -->\n")
    arguments = ["model", "tables", page, "--cpu-hours", 2]
    assert invoke(*arguments, "--evaluation", evaluation).exit_code == 0
    assert "packet loss" in page.read_text()
    before = page.read_text()
    absent = invoke(*arguments, "--evaluation", tmp_path)
    assert absent.exit_code == 2
    assert "defect_recall.csv" in absent.stderr
    assert page.read_text() == before


def test_load_model_gives_the_shipped_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "model_folder", lambda: model_folder(folder))
    assert shipped.load_model().name == "padam-tiny-1"
