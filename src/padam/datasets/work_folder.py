"""A folder for work in progress: what a killed run leaves for the next one."""

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from padam.audio.storage import as_location


class WorkFolderDataset(AbstractDataset[NoReturn, Path]):
    """Loads as the path of an existing folder; who works there cleans up when done."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = filepath
        self.metadata = metadata

    def load(self) -> Path:
        """Return the folder, made if need be."""
        folder = on_this_machine(self._filepath)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def save(self, data: NoReturn) -> NoReturn:
        """Refuse: a work folder is not the output of a node."""
        raise DatasetError(f"'{self._filepath}' is a work folder; nodes write into it.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}


def on_this_machine(filepath: str) -> Path:
    """Return the path of what is written bit by bit, which no object store can hold."""
    place = as_location(filepath)
    if isinstance(place, Path):
        return place
    raise DatasetError(
        f"Work in progress cannot be kept at '{filepath}'. Name a folder of this machine: "
        "`kedro run --params data_root=URL,work_root=PATH`."
    )
