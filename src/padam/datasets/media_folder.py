"""Media files as Kedro sees them: one file, a folder tree, or a text file that lists files."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

AUDIO = "wav flac aiff aif caf w64 rf64 mp3 aac m4a ogg oga opus wma ac3 eac3 dts mka"
VIDEO = "mp4 m4v mov mkv webm avi mxf ts m2ts mts mpg mpeg vob wmv flv 3gp"
MEDIA_SUFFIXES = frozenset(f".{name}" for name in f"{AUDIO} {VIDEO}".split())


@dataclass(frozen=True)
class MediaFolder:
    """Media files below one root.

    ``files`` are POSIX paths relative to ``root``, sorted, so that the same material gives the
    same order on every machine.
    """

    root: Path
    files: tuple[str, ...]

    def path(self, file: str) -> Path:
        """Where ``file`` lies on this machine."""
        return self.root / file

    def signature(self) -> list[str]:
        """Name, size and time of change of each file: other media are other work."""
        stats = ((file, self.path(file).stat()) for file in self.files)
        return [str(self.root)] + [f"{file}:{s.st_size}:{s.st_mtime_ns}" for file, s in stats]


class MediaFolderDataset(AbstractDataset[NoReturn, MediaFolder]):
    """Lists the media files at ``filepath``: a file, a folder tree, or a ``.txt`` list of files.

    Only names are read here; whether a file can be decoded is found out, and recorded, by who
    reads it. A missing path, or one with no media file in it, is an error.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> MediaFolder:
        """Return the files found; raises ``DatasetError`` where there are none."""
        path = self._filepath
        if not path.exists():
            raise DatasetError(
                f"Media folder '{path}' does not exist. Give an existing file or folder, for "
                "example with `kedro run --params media=PATH`."
            )
        if path.is_file() and path.suffix.lower() == ".txt":
            return self._from_list(path)
        if path.is_file():
            return MediaFolder(path.parent, (path.name,))
        files = sorted(
            found.relative_to(path).as_posix()
            for found in path.rglob("*")
            if found.suffix.lower() in MEDIA_SUFFIXES and found.is_file()
        )
        if not files:
            raise DatasetError(
                f"Media folder '{path}' holds no media file. Known suffixes: "
                f"{' '.join(sorted(MEDIA_SUFFIXES))}."
            )
        return MediaFolder(path, tuple(files))

    def _from_list(self, path: Path) -> MediaFolder:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
        listed = [line for line in lines if line and not line.startswith("#")]
        missing = [line for line in listed if not (path.parent / line).is_file()]
        if missing or not listed:
            problem = f"names files that do not exist: {missing[:5]}" if missing else "is empty"
            raise DatasetError(f"Media list '{path}' {problem}. Paths are relative to the list.")
        # The same file twice could land in two splits.
        files = sorted({(path.parent / line).resolve() for line in listed})
        root = Path(os.path.commonpath([file.parent for file in files]))
        return MediaFolder(root, tuple(file.relative_to(root).as_posix() for file in files))

    def save(self, data: NoReturn) -> NoReturn:
        """Refuse: source media are never written."""
        raise DatasetError("Source media are read only.")

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
