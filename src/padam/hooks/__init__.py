"""Hooks: what surrounds a run. MLflow's record of it, checkpoints, the summary at its end."""

from padam.hooks.finished_trainings import FinishedTrainingsHook
from padam.hooks.mlflow_record import MlflowRecordHook
from padam.hooks.run_summary import RunSummaryHook

__all__ = ["FinishedTrainingsHook", "MlflowRecordHook", "RunSummaryHook"]
