"""One run of the whole chain at test size, shared by the tests that look at what it left."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from tests.archive import write_archive, write_film


@dataclass(frozen=True)
class Project:
    """A run's data and how to run more of it."""

    root: Path
    data: Path
    media: Path
    titles: Path

    def parameters(self, **changes: Any) -> dict[str, Any]:
        """Runtime parameters that keep a run inside the test's folder."""
        places = {"data_root": self.data, "media": self.media, "titles": self.titles}
        return {name: str(place) for name, place in places.items()} | changes

    def run(self, *, parameters: dict[str, Any] | None = None, **arguments: Any) -> str:
        """Run pipelines in the `test` environment; return the version of what was saved."""
        with KedroSession.create(
            project_path=self.root,
            env="test",
            runtime_params=parameters or self.parameters(),
        ) as session:
            session.run(**arguments)
            return session.session_id

    def versions(self, dataset: str) -> list[str]:
        """Versions of a dataset, oldest first; ``dataset`` is its path below the data root."""
        folder = self.data / dataset
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.fixture(scope="session")
def small_project(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """An archive, a title to scan, and a place for data; nothing has run yet."""
    folder = tmp_path_factory.mktemp("project")
    media = write_archive(folder / "media")
    titles = write_film(folder / "titles" / "title.mp4", 24.0, seed=99).parent
    before = Path.cwd()
    os.chdir(project)
    bootstrap_project(project)
    (folder / "data").mkdir()
    yield Project(project, folder / "data", media, titles)
    os.chdir(before)


@pytest.fixture(scope="session")
def chain(small_project: Project) -> tuple[Project, str]:
    """The project after one default run, and the version of that run."""
    return small_project, small_project.run()
