"""The ground on which our datasets stand: a versioned folder that appears whole or not at all."""

import shutil
from abc import abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

from kedro.io import AbstractVersionedDataset, Version

T_in = TypeVar("T_in")
T_out = TypeVar("T_out")


class VersionedFolderDataset(AbstractVersionedDataset[T_in, T_out], Generic[T_in, T_out]):
    """A folder saved under a temporary name beside its place and then renamed.

    Subclasses write into and read from a folder; a run killed while writing leaves earlier
    versions as they were.
    """

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=PurePosixPath(filepath), version=version)
        self.metadata = metadata

    @abstractmethod
    def write_folder(self, folder: Path, data: T_in) -> None:
        """Write ``data`` into the existing, empty ``folder``."""

    @abstractmethod
    def read_folder(self, folder: Path) -> T_out:
        """Return what ``write_folder`` wrote."""

    @property
    def staging_root(self) -> Path:
        """Where unfinished versions grow, beside the dataset and unseen by its version search."""
        return Path(self._filepath.parent) / f".{self._filepath.name}.partial"

    def save(self, data: T_in) -> None:
        """Write a new version."""
        staging = self.staging_root / (self.resolve_save_version() or "unversioned")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        self.write_folder(staging, data)
        self.publish(staging)

    def publish(self, staging: Path) -> None:
        """Rename a complete staging folder to its place."""
        target = Path(self._get_save_path())
        target.parent.mkdir(parents=True, exist_ok=True)
        if self._version is None and target.exists():
            shutil.rmtree(target)
        staging.rename(target)
        if not any(self.staging_root.iterdir()):
            self.staging_root.rmdir()

    def load(self) -> T_out:
        """Return the requested version, the latest where none was named."""
        return self.read_folder(Path(self._get_load_path()))

    def _exists(self) -> bool:
        return Path(self._get_load_path()).is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "version": self._version}
