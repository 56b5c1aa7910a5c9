"""What a person does: commands, notebooks and the README, on one run of the chain.

They stand in one file so that one worker runs the chain for all of them.
"""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.cli import KedroCLI
from nbclient import NotebookClient

from padam.cli import cli, exit_status, media_files
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


def test_a_misspelt_parameter_is_refused(chain, kedro_run) -> None:
    result = kedro_run("--pipelines", "synthesis", medai="/archive")
    assert result.exit_code != 0
    assert "medai" in result.output


@pytest.mark.parametrize(
    ("verdicts", "unreadable", "status"),
    [
        (["clean", "clean"], {}, 0),
        (["clean", "defective"], {}, 1),
        (["defective", "undetermined"], {}, 2),
        (["clean"], {"b.wav": "not media"}, 2),
        ([], {}, 0),
    ],
)
def test_the_exit_status_tells_the_worst(verdicts, unreadable, status: int) -> None:
    assert exit_status([{"verdict": verdict} for verdict in verdicts], unreadable) == status


def test_titles_of_one_name_keep_reports_of_their_own(tmp_path: Path) -> None:
    for season in ("one", "two"):
        (tmp_path / season).mkdir()
        (tmp_path / season / "pilot.wav").write_bytes(b"x")
    files = [tmp_path / "one" / "pilot.wav", tmp_path / "two" / "pilot.wav"]
    assert list(media_files(files)) == ["pilot.wav", "pilot.wav-2"]
    assert list(media_files([tmp_path])) == ["one/pilot.wav", "two/pilot.wav"]


def execute(path: Path) -> list[str]:
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "notebooks are kept clean"
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": path.parent}})
    client.execute()
    return [output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])]


def test_hear_the_defects(project: Path) -> None:
    text = "\n".join(execute(project / "notebooks" / "hear_the_defects.ipynb"))
    for name in ("hum", "hiss", "drops", "clipping", "quantization", "packet_loss", "clicks"):
        assert name in text


def test_review_a_run(project: Path, chain, monkeypatch: pytest.MonkeyPatch) -> None:
    run: Project = chain[0]
    parameters = ",".join(f"{name}={value}" for name, value in run.parameters().items())
    monkeypatch.setenv("PADAM_ENV", "test")
    monkeypatch.setenv("PADAM_PARAMS", parameters)
    text = "\n".join(execute(project / "notebooks" / "review_a_run.ipynb"))
    assert chain[1].split("T")[0] in text
    assert "evaluation/evaluation_table.csv" in text


# Where each command of the README is run.
RUN_BY = {
    "make run": ".ci/run",
    "make test": ".ci/run",
    ".venv/bin/kedro run --params media=/path/to/archive": "the fixture `chain`",
    ".venv/bin/padam scan data/01_raw/sample_titles/freedoom_damaged.mp4 --out reports": ".ci/run",
    ".venv/bin/kedro run --pipelines synthesis": "test_chain.py",
    ".venv/bin/kedro run --only-missing-outputs": ".ci/run",
    "make viz": "here",
    "make ui": "here",
}


def test_every_command_is_one_that_is_run(project: Path) -> None:
    text = (project / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    commands = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    commands = [re.sub(r" {2,}.*", "", command) for command in commands if command]
    assert set(commands) == set(RUN_BY)
    ci = (project / ".ci" / "run").read_text(encoding="utf-8")
    for command, place in RUN_BY.items():
        if place == ".ci/run":
            assert command.partition(" --out")[0] in ci


def test_every_path_in_the_readme_exists(project: Path) -> None:
    text = (project / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (project / link).exists()] == []


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@contextmanager
def serving(command: list[str], cwd: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=30)


def fetch(url: str, process: subprocess.Popen[bytes], log: Path, patience_s: float = 120.0) -> str:
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode("utf-8")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    pytest.fail(f"{url} did not answer; the server said: {log.read_text()[-2000:]}")


def test_kedro_viz_shows_the_method(chain, tmp_path: Path) -> None:
    project: Project = chain[0]
    parameters = ",".join(f"{name}={value}" for name, value in project.parameters().items())
    port, log = free_port(), tmp_path / "viz.log"
    command = [
        *(sys.executable, "-m", "kedro", "viz", "run", "--no-browser", "--host", "127.0.0.1"),
        *("--port", str(port), "--env", "test", "--params", parameters),
    ]
    with serving(command, project.root, log) as process:
        graph = fetch(f"http://127.0.0.1:{port}/api/main", process, log)
    for name in ("synthesis", "stage_1_feature_extractor", "clip_pairs", "padam_model"):
        assert f'"{name}"' in graph
    for layer in ("raw", "primary", "feature", "stage 1", "stage 3", "reporting"):
        assert f'"{layer}"' in graph


def test_the_mlflow_pages_open(chain, tmp_path: Path) -> None:
    project: Project = chain[0]
    port, log = free_port(), tmp_path / "ui.log"
    command = [
        *(sys.executable, "-m", "mlflow", "ui", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{project.data}/mlflow.db"),
    ]
    with serving(command, tmp_path, log) as process:
        assert "MLflow" in fetch(f"http://127.0.0.1:{port}/", process, log)
