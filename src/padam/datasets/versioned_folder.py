"""The ground on which our datasets stand: a versioned folder that appears whole or not at all."""

from abc import abstractmethod
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

from kedro.io import AbstractVersionedDataset, Version

from padam.audio.storage import Location, as_location, filesystem, is_url
from padam.datasets.folders import folders_at

T_in = TypeVar("T_in")
T_out = TypeVar("T_out")


class VersionedFolderDataset(AbstractVersionedDataset[T_in, T_out], Generic[T_in, T_out]):
    """A folder saved under a temporary name beside its place and then published.

    ``filepath`` is a path, or the URL of an object store (``s3://bucket/folder``). Subclasses write
    into and read from a folder of this machine; a run killed while writing leaves earlier versions
    as they were, and its own is not there.
    """

    def __init__(
        self,
        *,
        filepath: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        place = as_location(filepath)
        self._folders = folders_at(place)
        self._protocol = str(place).partition("://")[0] if is_url(place) else "file"
        super().__init__(
            filepath=PurePosixPath(filesystem(place)[1] if is_url(place) else place),
            version=version,
            exists_function=self._is_published,
            glob_function=self._published,
        )
        self.metadata = metadata

    @abstractmethod
    def write_folder(self, folder: Path, data: T_in) -> None:
        """Write ``data`` into the existing, empty ``folder``."""

    @abstractmethod
    def read_folder(self, folder: Path) -> T_out:
        """Return what ``write_folder`` wrote."""

    def staging(self, name: str) -> Location:
        """Where an unfinished version grows, beside the dataset and unseen by its version search.

        ``name`` tells one piece of work from another.
        """
        return self._location(self._filepath.parent / f".{self._filepath.name}.partial" / name)

    def save(self, data: T_in) -> None:
        """Write a new version."""
        staging = self.staging(self.resolve_save_version() or "unversioned")
        self._folders.discard(staging)
        with self._folders.delivery(staging) as folder:
            self.write_folder(folder, data)
        self.publish(staging)

    def publish(self, staging: Location) -> None:
        """Move a complete staging folder to its place."""
        self._folders.publish(staging, self._location(self._get_save_path()))

    def load(self) -> T_out:
        """Return the requested version, the latest where none was named."""
        with self._folders.fetched(self.load_location()) as folder:
            return self.read_folder(folder)

    def load_location(self) -> Location:
        """Where the version lies that is loaded."""
        return self._location(self._get_load_path())

    def _location(self, path: PurePosixPath) -> Location:
        return Path(path) if self._protocol == "file" else f"{self._protocol}://{path}"

    def _is_published(self, path: str) -> bool:
        return self._folders.is_published(self._location(PurePosixPath(path)))

    def _published(self, pattern: str) -> list[str]:
        return self._folders.published(self._location(PurePosixPath(pattern)))

    def _exists(self) -> bool:
        return self._folders.is_published(self.load_location())

    def _describe(self) -> dict[str, Any]:
        return {
            "filepath": str(self._filepath),
            "protocol": self._protocol,
            "version": self._version,
        }
