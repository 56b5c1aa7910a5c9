"""Long work cut in shards: what a node returns instead of the data itself.

A node describes the work (one callable per shard); the dataset that receives it runs the shards
that are missing, on all cores, and writes each under a temporary name. So a node stays pure, and
a killed run goes on where it stopped.
"""

import hashlib
import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import joblib
from pydantic import BaseModel, ConfigDict, Field, field_validator
from tqdm import tqdm

from padam.audio.storage import Location, identity, is_url
from padam.datasets.folders import folders_at

logger = logging.getLogger(__name__)
LOG_EVERY_S = 60.0


class Compute(BaseModel):
    """Where shards are computed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    backend: Literal["loky", "dask"] = "loky"
    n_jobs: int = Field(-1, ge=-1, description="processes; -1 = one per core")
    scheduler: str | None = Field(None, description="dask scheduler address; None starts one here")
    shard_size: int = Field(16, ge=1, description="clips per shard, where shards are cut")

    @field_validator("n_jobs")
    @classmethod
    def _some_process(cls, n_jobs: int) -> int:
        if n_jobs == 0:
            raise ValueError("n_jobs 0 is no process at all: -1 for one per core, or 1 and more")
        return n_jobs

    def on_gpus(self, count: int) -> "Compute":
        """Return the same with a process for each of this machine's GPUs, where it has any."""
        if not count or self.backend != "loky":
            return self
        return self.model_copy(update={"n_jobs": count})


@dataclass(frozen=True)
class ShardJobs:
    """Named pieces of work, each returning the content of one shard.

    ``fingerprint`` names the whole work: shards left by a killed run are taken up again only by
    work with the same fingerprint. ``keys`` are hashes of all that each shard depends on, by its
    name: where they are given, a shard once computed is kept for every later work that holds it.
    """

    fingerprint: str
    jobs: Mapping[str, Callable[[], Any]]
    compute: Compute = field(default_factory=Compute)
    label: str = "shards"
    keys: Mapping[str, str] | None = None

    def by_key(self) -> "ShardJobs":
        """Return the same with the shards named by their keys."""
        keys = self.keys or {}
        jobs = {keys[name]: job for name, job in self.jobs.items()}
        return replace(self, jobs=jobs, keys=None)


def fingerprint(*parts: Any) -> str:
    """Return a short hash of JSON-able parts, bytes, or pydantic models."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, BaseModel):
            part = part.model_dump(mode="json")
        raw = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()[:16]


def fingerprint_files(paths: Iterable[Location]) -> str:
    """Return a short hash of the files' content, read a piece at a time.

    Of a file on an object store it is the size and the checksum that the store tells.
    """
    digests = []
    for path in paths:
        if is_url(path):
            digests.append(identity(path).encode())
            continue
        with Path(path).open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").digest())
    return fingerprint(*digests)


def run_jobs(
    work: ShardJobs, folder: Location, suffix: str, write: Callable[[Path, Any], None]
) -> int:
    """Compute the shards that ``folder`` lacks; return how many were computed.

    ``write`` writes a shard into a scratch folder, from which it appears in ``folder`` whole, with
    what ``write`` put beside it.
    """
    there = folders_at(folder).names(folder)
    missing = [name for name in work.jobs if f"{name}{suffix}" not in there]
    done_before = len(work.jobs) - len(missing)
    if done_before:
        logger.info("%s: %d of %d were there already", work.label, done_before, len(work.jobs))
    tasks = (
        joblib.delayed(_compute_shard)(work.jobs[name], folder, f"{name}{suffix}", write)
        for name in missing
    )
    with _backend(work.compute):
        parallel = joblib.Parallel(n_jobs=work.compute.n_jobs, return_as="generator_unordered")
        with warnings.catch_warnings():
            # loky replaces a worker that has grown by 300 MB, and says so; nothing is lost.
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
            for _ in progress(parallel(tasks), total=len(missing), label=work.label):
                pass
    return len(missing)


def _compute_shard(
    job: Callable[[], Any], folder: Location, name: str, write: Callable[[Path, Any], None]
) -> None:
    content = job()
    with folders_at(folder).delivery(folder, last=name) as scratch:
        write(scratch / name, content)


@contextmanager
def _backend(compute: Compute) -> Iterator[None]:
    if compute.backend == "loky":
        with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
            yield
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            "compute.backend is 'dask', which needs the extra: pip install 'padam[dask]'"
        ) from error
    # engines are held to one thread by process, so a worker has one
    own = {"n_workers": joblib.effective_n_jobs(compute.n_jobs), "threads_per_worker": 1}
    client = Client(compute.scheduler) if compute.scheduler else Client(**own)
    with client, joblib.parallel_config(backend="dask"):
        yield


def progress(items: Iterator[Any], *, total: int, label: str) -> Iterator[Any]:
    """Yield ``items`` with a bar on a terminal, or a log line a minute elsewhere."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=label, unit="shard")
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= LOG_EVERY_S or done == total:
            last = now
            left = (now - start) / done * (total - done)
            logger.info("%s: %d of %d, %.0f s left", label, done, total, left)
