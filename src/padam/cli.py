"""`kedro run`, as Kedro finds it in a project, with errors that a person can act on."""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError
from kedro.validation.exceptions import ParameterValidationError

from padam.audio.media import MediaError
from padam.detection.padam_model import PadamModelError
from padam.models.estimator_folder import ClassifierFileError
from padam.pipeline_registry import CHAIN
from padam.training.callbacks import TrainingDivergedError

RUN_PARAMETERS = {
    *("data_root", "work_root", "media", "titles"),
    *("listening_test", "listening_results", "ratings", "agreement", "ablations"),
    *("production_review", "review_verdicts", "detections", "audio_artifacts"),
    *("benchmark_titles", "benchmark", "learning_curve", "quality_regressor"),
    *CHAIN,
}
CAN_BE_MENDED = (
    ClassifierFileError,
    DatasetError,
    MediaError,
    OSError,
    PadamModelError,
    ParameterValidationError,
    TrainingDivergedError,
    ValueError,
)


@click.group(name="padam")
def cli() -> None:
    """Commands of this project, before Kedro's own of the same name."""


def with_clear_errors(callback: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an error that its reader can mend into one message and exit status 1.

    Set PADAM_TRACEBACK=1 to see where it came from; any other error keeps its traceback.
    """

    @wraps(callback)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if unknown := set(kwargs.get("params") or {}) - RUN_PARAMETERS:
            raise click.ClickException(
                f"No such parameter: {', '.join(sorted(unknown))}. A parameter starts with one of "
                f"{', '.join(sorted(RUN_PARAMETERS))}."
            )
        try:
            return callback(*args, **kwargs)
        except CAN_BE_MENDED as error:
            if os.environ.get("PADAM_TRACEBACK"):
                raise
            raise click.ClickException(str(error)) from error

    return guarded


# Kedro takes a project's own `run` before its own.
cli.add_command(
    click.Command(
        name="run",
        params=kedro_run.params,
        callback=with_clear_errors(kedro_run.callback),  # type: ignore[arg-type]
        help=kedro_run.help,
    )
)
