"""Shard folders: computed once, resumed after a kill, published whole."""

import gc
import pickle
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError, Version

from padam.datasets.shard_jobs import Compute, ShardJobs, fingerprint
from padam.datasets.shards import (
    OPEN_FILES,
    ArrayFolderDataset,
    ArrayShardsDataset,
    ClipShardsDataset,
    MappedArrayShardsDataset,
    RenderedShard,
    TableShardsDataset,
    read_arrays,
)
from padam.defects.shards import ClipPair

SERIAL = Compute(n_jobs=1, shard_size=2)


def table(number: int, calls: Path, fail_on: int | None = None) -> pd.DataFrame:
    if number == fail_on:
        raise RuntimeError("power cut")
    with calls.open("a") as log:
        log.write(f"{number}\n")
    return pd.DataFrame({"number": [number], "square": [number**2]})


def jobs(calls: Path, *, name: str = "work", fail_on: int | None = None) -> ShardJobs:
    parts = {f"part-{n}": partial(table, n, calls, fail_on) for n in range(4)}
    return ShardJobs(fingerprint(name), parts, SERIAL)


def dataset(folder: Path, version: str = "2026-01-01T00.00.00.000Z") -> TableShardsDataset:
    return TableShardsDataset(filepath=str(folder / "scores"), version=Version(None, version))


def test_shards_load_as_one_table_in_order(tmp_path: Path) -> None:
    dataset(tmp_path).save(jobs(tmp_path / "calls"))
    loaded = dataset(tmp_path).load()
    assert loaded["number"].tolist() == [0, 1, 2, 3]
    assert loaded["square"].tolist() == [0, 1, 4, 9]


def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    with pytest.raises(DatasetError, match="power cut"):
        dataset(tmp_path).save(jobs(calls, fail_on=2))
    assert not dataset(tmp_path).exists(), "half a version must not be seen"
    assert calls.read_text().split() == ["0", "1"]

    dataset(tmp_path, "2026-01-02T00.00.00.000Z").save(jobs(calls))
    assert calls.read_text().split() == ["0", "1", "2", "3"], "nothing is computed twice"
    assert len(dataset(tmp_path).load()) == 4
    assert not list(tmp_path.glob(".*partial")), "nothing is left behind"


def test_shards_of_other_work_are_not_taken_up(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    with pytest.raises(DatasetError):
        dataset(tmp_path).save(jobs(calls, name="old parameters", fail_on=2))
    calls.unlink()
    dataset(tmp_path).save(jobs(calls, name="new parameters"))
    assert calls.read_text().split() == ["0", "1", "2", "3"]


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    dataset(tmp_path).save(jobs(tmp_path / "calls"))
    with pytest.raises(DatasetError, match="must not exist"):
        dataset(tmp_path).save(jobs(tmp_path / "calls"))


def keyed(calls: Path, keys: dict[str, str], **changes: Any) -> ShardJobs:
    """Work whose shards are kept under keys of their own."""
    work = jobs(calls, **changes)
    parts = {name: work.jobs[name] for name in keys}
    return ShardJobs(fingerprint(keys), parts, SERIAL, keys=keys)


def test_a_shard_with_a_key_is_computed_once_for_every_work_that_holds_it(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    dataset(tmp_path).save(keyed(calls, {"part-1": "one", "part-2": "two"}))
    assert calls.read_text().split() == ["1", "2"]
    dataset(tmp_path, "2026-01-02T00.00.00.000Z").save(
        keyed(calls, {"part-2": "two", "part-3": "three", "part-0": "naught"})
    )
    assert calls.read_text().split() == ["1", "2", "3", "0"]
    latest = TableShardsDataset(filepath=str(tmp_path / "scores"), version=Version(None, None))
    assert latest.load()["number"].tolist() == [2, 3, 0], "in the order of the work"
    dataset(tmp_path, "2026-01-03T00.00.00.000Z").save(keyed(calls, {"part-2": "changed"}))
    assert calls.read_text().split()[-1] == "2"


def test_a_killed_run_keeps_the_shards_with_keys(tmp_path: Path) -> None:
    calls, keys = tmp_path / "calls", {f"part-{n}": f"key-{n}" for n in range(4)}
    with pytest.raises(DatasetError, match="power cut"):
        dataset(tmp_path).save(keyed(calls, keys, fail_on=2))
    assert not dataset(tmp_path).exists()
    dataset(tmp_path).save(keyed(calls, keys))
    assert calls.read_text().split() == ["0", "1", "2", "3"]


def test_a_version_outlives_what_was_kept(tmp_path: Path) -> None:
    keys = {"part-1": "one"}
    dataset(tmp_path).save(keyed(tmp_path / "calls", keys))
    shutil.rmtree(tmp_path / ".scores.kept")
    assert dataset(tmp_path).load()["number"].tolist() == [1]


@pytest.mark.parametrize("links", [True, False])
def test_kept_arrays_lie_in_each_version_under_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:

        def refuse(*_: Any) -> None:
            raise OSError("no hard links here")

        monkeypatch.setattr("os.link", refuse)
    for day in (1, 2):
        target = ArrayFolderDataset(
            filepath=str(tmp_path / "arrays"),
            version=Version(None, f"2026-01-0{day}T00.00.00.000Z"),
        )
        parts = {f"title.{n}": partial(arrays_of, n) for n in range(day)}
        keys = {name: f"key-{name}" for name in parts}
        target.save(ShardJobs(fingerprint(keys), parts, SERIAL, keys=keys))
        found = target.load().by_name
        assert set(found) == set(parts)
        np.testing.assert_array_equal(
            read_arrays(found["title.0"])["0.reference"], arrays_of(0)["0.reference"]
        )


def test_work_without_any_shard_is_a_version_without_any(tmp_path: Path) -> None:
    target = ArrayFolderDataset(
        filepath=str(tmp_path / "arrays"), version=Version(None, "2026-01-01T00.00.00.000Z")
    )
    target.save(ShardJobs("nothing", {}, SERIAL, keys={}))
    assert target.load().by_name == {}


def test_kept_shards_on_an_object_store(storage: str, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    for day, keys in ((1, {"part-1": "one"}), (2, {"part-1": "one", "part-2": "two"})):
        version = Version(None, f"2026-01-0{day}T00.00.00.000Z")
        TableShardsDataset(filepath=f"{storage}/scores", version=version).save(keyed(calls, keys))
        target = ArrayFolderDataset(filepath=f"{storage}/arrays", version=version)
        parts = {name: partial(arrays_of, 1) for name in keys}
        target.save(ShardJobs(fingerprint(keys), parts, SERIAL, keys=keys))
        assert set(target.load().by_name) == set(keys)
    assert calls.read_text().split() == ["1", "2"]
    latest = TableShardsDataset(filepath=f"{storage}/scores", version=Version(None, None))
    assert latest.load()["number"].tolist() == [1, 2]


def test_worker_processes_give_what_one_process_gives(tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    parallel = ShardJobs("parallel", jobs(calls).jobs, Compute(n_jobs=2))
    dataset(tmp_path).save(parallel)
    assert dataset(tmp_path).load()["number"].tolist() == [0, 1, 2, 3]


def test_arrays_keep_their_type_and_shape(tmp_path: Path) -> None:
    embedding = np.arange(6, dtype=np.float16).reshape(1, 2, 3)
    target = ArrayShardsDataset(
        filepath=str(tmp_path / "embeddings"), version=Version(None, "2026-01-01T00.00.00.000Z")
    )
    target.save(ShardJobs("arrays", {"a": lambda: {"clip": embedding}}, SERIAL))
    loaded = target.load()
    assert loaded["clip"].dtype == np.float16
    np.testing.assert_array_equal(loaded["clip"], embedding)


def arrays_of(number: int) -> dict[str, np.ndarray]:
    return {f"{number}.{side}": np.full((2, 3), number + at, np.float16)
            for at, side in enumerate(("reference", "degraded"))}  # fmt: skip


def mapped(folder: str, count: int) -> MappedArrayShardsDataset:
    found = MappedArrayShardsDataset(
        filepath=f"{folder}/embeddings", version=Version(None, "2026-01-01T00.00.00.000Z")
    )
    parts = {f"part-{n:03d}": partial(arrays_of, n) for n in range(count)}
    found.save(ShardJobs(fingerprint(folder), parts, SERIAL))
    return found


def test_mapped_arrays_are_those_that_were_written(tmp_path: Path) -> None:
    count = OPEN_FILES + 3
    arrays = mapped(str(tmp_path), count).load()
    assert isinstance(arrays, Mapping)
    assert len(arrays) == 2 * count
    for number in (0, count - 1, 1, 0):  # the first again, after its file was closed for others
        for name, expected in arrays_of(number).items():
            assert arrays[name].dtype == np.float16
            np.testing.assert_array_equal(arrays[name], expected)
    for name in arrays:
        assert arrays[name].shape == (2, 3)
    assert len(arrays._open) == OPEN_FILES
    again = pickle.loads(pickle.dumps(arrays))
    np.testing.assert_array_equal(again["2.degraded"], arrays["2.degraded"])
    with pytest.raises(KeyError):
        arrays["missing.reference"]


def test_mapped_arrays_of_an_object_store_lie_on_disk_while_they_are_used(storage: str) -> None:
    arrays = mapped(storage, 3).load()
    copies = set(arrays._path_of.values())
    np.testing.assert_array_equal(arrays["2.reference"], arrays_of(2)["2.reference"])
    assert all(path.is_file() for path in copies)
    del arrays
    gc.collect()
    assert not any(path.exists() for path in copies)


def clip(clip_id: str) -> ClipPair:
    rng = np.random.default_rng(int(clip_id))
    audio = np.round(rng.uniform(-0.5, 0.5, (2, 4800)) * 2**20) / 2**20
    audio = audio.astype(np.float32)
    return ClipPair(clip_id, audio, -audio, 48000, {"clip_id": clip_id, "labels": []})


def test_clips_come_back_sample_by_sample_with_what_was_rejected(tmp_path: Path) -> None:
    target = ClipShardsDataset(
        filepath=str(tmp_path / "clips"), version=Version(None, "2026-01-01T00.00.00.000Z")
    )
    refused = {"clip_id": "000002", "source": "b.wav", "reason": "silent"}
    shards = {
        "clips-0": lambda: RenderedShard([clip("000001")], [refused]),
        "clips-1": lambda: RenderedShard([clip("000003")]),
    }
    target.save(ShardJobs("clips", shards, SERIAL))
    loaded = target.load()
    pairs = list(loaded)
    assert [pair.clip_id for pair in pairs] == ["000001", "000003"]
    np.testing.assert_array_equal(pairs[0].reference, clip("000001").reference)
    np.testing.assert_array_equal(pairs[1].degraded, clip("000003").degraded)
    assert [row["clip_id"] for row in loaded.metadata()] == ["000001", "000003"]
    assert loaded.rejected() == [refused]
    assert [pair.clip_id for pair in loaded.select(["000003", "000009"])] == ["000003"]
    assert loaded.fingerprint() == target.load().fingerprint()


def test_dask_without_its_packages_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    work = ShardJobs("x", jobs(tmp_path / "calls").jobs, Compute(backend="dask"))
    with pytest.raises(DatasetError, match=r"padam\[dask\]"):
        dataset(tmp_path).save(work)


def test_dask_workers_compute_shards(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="the extra `dask` is not installed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as cluster:
        compute = Compute(backend="dask", scheduler=cluster.scheduler_address)
        dataset(tmp_path).save(ShardJobs("dask", jobs(tmp_path / "calls").jobs, compute))
    assert dataset(tmp_path).load()["square"].tolist() == [0, 1, 4, 9]


def test_a_fingerprint_tells_parts_apart() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint({"b": 1, "a": 2}) == fingerprint({"a": 2, "b": 1})
    assert fingerprint(SERIAL) == fingerprint(Compute(n_jobs=1, shard_size=2))
