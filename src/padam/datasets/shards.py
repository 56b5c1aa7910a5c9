"""Versioned folders of shards: clip pairs, tables and arrays, written a shard at a time."""

import io
import json
import tarfile
import weakref
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors import safe_open
from safetensors.numpy import load, save

from padam.audio.storage import Location, is_url, locate, open_binary, read_bytes
from padam.datasets.shard_jobs import ShardJobs, fingerprint_files, run_jobs
from padam.datasets.versioned_folder import VersionedFolderDataset
from padam.defects.shards import ClipPair, read_shard, write_shard

REJECTED_SUFFIX = ".rejected.json"
TABLE = "table"
REQUESTS_AT_ONCE = 16
JSON_BLOCK_BYTES = 2**16
OPEN_FILES = 64

Arrays = dict[str, npt.NDArray[Any]]


class ShardFolderDataset(VersionedFolderDataset[ShardJobs, Any]):
    """A folder whose shards are computed while it is saved, and read where they lie.

    Unfinished shards wait in a staging folder named after the work's fingerprint; the next run
    of the same work takes them up, and the version appears when the last shard is there. Shards of
    a work with keys lie in a folder of their own, ``.<name>.kept``, beside the versions, which may
    be removed at any time; what of them a later work needs is not computed again.
    """

    suffix: str

    @staticmethod
    @abstractmethod
    def write_shard(path: Path, content: Any) -> None:
        """Write one shard; what lies beside it in its folder goes with it."""

    def save(self, data: ShardJobs) -> None:
        """Compute what is missing of ``data``, then publish the version."""
        staging = self.staging(data.fingerprint)
        if data.keys is None:
            self.write_folder(staging, data)
        else:
            kept = self._location(self._filepath.parent / f".{self._filepath.name}.kept")
            self.write_folder(kept, data.by_key())
            self.collect(kept, staging, data.keys)
        self.publish(staging)

    def collect(self, kept: Location, staging: Location, keys: Mapping[str, str]) -> None:
        """Fill ``staging`` with the kept shards, each under its name."""
        self._folders.discard(staging)
        names = {f"{key}{self.suffix}": f"{name}{self.suffix}" for name, key in keys.items()}
        self._folders.copy(kept, staging, names)

    def load(self) -> Any:
        """Return the requested version, the latest where none was named."""
        return self.read_folder(self.load_location())

    def write_folder(self, folder: Location, data: ShardJobs) -> None:
        """Compute the shards of ``data`` that ``folder`` lacks."""
        run_jobs(data, folder, self.suffix, self.write_shard)

    @abstractmethod
    def read_folder(self, folder: Location) -> Any:
        """Return the shards, or a view on them."""

    def files(self, folder: Location, suffix: str | None = None) -> tuple[Location, ...]:
        """Files of a version that end in ``suffix``, in their order; the shards by default."""
        names = sorted(self._folders.names(folder))
        return tuple(locate(folder, name) for name in names if name.endswith(suffix or self.suffix))


@dataclass
class RenderedShard:
    """Content of a clip shard: the pairs, and what could not be made with its reason."""

    pairs: list[ClipPair] = field(default_factory=list)
    rejected: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ClipShards:
    """Clip pairs on any storage, read one at a time."""

    paths: tuple[Location, ...]
    rejections: tuple[Location, ...] = ()

    @property
    def by_name(self) -> dict[str, Location]:
        """The shards by their name without suffix."""
        return {PurePosixPath(path).stem: path for path in self.paths}

    def __iter__(self) -> Iterator[ClipPair]:
        for path in self.paths:
            yield from read_shard(path)

    def select(self, clip_ids: Collection[str]) -> Iterator[ClipPair]:
        """The named clips that are there, in the order of the shards; no other is read."""
        missing = set(clip_ids)
        for path in self.paths:
            if not missing:
                return
            for pair in read_shard(path, only=missing):
                yield pair
                missing.discard(pair.clip_id)

    def metadata(self) -> Iterator[dict[str, Any]]:
        """What is known of each clip, without decoding its audio."""
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as threads:
            for found in threads.map(read_metadata, self.paths):
                yield from found

    def rejected(self) -> list[dict[str, str]]:
        """Clips that could not be made: ``clip_id``, ``source``, ``reason``."""
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as threads:
            texts = threads.map(read_bytes, self.rejections)
            return [row for text in texts for row in json.loads(text)]

    def fingerprint(self) -> str:
        """Hash of the shards' content."""
        return fingerprint_files(self.paths)


class ClipShardsDataset(ShardFolderDataset):
    """WebDataset tars of reference and degraded FLAC with their JSON; loads as ``ClipShards``."""

    suffix = ".tar"

    @staticmethod
    def write_shard(path: Path, content: Any) -> None:
        """Write a ``RenderedShard``: the tar, and what was rejected beside it."""
        if content.rejected:
            path.with_suffix(REJECTED_SUFFIX).write_text(json.dumps(content.rejected, indent=1))
        write_shard(path, content.pairs)

    def read_folder(self, folder: Location) -> ClipShards:
        """Return the shards, unread."""
        return ClipShards(self.files(folder), self.files(folder, REJECTED_SUFFIX))


class TableShardsDataset(ShardFolderDataset):
    """Parquet files with the same columns; loads as one ``DataFrame``."""

    suffix = ".parquet"

    @staticmethod
    def write_shard(path: Path, content: Any) -> None:
        """Write the table of one shard."""
        pd.DataFrame(content).to_parquet(path, index=False)

    def collect(self, kept: Location, staging: Location, keys: Mapping[str, str]) -> None:
        """Write the kept tables as one: there may be thousands, of a few rows each."""
        self._folders.discard(staging)
        paths = [locate(kept, f"{key}{self.suffix}") for key in keys.values()]
        with self._folders.delivery(staging) as scratch:
            self.write_shard(scratch / f"{TABLE}{self.suffix}", read_tables(paths))

    def read_folder(self, folder: Location) -> pd.DataFrame:
        """Return all shards as one table."""
        return read_tables(self.files(folder))


def read_tables(paths: Sequence[Location]) -> pd.DataFrame:
    """Return the rows of Parquet files, in the order of the files."""
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as threads:
        found = threads.map(lambda path: pd.read_parquet(io.BytesIO(read_bytes(path))), paths)
        tables = list(found)
    # pandas will one day ask the empty ones for their types as well
    filled = [table for table in tables if not table.empty] or tables[:1]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()


def read_arrays(path: Location) -> Arrays:
    """Return the arrays of one shard."""
    arrays: Arrays = load(read_bytes(path))
    return arrays


class ArrayShardsDataset(ShardFolderDataset):
    """Safetensors files of named arrays; loads as one ``dict`` of name to array."""

    suffix = ".safetensors"

    @staticmethod
    def write_shard(path: Path, content: Any) -> None:
        """Write the arrays of one shard."""
        arrays = {name: np.ascontiguousarray(array) for name, array in content.items()}
        path.write_bytes(save(arrays))

    def read_folder(self, folder: Location) -> Arrays:
        """Return the arrays of all shards."""
        arrays: Arrays = {}
        for path in self.files(folder):
            arrays.update(read_arrays(path))
        return arrays


@dataclass(frozen=True)
class ArrayShards:
    """Shards of arrays on any storage, by name, read one at a time."""

    by_name: dict[str, Location]

    def fingerprint(self) -> str:
        """Hash of the shards' content."""
        return fingerprint_files(self.by_name.values())


class ArrayFolderDataset(ArrayShardsDataset):
    """Safetensors files as `ArrayShardsDataset` writes them; loads as ``ArrayShards``, unread."""

    def read_folder(self, folder: Location) -> Any:
        """Return where each shard lies."""
        return ArrayShards({PurePosixPath(path).stem: path for path in self.files(folder)})


class MappedArrays(Mapping[str, npt.NDArray[Any]]):
    """The arrays of many safetensors files by name, each read from its file when asked for.

    A few files are kept open, mapped into memory; nothing else is held.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._path_of: dict[str, Path] = {}
        for path in paths:
            with safe_open(path, framework="numpy") as file:
                self._path_of.update(dict.fromkeys(file.keys(), path))
        self._open: OrderedDict[Path, Any] = OrderedDict()

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = self._file(self._path_of[name]).get_tensor(name)
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._path_of)

    def __len__(self) -> int:
        return len(self._path_of)

    def __getstate__(self) -> dict[str, Any]:
        """Leave open files to this process."""
        return {"_path_of": self._path_of, "_open": OrderedDict()}

    def _file(self, path: Path) -> Any:
        if path not in self._open:
            if len(self._open) >= OPEN_FILES:
                self._open.popitem(last=False)
            self._open[path] = safe_open(path, framework="numpy")
        self._open.move_to_end(path)
        return self._open[path]


class MappedArrayShardsDataset(ArrayShardsDataset):
    """Safetensors files as `ArrayShardsDataset` writes them; loads as ``MappedArrays``.

    A folder on an object store is fetched to this machine's disk, for as long as its arrays are
    in use.
    """

    def read_folder(self, folder: Location) -> Any:
        """Return the arrays by name, unread."""
        if not is_url(folder):
            return MappedArrays([Path(path) for path in self.files(folder)])
        with ExitStack() as stack:
            copy = stack.enter_context(self._folders.fetched(folder))
            arrays = MappedArrays(sorted(copy.glob(f"*{self.suffix}")))
            weakref.finalize(arrays, stack.pop_all().close)
            return arrays


def read_metadata(path: Location) -> list[dict[str, Any]]:
    """Return the JSON of each clip of a shard; of a remote one little more is fetched."""
    with open_binary(path, block_bytes=JSON_BLOCK_BYTES) as file, tarfile.open(fileobj=file) as tar:
        parts = (tar.extractfile(member) for member in tar if member.name.endswith(".json"))
        return [json.load(part) for part in parts if part]
