"""A folder for work in progress: what a killed run leaves for the next one."""

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError


class WorkFolderDataset(AbstractDataset[NoReturn, Path]):
    """Loads as the path of an existing folder; who works there cleans up when done."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """Return the folder, made if need be."""
        self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath

    def save(self, data: NoReturn) -> NoReturn:
        """Refuse: a work folder is not the output of a node."""
        raise DatasetError(f"'{self._filepath}' is a work folder; nodes write into it.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
