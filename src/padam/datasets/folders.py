"""Folders of files, on a path or on an object store: filled file by file, published as a whole.

A local folder is published by one rename. An object store has no rename: what was staged is copied
to its place, and a marker object that comes last says that all is there. Either way a file appears
whole: a local one is renamed, an object is put at once.
"""

import errno
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from padam.audio.storage import (
    Location,
    StorageError,
    filesystem,
    folder_here,
    is_url,
    storage_errors,
)

MARKER = "_SUCCESS"
OBJECT_STORES = "s3 s3a gs gcs az abfs abfss oci oss tos memory"
_TARGET = "_TARGET"


class Folders(ABC):
    """What is done to folders of files, the same on every storage."""

    @abstractmethod
    def names(self, folder: Location) -> set[str]:
        """Names of the files in a folder; none where there is no folder."""

    @abstractmethod
    def delivery(self, folder: Location, last: str = "") -> AbstractContextManager[Path]:
        """Scratch folder whose files move to ``folder`` when it is left without an error.

        The file ``last`` comes after the others: where it is, all are.
        """

    @abstractmethod
    def fetched(self, folder: Location) -> AbstractContextManager[Path]:
        """The folder on this machine, while it is read."""

    @abstractmethod
    def copy(self, source: Location, target: Location, names: Mapping[str, str]) -> None:
        """Copy files of a folder to another on the same storage, which is made.

        ``names`` gives each its new name. Files never change in place here, so on a disk one may
        have two names.
        """

    @abstractmethod
    def discard(self, folder: Location) -> None:
        """Remove a folder, if there is one."""

    @abstractmethod
    def publish(self, staging: Location, target: Location) -> None:
        """Move a whole folder to its place, where it replaces what was there."""

    @abstractmethod
    def is_published(self, folder: Location) -> bool:
        """Whether a whole folder is there."""

    @abstractmethod
    def published(self, pattern: Location) -> list[str]:
        """Paths, without a protocol, of the whole folders that match ``<folder>/*/<name>``."""


class _LocalFolders(Folders):
    """Folders of this machine, or of a file system that it has mounted."""

    def names(self, folder: Location) -> set[str]:
        return {path.name for path in Path(folder).glob("*") if path.is_file()}

    @contextmanager
    def delivery(self, folder: Location, last: str = "") -> Iterator[Path]:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with (
            _room_in(folder, "name another place with --params data_root=PATH"),
            # inside the folder: a rename is atomic within one file system
            TemporaryDirectory(dir=folder, prefix=".") as scratch,
        ):
            yield Path(scratch)
            for file, name in _files(Path(scratch), last):
                target = Path(folder) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)

    @contextmanager
    def fetched(self, folder: Location) -> Iterator[Path]:
        yield Path(folder)

    def copy(self, source: Location, target: Location, names: Mapping[str, str]) -> None:
        Path(target).mkdir(parents=True, exist_ok=True)
        with _room_in(target, "name another place with --params data_root=PATH"):
            for old, new in names.items():
                try:
                    os.link(Path(source) / old, Path(target) / new)
                except OSError:  # a file system without hard links
                    shutil.copy2(Path(source) / old, Path(target) / new)

    def discard(self, folder: Location) -> None:
        if Path(folder).exists():
            shutil.rmtree(folder)

    def publish(self, staging: Location, target: Location) -> None:
        staging, target = Path(staging), Path(target)
        for scratch in staging.glob(".*"):  # of a worker that was killed
            shutil.rmtree(scratch)
        self.discard(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        staging.rename(target)
        if not any(staging.parent.iterdir()):
            staging.parent.rmdir()

    def is_published(self, folder: Location) -> bool:
        return Path(folder).is_dir()

    def published(self, pattern: Location) -> list[str]:
        place = Path(pattern)
        return [str(path) for path in place.parents[1].glob(f"*/{place.name}")]


class _ObjectFolders(Folders):
    """Prefixes of an object store. The marker makes a prefix a folder that is there."""

    def names(self, folder: Location) -> set[str]:
        with storage_errors(folder):
            files, path = filesystem(folder)
            return {name.rpartition("/")[2] for name in files.find(path, maxdepth=1)}

    @contextmanager
    def delivery(self, folder: Location, last: str = "") -> Iterator[Path]:
        with (
            _room_in(gettempdir(), "name another place in the variable TMPDIR"),
            TemporaryDirectory(prefix="padam-") as scratch,
        ):
            yield Path(scratch)
            with storage_errors(folder):
                files, path = filesystem(folder)
                for file, name in _files(Path(scratch), last):
                    files.put_file(str(file), f"{path}/{name}")

    @contextmanager
    def fetched(self, folder: Location) -> Iterator[Path]:
        with folder_here(folder) as scratch:
            (scratch / MARKER).unlink(missing_ok=True)
            yield scratch

    def copy(self, source: Location, target: Location, names: Mapping[str, str]) -> None:
        with storage_errors(target):
            files, path = filesystem(source)
            goal = filesystem(target)[1]
            files.copy(
                [f"{path}/{old}" for old in names], [f"{goal}/{new}" for new in names.values()]
            )

    def discard(self, folder: Location) -> None:
        with storage_errors(folder):
            files, path = filesystem(folder)
            if files.exists(f"{path}/{MARKER}"):
                files.rm_file(f"{path}/{MARKER}")
            if files.exists(path):
                files.rm(path, recursive=True)

    def publish(self, staging: Location, target: Location) -> None:
        with storage_errors(target):
            files, source = filesystem(staging)
            goal = filesystem(target)[1]
            note = f"{source}/{_TARGET}"
            # a run was killed while it published here: nobody else would clean up
            if files.exists(note) and not self.is_published(files.cat_file(note).decode()):
                self.discard(files.cat_file(note).decode())
            self.discard(target)
            files.pipe_file(note, str(target).encode())
            objects = [name for name in files.find(source) if name != note]
            files.copy(objects, [goal + name.removeprefix(source) for name in objects])
            files.pipe_file(f"{goal}/{MARKER}", b"")
            files.rm(source, recursive=True)

    def is_published(self, folder: Location) -> bool:
        with storage_errors(folder):
            files, path = filesystem(folder)
            return bool(files.exists(f"{path}/{MARKER}"))

    def published(self, pattern: Location) -> list[str]:
        with storage_errors(pattern):
            files, path = filesystem(pattern)
            return [name.rpartition("/")[0] for name in files.glob(f"{path}/{MARKER}")]


_LOCAL, _OBJECTS = _LocalFolders(), _ObjectFolders()


def folders_at(place: Location) -> Folders:
    """How folders are kept at a place.

    Raises StorageError for a URL of a storage that does not put files at once: a shard half put
    would be taken for a whole one.
    """
    if not is_url(place):
        return _LOCAL
    protocol = str(place).partition("://")[0]
    if protocol not in OBJECT_STORES.split():
        raise StorageError(
            str(place),
            f"results are kept in folders and object stores ({OBJECT_STORES}), not at "
            f"{protocol}://; mount it and give its path",
        )
    return _OBJECTS


def _files(folder: Path, last: str) -> Iterable[tuple[Path, str]]:
    """Files below a folder and their names relative to it; the one named ``last`` at the end."""
    found = [(file, file.relative_to(folder).as_posix()) for file in sorted(folder.rglob("*"))]
    return sorted((pair for pair in found if pair[0].is_file()), key=lambda pair: pair[1] == last)


@contextmanager
def _room_in(place: Location, otherwise: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(
            error.errno,
            f"no space is left in '{place}': free some, or {otherwise}. The next run goes on "
            "where this one stopped",
        ) from error
