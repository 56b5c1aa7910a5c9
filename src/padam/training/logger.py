"""Lightning's curves land in the MLflow run that is already open."""

import sys

from pytorch_lightning.loggers import MLFlowLogger


class ActiveRunLogger(MLFlowLogger):
    """A logger that writes into a run which somebody else opened and will close."""

    # MLflow's page groups metrics by the part before a slash.
    LOGGER_JOIN_CHAR = "/"

    def finalize(self, status: str = "success") -> None:
        """Leave the run open: Lightning's own logger would end it in mid-pipeline."""


def active_mlflow_logger(prefix: str) -> MLFlowLogger | None:
    """Return a logger into MLflow's active run, or None where no run is active.

    Metrics are named ``<prefix>/<metric>``; no run is ever created or ended here.
    """
    # A run can only be active where mlflow was imported, and importing it takes seconds.
    if "mlflow" not in sys.modules:
        return None
    import mlflow

    run = mlflow.active_run()
    if run is None:
        return None
    return ActiveRunLogger(
        run_id=run.info.run_id, tracking_uri=mlflow.get_tracking_uri(), prefix=prefix
    )
