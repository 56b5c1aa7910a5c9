"""An MLflow run as JSON that can leave the machine: MLflow's own account of it, without places."""

import math
import re
from datetime import UTC, datetime
from typing import Any, Final

import mlflow
from mlflow.exceptions import MlflowException

KEPT_TAGS: Final = (
    *("kedro.dataset_version", "padam.version"),
    *("env", "kedro_version", "pipeline_names"),
)
_FOLDERS = re.compile(r"(?<![\w.~-])(?:[a-z][a-z0-9+]*:/?/?)?/(?:[^/'\",\s]+/)+")


def exported_run(run_id: str, tracking_uri: str | None = None) -> dict[str, Any]:
    """Return run id and name, times, params, last metrics and tags of a run.

    What `mlflow runs describe` prints, less the user's name and the places of artifacts; of a path
    in a value only the last part is kept. Raises ValueError for a run that is not there.
    """
    try:
        run = mlflow.MlflowClient(tracking_uri).get_run(run_id)
    except MlflowException as error:
        raise ValueError(f"MLflow run {run_id}: {error}") from error
    info, data = run.info, run.data
    return {
        "run_id": info.run_id,
        "run_name": info.run_name,
        "status": info.status,
        "start_time": _time(info.start_time),
        "duration_s": (info.end_time - info.start_time) / 1000 if info.end_time else None,
        "params": {name: without_folders(value) for name, value in sorted(data.params.items())},
        "metrics": {
            name: value if math.isfinite(value) else None  # NaN is no JSON
            for name, value in sorted(data.metrics.items())
        },
        "tags": {name: without_folders(data.tags[name]) for name in KEPT_TAGS if name in data.tags},
    }


def without_folders(value: str) -> str:
    """Return a text with every absolute path or URL in it cut down to its last part."""
    return _FOLDERS.sub("", value)


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
