"""Versioned folders of shards: clip pairs, tables and arrays, written a shard at a time."""

import json
import os
import tarfile
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors.numpy import load_file, save_file

from padam.datasets.shard_jobs import ShardJobs, fingerprint_files, run_jobs
from padam.datasets.versioned_folder import VersionedFolderDataset
from padam.defects.shards import ClipPair, read_shard, write_shard

REJECTED_SUFFIX = ".rejected.json"

Arrays = dict[str, npt.NDArray[Any]]


class ShardFolderDataset(VersionedFolderDataset[ShardJobs, Any]):
    """A folder whose shards are computed while it is saved.

    Unfinished shards wait in a staging folder named after the work's fingerprint; the next run
    of the same work takes them up, and the version appears when the last shard is there.
    """

    suffix: str

    @staticmethod
    @abstractmethod
    def write_shard(path: Path, content: Any) -> None:
        """Write one shard, atomically."""

    def save(self, data: ShardJobs) -> None:
        """Compute what is missing of ``data``, then publish the version."""
        staging = self.staging_root / data.fingerprint
        staging.mkdir(parents=True, exist_ok=True)
        self.write_folder(staging, data)
        self.publish(staging)

    def write_folder(self, folder: Path, data: ShardJobs) -> None:
        """Compute the shards of ``data`` that ``folder`` lacks."""
        run_jobs(data, folder, self.suffix, self.write_shard)

    def shard_paths(self, folder: Path) -> tuple[Path, ...]:
        """Shards of a version in their order."""
        return tuple(sorted(folder.glob(f"*{self.suffix}")))


@dataclass
class RenderedShard:
    """Content of a clip shard: the pairs, and what could not be made with its reason."""

    pairs: list[ClipPair] = field(default_factory=list)
    rejected: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ClipShards:
    """Clip pairs on disk, read one at a time."""

    paths: tuple[Path, ...]

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
        for path in self.paths:
            with tarfile.open(path) as tar:
                for member in tar:
                    if member.name.endswith(".json") and (file := tar.extractfile(member)):
                        yield json.load(file)

    def rejected(self) -> list[dict[str, str]]:
        """Clips that could not be made: ``clip_id``, ``source``, ``reason``."""
        files = (path.with_suffix(REJECTED_SUFFIX) for path in self.paths)
        return [row for file in files if file.exists() for row in json.loads(file.read_text())]

    def fingerprint(self) -> str:
        """Hash of the shards' content."""
        return fingerprint_files(self.paths)


class ClipShardsDataset(ShardFolderDataset):
    """WebDataset tars of reference and degraded FLAC with their JSON; loads as ``ClipShards``."""

    suffix = ".tar"

    @staticmethod
    def write_shard(path: Path, content: Any) -> None:
        """Write a ``RenderedShard``: first what was rejected, then the tar that makes it whole."""
        if content.rejected:
            path.with_suffix(REJECTED_SUFFIX).write_text(json.dumps(content.rejected, indent=1))
        write_shard(path, content.pairs)

    def read_folder(self, folder: Path) -> ClipShards:
        """Return the shards, unread."""
        return ClipShards(self.shard_paths(folder))


class TableShardsDataset(ShardFolderDataset):
    """Parquet files with the same columns; loads as one ``DataFrame``."""

    suffix = ".parquet"

    @staticmethod
    def write_shard(path: Path, content: Any) -> None:
        """Write the table of one shard."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        pd.DataFrame(content).to_parquet(temporary, index=False)
        temporary.rename(path)

    def read_folder(self, folder: Path) -> pd.DataFrame:
        """Return all shards as one table."""
        tables = [pd.read_parquet(path) for path in self.shard_paths(folder)]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


class ArrayShardsDataset(ShardFolderDataset):
    """Safetensors files of named arrays; loads as one ``dict`` of name to array."""

    suffix = ".safetensors"

    @staticmethod
    def write_shard(path: Path, content: Any) -> None:
        """Write the arrays of one shard."""
        save_arrays(path, content)

    def read_folder(self, folder: Path) -> Arrays:
        """Return the arrays of all shards."""
        arrays: Arrays = {}
        for path in self.shard_paths(folder):
            arrays.update(load_file(path))
        return arrays


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write named arrays to a safetensors file under a temporary name, then rename it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)
    temporary.rename(path)
