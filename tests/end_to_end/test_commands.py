"""The commands as a person meets them: exit status, messages, and what is left untouched."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.cli import KedroCLI

from padam.cli import cli
from tests.end_to_end.conftest import Project


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def model(chain) -> Path:
    project, version = chain
    return project.data / "06_models" / "padam_model" / version / "padam_model"


@pytest.fixture
def kedro_run(small_project: Project):
    """`kedro run` with parameters, as Kedro's own command line finds it."""

    def run(*arguments: str, **changes: object) -> Result:
        parameters = ",".join(
            f"{name}={value}" for name, value in small_project.parameters(**changes).items()
        )
        command = ["run", "--env", "test", "--params", parameters, *arguments]
        return CliRunner().invoke(KedroCLI(small_project.root), command)

    return run


def test_scan_writes_the_report_that_its_screen_tells(chain, model: Path, tmp_path: Path) -> None:
    project, _ = chain
    result = invoke("scan", project.titles / "title.mp4", "--out", tmp_path, "--model", model)
    document = json.loads((tmp_path / "title.mp4" / "detections.json").read_text())
    assert result.exit_code == {"clean": 0, "defective": 1, "undetermined": 2}[document["verdict"]]
    assert document["verdict"] in result.output
    assert "title.mp4" in result.output
    assert (tmp_path / "title.mp4" / "timeline.png").exists()


def test_a_threshold_decides_the_verdict(chain, model: Path, tmp_path: Path) -> None:
    project, _ = chain
    title = project.titles / "title.mp4"
    strict = invoke("scan", title, "--out", tmp_path, "--model", model, "--threshold", "0.0")
    assert strict.exit_code == 1
    lax = invoke("scan", title, "--out", tmp_path, "--model", model, "--threshold", "1.0")
    assert lax.exit_code == 0


def test_one_bad_file_does_not_stop_the_rest(chain, model: Path, tmp_path: Path) -> None:
    project, _ = chain
    bad = tmp_path / "notes.wav"
    bad.write_text("not audio", encoding="utf-8")
    result = invoke(
        *("scan", bad, project.titles / "title.mp4"),
        *("--out", tmp_path / "out", "--model", model, "--json"),
    )
    assert result.exit_code == 2
    answer = json.loads(result.stdout)
    assert list(answer["unreadable"]) == [str(bad)]
    assert len(answer["titles"]) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "missing.wav", "missing.wav"),
        (lambda folder: folder, "holds no media file"),
    ],
)
def test_nothing_to_scan_is_said(model: Path, tmp_path: Path, make, message: str) -> None:
    result = invoke("scan", make(tmp_path), "--out", tmp_path / "out", "--model", model)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output


def test_a_missing_model_names_the_remedy(chain, tmp_path: Path) -> None:
    project, _ = chain
    title, out, missing = project.titles / "title.mp4", tmp_path / "out", tmp_path / "none"
    result = invoke("scan", title, "--out", out, "--model", missing)
    assert result.exit_code == 2
    assert str(missing) in result.stderr
    assert "kedro run" in result.stderr


def test_no_model_of_the_project_names_the_remedy(
    chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = chain
    monkeypatch.chdir(tmp_path)
    result = invoke("scan", project.titles / "title.mp4", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "kedro run" in result.stderr


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"synthesis.plan.clips": 0}, "synthesis.plan"),
        ({"synthesis.workflow.clean_probability": 1.5}, "clean_probability"),
        ({"synthesis.workflow.no_such_thing": 1}, "no_such_thing"),
        ({"synthesis.plan.clips": 100000}, "100000 clips"),
    ],
)
def test_a_parameter_out_of_range_stops_before_any_work(
    chain, kedro_run, changes: dict[str, object], message: str
) -> None:
    project, version = chain
    before = project.versions("03_primary/clip_pairs")
    result = kedro_run("--pipelines", "synthesis", **changes)
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output
    assert project.versions("03_primary/clip_pairs") == before
    assert version in before


@pytest.mark.parametrize("kind", ["missing", "empty", "unusable"])
def test_media_that_cannot_be_used_is_named(chain, kedro_run, tmp_path: Path, kind: str) -> None:
    project, _ = chain
    media = tmp_path / kind
    if kind != "missing":
        media.mkdir()
    if kind == "unusable":
        (media / "one.wav").write_text("no sound", encoding="utf-8")
    before = project.versions("02_intermediate/source_index.parquet")
    result = kedro_run("--pipelines", "synthesis", media=media)
    assert result.exit_code != 0
    assert str(media) in result.output
    assert "Traceback" not in result.output
    assert project.versions("02_intermediate/source_index.parquet") == before


def test_a_pipeline_without_its_input_says_which_comes_first(
    small_project: Project, kedro_run, tmp_path: Path
) -> None:
    result = kedro_run("--pipelines", "detection", data_root=tmp_path)
    assert result.exit_code != 0
    assert "padam_model" in result.output
    assert "Traceback" not in result.output


def test_titles_that_cannot_be_scanned_are_named(chain, kedro_run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound", encoding="utf-8")
    result = kedro_run("--pipelines", "detection", titles=bad)
    assert result.exit_code != 0
    assert "bad.wav" in result.output
