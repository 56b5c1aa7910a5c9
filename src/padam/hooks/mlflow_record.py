"""One `kedro run` = one MLflow run that holds what the run was given and what it made.

A dataset says in the catalog how it is recorded::

    metadata:
      mlflow:
        artifact_path: synthesis     # folder among the run's artifacts
        kind: artifact               # artifact | reference | metrics | trials | model

``reference`` records where a large dataset lies and what it holds instead of copying it;
``metrics`` logs the numbers of a JSON document besides the document; ``trials`` makes one nested
run per row of a table, from the columns named in ``parameters`` and ``metrics``; ``model`` logs
the folder as a pyfunc model and registers it.
"""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import pandas as pd
from kedro.framework.hooks import hook_impl
from kedro.io import AbstractVersionedDataset, CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro_mlflow.framework.hooks.mlflow_hook import MlflowHook
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR
from pydantic import BaseModel

from padam import __version__
from padam.audio.storage import Location, filesystem, is_url
from padam.datasets.folders import MARKER
from padam.hooks.registered_model import log_padam_model

# A bar for nine small files says nothing and tears the log.
MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)

VERSION_TAG = "kedro.dataset_version"
RUN_FILE = "mlflow_run.json"


class MlflowRecordHook(MlflowHook):
    """kedro-mlflow's life cycle of a run, and a record of every persisted dataset."""

    @hook_impl
    def after_catalog_created(self, catalog: CatalogProtocol, save_version: str) -> None:
        """Keep the catalog, to find where a dataset that was saved lies."""
        self._catalog = catalog
        self._version = save_version

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Start the run and tag it with the version that every dataset it saves will carry."""
        super().before_pipeline_run(run_params, pipeline, catalog)
        if self._is_mlflow_enabled:
            mlflow.set_tags({VERSION_TAG: self._version, "padam.version": __version__})

    @hook_impl
    def before_node_run(
        self, node: Node, catalog: CatalogProtocol, inputs: dict[str, Any], is_async: bool
    ) -> None:
        """Log the node's parameters, one MLflow parameter per leaf."""
        plain = {
            name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
            for name, value in inputs.items()
            if name.startswith("params:")
        }
        super().before_node_run(node, catalog, plain, is_async)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Record a dataset whose metadata asks for it."""
        if not self._is_mlflow_enabled or mlflow.active_run() is None:
            return
        dataset = self._catalog.get(dataset_name)
        record = (getattr(dataset, "metadata", None) or {}).get("mlflow")
        if not record:
            return
        place = saved_place(dataset)
        kind = record.get("kind", "artifact")
        artifact_path = record["artifact_path"]
        if kind == "reference":
            mlflow.log_dict(describe_files(place), f"{artifact_path}/{dataset_name}.json")
        else:
            with local_copy(place) as path:
                if kind == "model":
                    log_padam_model(path)
                elif path.is_dir():
                    mlflow.log_artifacts(str(path), f"{artifact_path}/{dataset_name}")
                else:
                    mlflow.log_artifact(str(path), artifact_path)
        if kind == "metrics":
            mlflow.log_metrics(dict(numeric_leaves(data, record.get("prefix", dataset_name))))
        if kind == "trials":
            log_trials(data, record)
        self._link_back(dataset, place)

    @hook_impl
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Close the run, as often as the nodes have entered it: none stays active after it."""
        super().after_pipeline_run(run_params, pipeline, catalog)
        while not self._already_active_mlflow and mlflow.active_run() is not None:
            mlflow.end_run()

    @hook_impl
    def on_pipeline_error(
        self,
        error: Exception,
        run_params: dict[str, Any],
        pipeline: Pipeline,
        catalog: CatalogProtocol,
    ) -> None:
        """Close the run as failed; one that never started needs no closing."""
        if mlflow.active_run() is not None:
            super().on_pipeline_error(error, run_params, pipeline, catalog)

    def _link_back(self, dataset: Any, place: Location) -> None:
        """Leave the run's id beside the version, so that a file leads to its run."""
        if isinstance(dataset, AbstractVersionedDataset) and dataset._version is not None:
            link = {"run_id": self.run_id, "dataset_version": self._version}
            files, path = filesystem(place)
            beside = f"{path.rpartition('/')[0]}/{RUN_FILE}"
            files.pipe_file(beside, json.dumps(link, indent=2).encode())


def saved_place(dataset: Any) -> Location:
    """Where the version just saved lies: a path, or the URL of an object store."""
    path = dataset._filepath
    if isinstance(dataset, AbstractVersionedDataset) and (
        version := dataset.resolve_save_version()
    ):
        path = dataset._get_versioned_path(version)
    protocol = getattr(dataset, "_protocol", "file")
    return Path(path) if protocol == "file" else f"{protocol}://{path}"


@contextmanager
def local_copy(place: Location) -> Iterator[Path]:
    """The file or folder on this machine, while it is logged."""
    if not is_url(place):
        yield Path(place)
        return
    with TemporaryDirectory() as scratch:
        files, path = filesystem(place)
        copy = Path(scratch) / PurePosixPath(path).name
        files.get(path, str(copy), recursive=files.isdir(path))
        for marker in Path(scratch).glob(f"*/{MARKER}"):
            marker.unlink()
        yield copy


def describe_files(place: Location) -> dict[str, Any]:
    """Return where a dataset lies, its files and their sizes in bytes."""
    files, path = filesystem(place)
    parent = path.rpartition("/")[0]
    sizes = {
        name.removeprefix(f"{parent}/"): info["size"]
        for name, info in sorted(files.find(path, detail=True).items())
    }
    return {"path": str(place), "bytes": sum(sizes.values()), "files": sizes}


def numeric_leaves(document: Any, prefix: str) -> Iterator[tuple[str, float]]:
    """Yield dotted name and value of every finite number in a nested document."""
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from numeric_leaves(value, f"{prefix}.{key}")
    elif isinstance(document, int | float) and math.isfinite(document):
        yield prefix, float(document)


def log_trials(trials: pd.DataFrame, record: Mapping[str, Any]) -> None:
    """Log one nested run per row: the columns that ``record`` names as parameters and metrics."""
    for trial in trials.to_dict(orient="records"):
        with mlflow.start_run(run_name=f"{record['prefix']} {trial['number']}", nested=True):
            mlflow.log_params({name: trial[name] for name in record["parameters"]})
            mlflow.set_tag("trial.state", trial["state"])
            found = {name: trial[name] for name in record["metrics"] if pd.notna(trial[name])}
            mlflow.log_metrics(found)
