"""The chain from media to detections, as `kedro run` does it, and what it leaves behind."""

import json
from collections.abc import Mapping
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from padam.detection.padam_model import PadamModel
from padam.detection.scan import scan_title
from padam.hooks.mlflow_record import RUN_FILE, VERSION_TAG
from padam.pipeline_registry import CHAIN
from tests.end_to_end.conftest import Project

DATASETS = (
    "02_intermediate/source_index.parquet",
    "02_intermediate/rejected_sources.csv",
    "02_intermediate/clip_plan.parquet",
    "03_primary/clip_pairs",
    "03_primary/clip_manifest.parquet",
    "04_feature/metric_scores",
    "04_feature/quality_normaliser.json",
    "04_feature/fused_quality.parquet",
    "05_model_input/embeddings",
    "05_model_input/clip_representations.parquet",
    "05_model_input/evaluation_titles",
    "06_models/audio_encoder",
    "06_models/quality_head",
    "06_models/defect_classifier",
    "06_models/ablation_probes",
    "06_models/padam_model",
    "07_model_output/title_scores",
    "08_reporting/evaluation_table.csv",
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
    assert set(table["scorer"]) == {"padam", "feature_extractor", "quality_head", "dnsmos"}
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
    assert answer.columns.tolist() == ["path", "verdict", "peak_score", "events"]
    assert answer["path"].tolist() == [title]
    assert 0 <= answer["peak_score"].iloc[0] <= 1


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
    assert run.data.tags["pipeline_names"] == f"['{name}']"


def test_embeddings_are_75_vectors_a_channel(chain) -> None:
    from padam.datasets.shards import ArrayShardsDataset

    project, _ = chain
    folder = latest(project, "05_model_input/embeddings")
    arrays = ArrayShardsDataset(filepath=str(folder)).read_folder(folder)
    assert {array.shape for array in arrays.values()} == {(2, 75, 384)}
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float16)}
