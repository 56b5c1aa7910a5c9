"""Hooks: what surrounds a run. MLflow's record of it, and the summary at its end."""

from padam.hooks.mlflow_record import MlflowRecordHook
from padam.hooks.run_summary import RunSummaryHook

__all__ = ["MlflowRecordHook", "RunSummaryHook"]
