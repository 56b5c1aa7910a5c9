"""Media files of one place: one file, a folder tree, or a text file that lists files."""

import posixpath
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from padam.audio.storage import (
    Location,
    as_location,
    filesystem,
    identity,
    is_file,
    is_url,
    locate,
    open_binary,
    storage_errors,
)

AUDIO = "wav flac aiff aif caf w64 rf64 mp3 aac m4a ogg oga opus wma ac3 eac3 dts mka"
VIDEO = "mp4 m4v mov mkv webm avi mxf ts m2ts mts mpg mpeg vob wmv flv 3gp"
MEDIA_SUFFIXES = frozenset(f".{name}" for name in f"{AUDIO} {VIDEO}".split())
REQUESTS_AT_ONCE = 16


@dataclass(frozen=True)
class MediaFolder:
    """Media files below one root, which is a path or a URL.

    ``files`` are POSIX paths relative to ``root``, sorted, so that the same material gives the
    same order on every machine; a file elsewhere has its whole path or URL.
    """

    root: Location
    files: tuple[str, ...]

    def path(self, file: str) -> Location:
        """Where ``file`` lies: a path of this machine, or a URL."""
        return locate(self.root, file)

    def name(self, file: str) -> str:
        """A name for what is made of ``file``, which can stand below any folder."""
        return file.replace("://", "/").lstrip("/")

    def signature(self) -> list[str]:
        """Name, size and time of change of each file: other media are other work."""
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as threads:
            found = list(threads.map(identity, map(self.path, self.files)))
        return [str(self.root), *map("{}:{}".format, self.files, found)]


class MediaFolderError(ValueError):
    """A place that does not exist, or holds no media."""


def find_media(place: Location) -> MediaFolder:
    """Return the media files at a path or URL: a file, a folder tree, or a ``.txt`` list of files.

    A list names a file a line, relative to the list, by its whole path, or by URL; ``#`` starts a
    comment. Only names are read here; whether a file can be decoded is found out, and recorded, by
    who reads it. Raises MediaFolderError where nothing is found.
    """
    if is_file(place):
        if PurePosixPath(place).suffix.lower() == ".txt":
            return _listed(place)
        return MediaFolder(parent(place), (PurePosixPath(place).name,))
    names = names_below_url(place) if is_url(place) else names_below_path(Path(place))
    if names is None:
        raise MediaFolderError(
            f"Media folder '{place}' does not exist. Give an existing file or folder, for "
            "example with `kedro run --params media=PATH`."
        )
    files = sorted(n for n in names if PurePosixPath(n).suffix.lower() in MEDIA_SUFFIXES)
    if not files:
        raise MediaFolderError(
            f"Media folder '{place}' holds no media file. Known suffixes: "
            f"{' '.join(sorted(MEDIA_SUFFIXES))}."
        )
    return MediaFolder(place, tuple(files))


def _listed(place: Location) -> MediaFolder:
    with open_binary(place) as file:
        lines = [line.strip() for line in file.read().decode("utf-8-sig").splitlines()]
    listed = [line for line in lines if line and not line.startswith("#")]
    folder = parent(place)
    # An object store takes `..` for a name.
    places = [normal(locate(folder, line)) for line in listed]
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as threads:
        there = list(threads.map(is_file, places))
    missing = [line for line, found in zip(listed, there, strict=True) if not found]
    if missing or not listed:
        problem = f"names files that do not exist: {missing[:5]}" if missing else "is empty"
        raise MediaFolderError(f"Media list '{place}' {problem}. Paths are relative to the list.")
    return below_common_root(places, folder)


def parent(location: Location) -> Location:
    """Return the folder of a file."""
    return str(location).rpartition("/")[0] if is_url(location) else Path(location).parent


def names_below_path(folder: Path) -> list[str] | None:
    """Return the files below a folder, relative to it; None where there is no folder."""
    if not folder.is_dir():
        return None
    return [found.relative_to(folder).as_posix() for found in folder.rglob("*") if found.is_file()]


def names_below_url(url: Location) -> list[str] | None:
    """Return the files below a prefix, relative to it; None where there is nothing."""
    with storage_errors(url):
        files, path = filesystem(url)
        if not files.exists(path):
            return None
        return [posixpath.relpath(name, path) for name in files.find(path)]


def normal(location: Location) -> str:
    """Return the one name of a place: absolute, without `..`."""
    if not is_url(location):
        return str(Path(location).resolve())
    scheme, _, path = str(location).partition("://")
    return f"{scheme}://{posixpath.normpath(path.lstrip('/'))}"


def below_common_root(places: Iterable[str], otherwise: Location) -> MediaFolder:
    """Return the places, each once, below their common folder.

    Places on several storages or in several buckets have none: they keep their whole names, and
    the root is `otherwise`.
    """
    # The same file twice could land in two splits.
    unique = sorted(set(places))
    schemes = {place.partition("://")[0] + "://" if is_url(place) else "" for place in unique}
    if len(schemes) == 1:
        scheme = schemes.pop()
        paths = [place.removeprefix(scheme) for place in unique]
        if common := posixpath.commonpath([posixpath.dirname(path) for path in paths]):
            names = (posixpath.relpath(path, common) for path in paths)
            return MediaFolder(as_location(scheme + common), tuple(names))
    return MediaFolder(otherwise, tuple(unique))
