"""The chain as `kedro run` does it, what it leaves behind, and what a person then does with it.

All in one file: one worker runs the chain once for all of them.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import mlflow
import nbformat
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.cli import KedroCLI
from mlflow.tracking import MlflowClient
from nbclient import NotebookClient

from padam.commands import padam
from padam.detection.padam_model import PadamModel
from padam.detection.review_volume import REVIEW_VOLUMES
from padam.detection.scan import scan_title
from padam.hooks.mlflow_record import RUN_FILE, VERSION_TAG
from padam.pipeline_registry import CHAIN
from tests.end_to_end.conftest import Project
from tests.servers import fetch, free_port, serving

DATASETS = (
    "02_intermediate/source_inspections",
    "02_intermediate/source_index.parquet",
    "02_intermediate/rejected_sources.csv",
    "02_intermediate/clip_plan.parquet",
    "03_primary/clip_pairs",
    "03_primary/clip_manifest.parquet",
    "04_feature/metric_scores",
    "04_feature/quality_normaliser.json",
    "04_feature/fused_quality.parquet",
    "05_model_input/embeddings",
    "05_model_input/native_evidence",
    "05_model_input/clip_representations.parquet",
    "05_model_input/evaluation_titles",
    "06_models/audio_encoder",
    "06_models/quality_head",
    "06_models/defect_classifier",
    "06_models/ablation_probes",
    "06_models/padam_model",
    "07_model_output/title_scores",
    "07_model_output/scored_systems.json",
    "08_reporting/synthesis_distribution.parquet",
    "08_reporting/synthesis_gallery",
    "08_reporting/quality_examples",
    "08_reporting/evaluation_table.csv",
    "08_reporting/evaluation.md",
    "08_reporting/evaluation_breakdown.csv",
    "08_reporting/evaluation_failures",
    "08_reporting/filter_search.csv",
    "08_reporting/detections",
)


def latest(project: Project, dataset: str) -> Path:
    version = project.versions(dataset)[-1]
    return project.data / dataset / version / Path(dataset).name


def run_of(project: Project, version: str) -> tuple[MlflowClient, mlflow.entities.Run]:
    client = MlflowClient(f"sqlite:///{project.data}/mlflow.db")
    experiment = client.get_experiment_by_name("padam-test")
    runs = client.search_runs([experiment.experiment_id], f"tags.`{VERSION_TAG}` = '{version}'")
    assert len(runs) == 1, "one kedro run is one parent run"
    return client, runs[0]


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_dataset_is_versioned_by_the_run(chain, dataset: str) -> None:
    project, version = chain
    assert version in project.versions(dataset)
    assert latest(project, dataset).exists()


def test_a_broken_file_is_recorded_and_the_rest_is_used(chain) -> None:
    project, _ = chain
    rejected = pd.read_csv(latest(project, "02_intermediate/rejected_sources.csv"))
    assert rejected["source"].tolist() == ["music/broken.flac"]
    assert rejected["reason"].str.len().min() > 0
    index = pd.read_parquet(latest(project, "02_intermediate/source_index.parquet"))
    assert len(index) == 10
    assert set(index["split"]) == {"train", "validation", "test"}


def test_no_source_is_in_two_splits_and_titles_use_their_own(chain) -> None:
    project, _ = chain
    manifest = pd.read_parquet(latest(project, "03_primary/clip_manifest.parquet"))
    assert manifest.groupby("source")["split"].nunique().max() == 1
    assert "test" not in set(manifest["split"])
    index = pd.read_parquet(latest(project, "02_intermediate/source_index.parquet"))
    split_of = index.set_index("source")["split"]
    folder = latest(project, "05_model_input/evaluation_titles")
    described = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    assert len(described) == 4
    for title in described:
        sources = {excerpt["source"] for excerpt in title["metadata"]["excerpts"]}
        assert set(split_of[list(sources)]) == {title["split"]}


def test_q_hat_is_scaled_on_the_training_clips(chain) -> None:
    project, _ = chain
    fused = pd.read_parquet(latest(project, "04_feature/fused_quality.parquet"))
    train = fused[fused["split"] == "train"]
    ranks = train["q_rank"].dropna()
    assert ranks.between(0, 1).all()
    assert (ranks.min(), ranks.max()) == (0.0, 1.0)
    complete = train[train["metrics_answered"] == 4]
    assert abs(complete["q_hat"].mean()) < 0.5, "z-scores of the training clips centre on 0"


def test_the_evaluation_holds_every_system_at_both_levels(chain) -> None:
    project, _ = chain
    table = pd.read_csv(latest(project, "08_reporting/evaluation_table.csv"))
    ablations = {"feature_extractor", "quality_head", "native_evidence"}
    assert set(table["scorer"]) == {"padam", *ablations, "dnsmos"}
    assert set(table["level"]) == {"segment", "title"}
    assert set(table["threshold_from"]) == {"test", "validation"}
    assert table["f1"].between(0, 1).all()


def test_the_model_folder_scans_as_the_pipeline_did(chain) -> None:
    project, version = chain
    report = latest(project, "08_reporting/detections") / "title.mp4" / "detections.json"
    document = json.loads(report.read_text())
    assert document["model"]["run_id"] == version
    assert (report.parent / "timeline.png").stat().st_size > 1000
    model = PadamModel.load(latest(project, "06_models/padam_model"))
    again = scan_title(project.titles / "title.mp4", model.scorer())
    assert again["segments"] == document["segments"]
    assert again["verdict"] == document["verdict"]
    assert set(model.operating_points) == set(REVIEW_VOLUMES)
    too_few = {point.reason for point in model.operating_points.values()}
    assert all("too few" in reason for reason in too_few), "of titles of a minute"


def test_mlflow_holds_one_run_with_all_that_was_made(chain) -> None:
    project, version = chain
    client, run = run_of(project, version)
    assert run.info.status == "FINISHED"
    assert len(run.data.params) >= 30
    assert len(run.data.metrics) >= 25
    assert run.data.params["synthesis.plan.clips"] == "14"
    artifacts = [
        item.path
        for folder in client.list_artifacts(run.info.run_id)
        for item in client.list_artifacts(run.info.run_id, folder.path)
    ]
    assert len(artifacts) >= 12
    curve = client.get_metric_history(run.info.run_id, "feature_extractor/train_loss")
    assert curve, "Lightning's curves belong to the run"
    model = client.search_model_versions("name='padam'")
    assert [version_of.run_id for version_of in model] == [run.info.run_id]


def test_trials_are_nested_runs(chain) -> None:
    project, version = chain
    client, run = run_of(project, version)
    nested = client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    )
    assert len(nested) == 4
    assert {"nu", "gamma"} <= set(nested[0].data.params)


def test_a_version_leads_to_its_run(chain) -> None:
    project, version = chain
    _, run = run_of(project, version)
    for dataset in DATASETS:
        link = json.loads((project.data / dataset / version / RUN_FILE).read_text())
        assert link["run_id"] == run.info.run_id


def test_the_registered_model_scans_by_path(chain) -> None:
    project, _ = chain
    mlflow.set_tracking_uri(f"sqlite:///{project.data}/mlflow.db")
    served = mlflow.pyfunc.load_model("models:/padam/1")
    title = str(project.titles / "title.mp4")
    answer = served.predict(pd.DataFrame({"path": [title]}))
    assert answer == [scan_title(title, served.unwrap_python_model().scorer)]
    assert answer[0]["title"]["file"] == "title.mp4"
    assert served.metadata.get_input_schema().input_names() == ["audio", "path"]
    assert served.metadata.saved_input_example_info is not None


def test_nothing_is_recomputed_where_nothing_is_missing(chain) -> None:
    project, version = chain
    project.run(only_missing_outputs=True)
    for dataset in DATASETS:
        assert project.versions(dataset)[-1] == version


def contents(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_same_seed_gives_the_same_bytes(chain) -> None:
    project, version = chain
    again = project.run(pipeline_names=["synthesis"])
    for dataset in ("03_primary/clip_pairs",):
        first, second = (
            contents(project.data / dataset / v / Path(dataset).name) for v in (version, again)
        )
        assert first == second
    manifests = [
        (project.data / "03_primary/clip_manifest.parquet" / v / "clip_manifest.parquet")
        for v in (version, again)
    ]
    assert manifests[0].read_bytes() == manifests[1].read_bytes()


QUICK = ("defect_classifier", "detection")


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in CHAIN
        if name != "synthesis"  # runs alone in the test above
    ],
)
def test_each_pipeline_runs_alone(chain, name: str) -> None:
    project, _ = chain
    version = project.run(pipeline_names=[name])
    _, run = run_of(project, version)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == name


def test_embeddings_are_75_vectors_a_channel(chain) -> None:
    from padam.datasets.shards import ArrayShardsDataset

    project, _ = chain
    folder = latest(project, "05_model_input/embeddings")
    arrays = ArrayShardsDataset(filepath=str(folder)).read_folder(folder)
    assert {array.shape for array in arrays.values()} == {(2, 75, 384)}
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float16)}


def invoke(*arguments: object) -> Result:
    # in this process: one of their own takes seconds to start (tests/test_commands.py has some)
    return CliRunner().invoke(padam, [str(argument) for argument in (*arguments, "--jobs", 0)])


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
    assert list(answer["unreadable"]) == ["notes.wav"]
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
    title, out = project.titles / "title.mp4", tmp_path / "out"
    result = invoke("scan", title, "--out", out, "--model", "newest")
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
    "make install": ".ci/run",
    "make run": ".ci/run",
    "make test": ".ci/run",
    ".venv/bin/kedro run --params media=/path/to/archive": "the fixture `chain`",
    ".venv/bin/padam scan data/01_raw/sample_titles/freedoom_damaged.mp4 --out reports": ".ci/run",
    ".venv/bin/kedro run --pipelines synthesis": "here",
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


def test_the_mlflow_pages_open(project: Path, tmp_path: Path) -> None:
    """By what `make ui` runs, in a shell that does not know the virtual environment."""
    dry_run = ["make", "--no-print-directory", "-n", "ui", f"VENV={sys.prefix}"]
    recipe = subprocess.run(dry_run, cwd=project, check=True, capture_output=True, text=True)
    port, log = free_port(), tmp_path / "ui.log"
    command = f"{recipe.stdout.splitlines()[-1]} --port {port}"
    shell = ["env", "PATH=/usr/local/bin:/usr/bin:/bin", "sh", "-c", command]
    with serving(shell, project, log) as process:
        assert "MLflow" in fetch(f"http://127.0.0.1:{port}/", process, log)
