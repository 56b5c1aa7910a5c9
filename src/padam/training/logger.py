"""Lightning's curves land in the MLflow run that is already open."""

import sys

from pydantic import BaseModel, ConfigDict
from pytorch_lightning.loggers import MLFlowLogger


class ActiveRunLogger(MLFlowLogger):
    """A logger that writes into a run which somebody else opened and will close."""

    # MLflow's page groups metrics by the part before a slash.
    LOGGER_JOIN_CHAR = "/"

    def finalize(self, status: str = "success") -> None:
        """Leave the run open: Lightning's own logger would end it in mid-pipeline."""


class MlflowRun(BaseModel):
    """A run that another process opened, and the server or file that holds it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tracking_uri: str
    run_id: str


def active_mlflow_run() -> MlflowRun | None:
    """Return MLflow's active run, or None where no run is active; no run is ever created."""
    # A run can only be active where mlflow was imported, and importing it takes seconds.
    if "mlflow" not in sys.modules:
        return None
    import mlflow

    run = mlflow.active_run()
    if run is None:
        return None
    return MlflowRun(tracking_uri=mlflow.get_tracking_uri(), run_id=run.info.run_id)


def mlflow_logger(prefix: str, run: MlflowRun | None = None) -> MLFlowLogger | None:
    """Return a logger into a run, by default the active one, or None where there is none.

    Metrics are named ``<prefix>/<metric>``; no run is ever created or ended here.
    """
    run = run or active_mlflow_run()
    if run is None:
        return None
    return ActiveRunLogger(run_id=run.run_id, tracking_uri=run.tracking_uri, prefix=prefix)
