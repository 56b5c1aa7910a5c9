"""Where files lie: a path of this machine, or a URL that fsspec opens (s3://, gs://, https://, …).

Credentials and endpoints are fsspec's own business: the variables of the storage's client
(`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, …) or `~/.config/fsspec`.
"""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, Any, BinaryIO, cast

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

Location = Path | str
"""A path, or a URL as a string; a string without a scheme is a path."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LOCAL = ("file://", "local://")
# Pictures and sound lie apart in a film: reading jumps to and fro, and a cache of one place would
# be filled anew with every packet.
_CACHE = {"cache_type": "blockcache", "cache_options": {"maxblocks": 8}}
_BLOCK_BYTES = 2**22
# what the storages call a file's checksum or its time of change
_IDENTITY = ("ETag", "etag", "md5Hash", "checksum", "mtime", "LastModified", "updated", "created")


class StorageError(OSError):
    """A storage that does not answer, refuses, or is of a kind not known here."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url = url
        self.reason = reason

    def __reduce__(self) -> tuple[type["StorageError"], tuple[str, str]]:
        return type(self), (self.url, self.reason)


def is_url(location: Location) -> bool:
    """Whether fsspec has to open it; `file://` is a path with a longer name."""
    text = str(location)
    return _SCHEME.match(text) is not None and not text.startswith(_LOCAL)


def as_location(text: str) -> Location:
    """Return the URL, without a slash at its end, or the path that a user has written."""
    if is_url(text):
        return text.rstrip("/")
    return Path(LocalFileSystem._strip_protocol(text) if text.startswith(_LOCAL) else text)


def is_complete(file: str) -> bool:
    """Whether a name says by itself where the file lies: a URL or an absolute path."""
    return file.startswith("/") or _SCHEME.match(file) is not None


def locate(root: Location, file: str) -> Location:
    """Where `file` lies: below `root`, or where it says itself if it is a URL or absolute."""
    if is_complete(file):
        return as_location(file)
    return f"{root}/{file}" if is_url(root) else Path(root) / file


def filesystem(url: Location) -> tuple[AbstractFileSystem, str]:
    """Return fsspec's file system and the path in it, never from a stale listing.

    Raises StorageError for a protocol that is unknown or whose package is not installed.
    """
    try:
        found, path = url_to_fs(str(url), use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise StorageError(str(url), f"{error}; fsspec's documentation lists protocols") from error
    return found, path


@contextmanager
def storage_errors(url: Location) -> Iterator[None]:
    """Turn whatever a storage's client raises into a StorageError; a missing file stays one."""
    try:
        yield
    except (FileNotFoundError, StorageError):
        raise
    except Exception as error:
        raise StorageError(str(url), f"cannot be reached ({_reason(error)})") from error


def open_binary(location: Location, block_bytes: int = _BLOCK_BYTES) -> BinaryIO:
    """Open for reading; a URL is fetched in blocks, the latest of which are kept.

    Raises FileNotFoundError, OSError, and StorageError for a URL.
    """
    if not is_url(location):
        return Path(location).open("rb")
    with storage_errors(location):
        files, path = filesystem(location)
        file = files.open(path, "rb", block_size=block_bytes, **_CACHE)
    return cast(BinaryIO, _RemoteFile(str(location), file))


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a name beside `path` to write under; what was written gets its name in the end.

    Where writing fails the file is as it was, and nothing is left under the other name.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_bytes(location: Location) -> bytes:
    """Return the whole content of a file. Raises as `open_binary` does."""
    if not is_url(location):
        return Path(location).read_bytes()
    with storage_errors(location):
        files, path = filesystem(location)
        return bytes(files.cat_file(path))


@contextmanager
def folder_here(folder: Location) -> Iterator[Path]:
    """The folder on this machine while it is read: itself, or a copy of what is at a URL.

    Raises StorageError for a URL; a folder that is not there is empty.
    """
    if not is_url(folder):
        yield Path(folder)
        return
    with TemporaryDirectory(prefix="padam-") as scratch:
        with storage_errors(folder):
            files, path = filesystem(folder)
            found = files.find(path)
            files.get(found, [scratch + name.removeprefix(path) for name in found])
        yield Path(scratch)


def is_file(location: Location) -> bool:
    """Whether there is a file. Raises StorageError where the storage does not say."""
    if not is_url(location):
        return Path(location).is_file()
    try:
        return bool(_info(location)["type"] == "file")
    except FileNotFoundError:
        return False


def identity(location: Location) -> str:
    """Size, and time of change or checksum, as the storage tells them; "missing" without a file."""
    try:
        if not is_url(location):
            stat = Path(location).stat()
            return f"{stat.st_size}:{stat.st_mtime_ns}"
        info = _info(location)
    except FileNotFoundError:
        return "missing"
    return ":".join(str(info[key]) for key in ("size", *_IDENTITY) if info.get(key) is not None)


def _info(url: Location) -> dict[str, Any]:
    with storage_errors(url):
        files, path = filesystem(url)
        return dict(files.info(path))


class _RemoteFile(io.RawIOBase):
    """A file object whose errors name the URL."""

    def __init__(self, url: str, file: IO[bytes]) -> None:
        # FFmpeg guesses by the suffix; of a name with a scheme it would make buffers of 16 MB
        self.name = PurePosixPath(url).name
        self._url = url
        self._file = file

    def read(self, size: int = -1) -> bytes:
        with storage_errors(self._url):
            return self._file.read(size)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        with storage_errors(self._url):
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._file.seekable()

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
