"""Shards of chunks on disk and on object stores: resumed, whole, read one by one."""

from functools import partial

import numpy as np
import pytest
from kedro.io import DatasetError, Version

from padam.datasets.artifact_chunks import ArtifactChunksDataset
from padam.datasets.shard_jobs import Compute, ShardJobs
from padam.training.artifact_chunks import ChunkShard

VERSION = "2026-01-01T00.00.00.000Z"


def shard(name, rejected=()):
    ids = [f"{name}:{number}" for number in range(3)]
    return ChunkShard(
        log_mel={i: np.full((4, 64), n, np.float16) for n, i in enumerate(ids)},
        rows=[{"chunk_id": i, "label": n, "severity": np.nan} for n, i in enumerate(ids)],
        rejected=list(rejected),
    )


def work(**jobs):
    return ShardJobs("work", jobs, Compute(n_jobs=1))


def dataset(place):
    return ArtifactChunksDataset(filepath=f"{place}/chunks", version=Version(None, VERSION))


def fails():
    raise RuntimeError("killed")


@pytest.mark.parametrize("kind", ["path", "memory"])
def test_what_was_written_is_read_one_by_one(kind, tmp_path):
    storage = tmp_path if kind == "path" else f"memory://{tmp_path.name}"
    why = {"source": "b.wav", "start_s": 0.0, "version": "hum", "reason": "no room"}
    data = dataset(storage)
    data.save(work(a=partial(shard, "a"), b=partial(shard, "b", [why])))
    found = data.load()
    assert found.table["chunk_id"].tolist() == [f"{s}:{n}" for s in "ab" for n in range(3)]
    assert set(found.log_mel) == set(found.table["chunk_id"])
    for row in found.table.itertuples():
        assert np.array_equal(found.log_mel[row.chunk_id], np.full((4, 64), row.label))
    assert found.rejected.to_dict(orient="records") == [why]


def test_a_killed_run_makes_only_what_is_missing(tmp_path):
    data = dataset(tmp_path)
    with pytest.raises((RuntimeError, DatasetError), match="killed"):
        data.save(work(a=partial(shard, "a"), b=fails))
    assert not data.exists()
    data.save(work(a=fails, b=partial(shard, "b")))
    assert len(data.load().table) == 6


def test_a_shard_of_which_nothing_came_is_no_row(tmp_path):
    why = {"source": "a.wav", "start_s": 0.0, "version": "all", "reason": "file not found"}
    data = dataset(tmp_path)
    data.save(work(a=partial(ChunkShard, {}, [], [why])))
    found = data.load()
    assert found.table.empty
    assert found.rejected["reason"].tolist() == ["file not found"]
