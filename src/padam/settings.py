"""Project settings, in the form Kedro reads."""

import logging
import warnings
from pathlib import Path

import optuna
from kedro.config import OmegaConfigLoader
from kedro.utils import find_kedro_project

# Advice of third parties to each other, which whoever runs a pipeline can do nothing about.
for advice in (
    r"register_new_resolver\(\) is deprecated",
    r".*Add type hints to the `predict`",
    r".*An input example was not provided",
    r"Option '--pipeline' is deprecated",
):
    warnings.filterwarnings("ignore", message=advice)

from padam.hooks import (  # noqa: E402 - imports warn already
    FinishedTrainingsHook,
    MlflowRecordHook,
    RunSummaryHook,
)

logging.getLogger("kedro_mlflow").setLevel(logging.WARNING)
# Optuna's lines go where all others go, and follow conf/logging.yml.
optuna.logging.disable_default_handler()
optuna.logging.enable_propagation()

PROJECT_PATH = (
    find_kedro_project(Path(__file__).parent) or find_kedro_project(Path.cwd()) or Path.cwd()
)

# Ours is kedro-mlflow's hook with more in it; the plugin's own would start a second run.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow", "kedro-mlflow")
HOOKS = (RunSummaryHook(), MlflowRecordHook(), FinishedTrainingsHook())

CONFIG_LOADER_CLASS = OmegaConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment states only what differs, down to the single constant.
    "merge_strategy": {"parameters": "soft", "mlflow": "soft"},
    "config_patterns": {"mlflow": ["mlflow*", "mlflow*/**", "**/mlflow*"]},
    # A relative path would follow the working directory, and a notebook make a second database.
    "custom_resolvers": {"project_path": lambda path: str(Path(PROJECT_PATH) / path)},
}
