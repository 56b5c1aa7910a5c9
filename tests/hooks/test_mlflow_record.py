"""The record of a run, on a small project of two nodes in its own database."""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, Version
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset
from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig
from mlflow.tracking import MlflowClient
from pydantic import BaseModel
from safetensors.numpy import load_file

from padam.datasets.shard_jobs import Compute, ShardJobs
from padam.datasets.shards import ArrayShardsDataset
from padam.hooks.mlflow_record import (
    RUN_FILE,
    VERSION_TAG,
    MlflowRecordHook,
    describe_files,
    local_copy,
    numeric_leaves,
    saved_place,
)

VERSION = "2026-01-01T00.00.00.000Z"
RUN_PARAMS = {
    "run_id": VERSION,
    "pipeline_names": ["small"],
    **dict.fromkeys(
        ("tags", "node_names", "from_nodes", "to_nodes", "from_inputs", "load_versions")
    ),
}


class Search(BaseModel):
    trials: int = 3
    ranges: dict[str, float] = {"low": 0.1, "high": 0.9}


def search(config: Search) -> tuple[pd.DataFrame, dict[str, Any]]:
    trials = pd.DataFrame(
        {
            "number": [0, 1, 2],
            "state": ["complete", "pruned", "complete"],
            "nu": [0.2, 0.3, 0.4],
            "f1": [0.5, float("nan"), 0.75],
        }
    )
    return trials, {"f1": {"best": 0.75}, "name": "svm", "missing": float("nan")}


def versioned(dataset: type, path: Path, /, **mlflow_record: Any) -> Any:
    return dataset(
        filepath=str(path), version=Version(None, VERSION), metadata={"mlflow": mlflow_record}
    )


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory):
    """Run the small pipeline under the hook; yield (client, runs, parent, folder)."""
    tmp_path = tmp_path_factory.mktemp("recorded")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.create_experiment("small", artifact_location=str(tmp_path / "mlruns"))
    mlflow.set_experiment("small")
    catalog = DataCatalog(
        {
            "trials": versioned(
                CSVDataset,
                tmp_path / "trials.csv",
                artifact_path="search",
                kind="trials",
                prefix="svm",
                parameters=["nu"],
                metrics=["f1"],
            ),
            "summary": versioned(
                JSONDataset,
                tmp_path / "summary.json",
                artifact_path="search",
                kind="metrics",
                prefix="svm",
            ),
        }
    )
    catalog["params:search"] = Search()
    pipeline = Pipeline(
        [Node(func=search, inputs="params:search", outputs=["trials", "summary"], name="search")]
    )
    hook = MlflowRecordHook()
    config = KedroMlflowConfig()
    config.server._mlflow_client = MlflowClient(uri)
    config.tracking.experiment._experiment = mlflow.get_experiment(experiment)
    config.tracking.params.dict_params.flatten = True
    hook.mlflow_config, hook._already_active_mlflow = config, False
    manager = _create_hook_manager()
    manager.register(hook)
    hook.after_catalog_created(catalog=catalog, save_version=VERSION)
    hook.before_pipeline_run(RUN_PARAMS, pipeline, catalog)
    SequentialRunner().run(pipeline, catalog, hook_manager=manager)
    hook.after_pipeline_run(RUN_PARAMS, pipeline, catalog)
    client = MlflowClient(uri)
    runs = client.search_runs([experiment])
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    yield client, runs, parent, tmp_path
    mlflow.set_tracking_uri("")


def test_one_run_holds_every_parameter_by_its_leaf(recorded) -> None:
    _, _, parent, _ = recorded
    assert parent.info.status == "FINISHED"
    assert mlflow.active_run() is None, "no run stays open behind the pipeline's"
    assert parent.data.params == {
        "search.trials": "3",
        "search.ranges.low": "0.1",
        "search.ranges.high": "0.9",
    }


def test_numbers_become_metrics_and_files_artifacts(recorded) -> None:
    client, _, parent, _ = recorded
    assert parent.data.metrics == {"svm.f1.best": 0.75}
    names = {item.path for item in client.list_artifacts(parent.info.run_id, "search")}
    assert names == {"search/trials.csv", "search/summary.json"}


def test_a_trial_is_a_nested_run(recorded) -> None:
    _, runs, parent, _ = recorded
    nested = [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(nested) == 3
    by_nu = {run.data.params["nu"]: run for run in nested}
    assert by_nu["0.4"].data.metrics == {"f1": 0.75}
    assert by_nu["0.3"].data.metrics == {}
    assert by_nu["0.3"].data.tags["trial.state"] == "pruned"


def test_run_and_version_lead_to_each_other(recorded) -> None:
    client, _, parent, folder = recorded
    assert parent.data.tags[VERSION_TAG] == VERSION
    found = client.search_runs([parent.info.experiment_id], f"tags.`{VERSION_TAG}` = '{VERSION}'")
    assert [run.info.run_id for run in found] == [parent.info.run_id]
    link = json.loads((folder / "summary.json" / VERSION / RUN_FILE).read_text())
    assert link["run_id"] == parent.info.run_id


def test_only_finite_numbers_are_metrics() -> None:
    document = {"a": {"b": 1, "c": float("inf")}, "d": "text", "e": True, "f": 2.5}
    assert dict(numeric_leaves(document, "x")) == {"x.a.b": 1.0, "x.e": 1.0, "x.f": 2.5}


def test_a_reference_says_what_lies_where(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "a.tar").write_bytes(b"12345")
    assert describe_files(folder) == {
        "path": str(folder),
        "bytes": 5,
        "files": {"clips/a.tar": 5},
    }


def stored_dataset(storage: str) -> ArrayShardsDataset:
    dataset = ArrayShardsDataset(
        filepath=f"{storage}/05/embeddings", version=Version(None, VERSION)
    )
    array = {"clip": np.zeros(3, np.float32)}
    dataset.save(ShardJobs("work", {"a": lambda: array}, Compute(n_jobs=1)))
    return dataset


def test_a_folder_on_any_storage_is_described_and_copied(storage: str) -> None:
    place = saved_place(stored_dataset(storage))
    assert str(place).endswith(f"05/embeddings/{VERSION}/embeddings")
    described = describe_files(place)
    assert list(described["files"]) == ["embeddings/_SUCCESS", "embeddings/a.safetensors"]
    assert described["bytes"] == described["files"]["embeddings/a.safetensors"] > 12
    with local_copy(place) as copy:
        assert copy.name == "embeddings"
        assert [path.name for path in copy.iterdir()] == ["a.safetensors"]
        assert load_file(copy / "a.safetensors")["clip"].tolist() == [0, 0, 0]


def test_a_file_on_any_storage_is_copied(storage: str) -> None:
    dataset = JSONDataset(
        filepath=f"{storage}/08/summary.json".replace("memory://", "memory:///"),
        version=Version(None, VERSION),
    )
    dataset.save({"f1": 0.5})
    with local_copy(saved_place(dataset)) as copy:
        assert json.loads(copy.read_text()) == {"f1": 0.5}
        assert copy.name == "summary.json"
