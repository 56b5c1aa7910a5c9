"""One pipeline as `kedro run` does it, on datasets that a test has laid out."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kedro.framework.cli.cli import KedroCLI
from kedro.framework.startup import bootstrap_project

INPUT = "2026-01-01T00.00.00.000Z"


@contextmanager
def inside(project: Path) -> Iterator[None]:
    """The project as working directory, ready for Kedro's commands."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        bootstrap_project(project)
        yield


def run_pipeline(project: Path, pipeline: str, parameters: Mapping[str, object]) -> Result:
    """Run a pipeline in the environment of the tests."""
    given = ",".join(f"{name}={value}" for name, value in parameters.items())
    command = ["run", "--env", "test", "--pipelines", pipeline, "--params", given]
    return CliRunner().invoke(KedroCLI(project), command)


def place(data: Path, dataset: str) -> Path:
    """Path at which a versioned dataset is to be laid out, older than what a run makes."""
    path = data / dataset / INPUT / Path(dataset).name
    path.parent.mkdir(parents=True)
    return path


def latest(data: Path, dataset: str) -> Path:
    """Newest version of a dataset."""
    version = max(path.name for path in (data / dataset).glob("2*"))
    return data / dataset / version / Path(dataset).name
