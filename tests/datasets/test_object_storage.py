"""Versioned folders on an object store: whole or not there, taken up again after a kill."""

import errno
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from joblib.externals import loky
from kedro.io import DatasetError, Version

from padam.audio.media import read_audio
from padam.audio.storage import StorageError, filesystem
from padam.datasets.folders import MARKER
from padam.datasets.shard_jobs import Compute, ShardJobs
from padam.datasets.shards import (
    ArrayShardsDataset,
    ClipShardsDataset,
    RenderedShard,
    TableShardsDataset,
)
from padam.datasets.titles import TitlesDataset
from padam.datasets.torch_model import TorchModelDataset
from padam.defects.shards import ClipPair
from padam.detection.matching import LABEL_COLUMNS
from padam.detection.titles import Title
from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder

SERIAL = Compute(n_jobs=1)
FIRST, SECOND = "2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"


class KilledError(BaseException):
    """What no handler catches, as little as a SIGKILL."""


def table(number: int, calls: Counter[int] | None = None, fail_on: int | None = None) -> Any:
    if number == fail_on:
        raise RuntimeError("power cut")
    if calls is not None:
        calls[number] += 1
    return pd.DataFrame({"number": [number], "square": [number**2]})


def jobs(*arguments: Any, fingerprint: str = "work", compute: Compute = SERIAL) -> ShardJobs:
    parts = {f"part-{n}": partial(table, n, *arguments) for n in range(4)}
    return ShardJobs(fingerprint, parts, compute)


def scores(storage: str, version: str = FIRST) -> TableShardsDataset:
    return TableShardsDataset(filepath=f"{storage}/padam/scores", version=Version(None, version))


def objects(url: str) -> list[str]:
    files, path = filesystem(url)
    return sorted(name.removeprefix(path) for name in files.find(path))


def test_shards_are_objects_and_load_as_one_table(storage: str) -> None:
    scores(storage).save(jobs())
    assert scores(storage).exists()
    assert scores(storage).load()["square"].tolist() == [0, 1, 4, 9]
    folder = f"/padam/scores/{FIRST}/scores"
    parts = [f"{folder}/part-{n}.parquet" for n in range(4)]
    assert objects(storage) == [f"{folder}/{MARKER}", *parts], "nothing is left in the staging"


def test_a_killed_run_goes_on_where_it_stopped(storage: str) -> None:
    calls: Counter[int] = Counter()
    with pytest.raises(DatasetError, match="power cut"):
        scores(storage).save(jobs(calls, 2))
    assert not scores(storage).exists(), "half a version must not be seen"
    assert set(calls) == {0, 1}
    scores(storage, SECOND).save(jobs(calls))
    assert calls == Counter(range(4)), "nothing is computed twice"
    assert len(scores(storage).load()) == 4


def test_shards_of_other_work_are_not_taken_up(storage: str) -> None:
    calls: Counter[int] = Counter()
    with pytest.raises(DatasetError):
        scores(storage).save(jobs(calls, 2, fingerprint="old parameters"))
    scores(storage).save(jobs(calls, fingerprint="new parameters"))
    assert calls[0] == 2


@pytest.mark.parametrize("killed_at", ["copy", "pipe_file"])
def test_a_publication_that_is_killed_is_not_there_and_is_done_again(
    storage: str, killed_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[int] = Counter()
    scores(storage).save(jobs(fingerprint="earlier"))
    files = filesystem(storage)[0]
    copy, pipe_file = files.copy, files.pipe_file

    def copy_half(source: list[str], target: list[str]) -> None:
        copy(source[:2], target[:2])
        raise KilledError

    def pipe_no_marker(path: str, content: bytes) -> None:
        if path.endswith(MARKER):
            raise KilledError
        pipe_file(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, killed_at, {"copy": copy_half, "pipe_file": pipe_no_marker}[killed_at])
        with pytest.raises(KilledError):
            scores(storage, SECOND).save(jobs(calls))
    assert objects(f"{storage}/padam/scores/{SECOND}"), "some of it was copied"
    assert scores(storage).resolve_load_version() == FIRST, "a version without marker is none"

    third = "2026-01-03T00.00.00.000Z"
    scores(storage, third).save(jobs(calls))
    assert calls == Counter(range(4)), "nothing is computed twice"
    assert scores(storage).resolve_load_version() == third
    assert len(scores(storage).load()) == 4
    assert not objects(f"{storage}/padam/scores/{SECOND}"), "what was half copied is gone"
    assert not objects(f"{storage}/padam/.scores.partial")


def test_a_version_is_never_overwritten(storage: str) -> None:
    scores(storage).save(jobs())
    with pytest.raises(DatasetError, match="must not exist"):
        scores(storage).save(jobs())


@pytest.mark.slow
def test_worker_processes_put_their_shards(bucket: str) -> None:
    # workers of earlier tests have another environment
    loky.get_reusable_executor().shutdown(wait=True)
    scores(bucket).save(jobs(compute=Compute(n_jobs=2)))
    loky.get_reusable_executor().shutdown(wait=True)
    assert scores(bucket).load()["number"].tolist() == [0, 1, 2, 3]


def test_without_versions_the_folder_is_replaced(storage: str) -> None:
    target = TableShardsDataset(filepath=f"{storage}/scores")
    target.save(jobs())
    target.save(ShardJobs("fewer", {"part-0": partial(table, 7)}, SERIAL))
    assert target.load()["number"].tolist() == [7]


def clip(clip_id: str) -> ClipPair:
    audio = np.random.default_rng(int(clip_id)).integers(-(2**20), 2**20, (2, 4800)) / 2**23
    audio = audio.astype(np.float32)
    return ClipPair(clip_id, audio, -audio, 48000, {"clip_id": clip_id, "labels": []})


def test_clips_are_read_where_they_lie(storage: str) -> None:
    target = ClipShardsDataset(filepath=f"{storage}/clips", version=Version(None, FIRST))
    refused = {"clip_id": "000002", "source": "b.wav", "reason": "silent"}
    parts = {
        "clips-0": lambda: RenderedShard([clip("000001")], [refused]),
        "clips-1": lambda: RenderedShard([clip("000003"), clip("000004")]),
    }
    target.save(ShardJobs("clips", parts, SERIAL))
    loaded = target.load()
    assert list(loaded.by_name) == ["clips-0", "clips-1"]
    pairs = list(loaded)
    assert [pair.clip_id for pair in pairs] == ["000001", "000003", "000004"]
    np.testing.assert_array_equal(pairs[1].degraded, clip("000003").degraded)
    assert [pair.clip_id for pair in loaded.select(["000004"])] == ["000004"]
    assert [row["clip_id"] for row in loaded.metadata()] == ["000001", "000003", "000004"]
    assert loaded.rejected() == [refused]
    assert loaded.fingerprint() == target.load().fingerprint()


def test_arrays_keep_their_type_and_shape(storage: str) -> None:
    target = ArrayShardsDataset(filepath=f"{storage}/embeddings", version=Version(None, FIRST))
    embedding = np.arange(6, dtype=np.float16).reshape(1, 2, 3)
    target.save(ShardJobs("arrays", {"a": lambda: {"clip": embedding}}, SERIAL))
    assert target.load()["clip"].dtype == np.float16
    np.testing.assert_array_equal(target.load()["clip"], embedding)


def test_titles_are_streamed_from_where_they_lie(storage: str) -> None:
    labels = pd.DataFrame([("t-0", 0.0, 0.5, "hum")], columns=LABEL_COLUMNS)
    audio = np.tile(clip("000001").reference, 20)
    title = Title("t-0", "test", audio, 48000, labels, {})
    target = TitlesDataset(filepath=f"{storage}/titles", version=Version(None, FIRST))
    target.save(ShardJobs("titles", {"t-0": lambda: title}, SERIAL))
    loaded = target.load()
    assert loaded.titles["title"].tolist() == ["t-0"]
    assert loaded.labels["defect"].tolist() == ["hum"]
    np.testing.assert_array_equal(read_audio(loaded.path("t-0.flac")), title.audio)


def test_a_model_folder_comes_back(storage: str) -> None:
    target = TorchModelDataset(
        filepath=f"{storage}/models/encoder",
        model="padam.models.audio_encoder.AudioEncoder",
        config="padam.models.audio_encoder.AudioEncoderConfig",
        version=Version(None, FIRST),
    )
    saved = AudioEncoder(AUDIO_ENCODER_SIZES["tiny"]).eval()
    target.save(saved)
    waveform = torch.randn(1, 6400)
    torch.testing.assert_close(target.load()(waveform), saved(waveform))
    assert target.list_versions(full_path=False) == [FIRST]
    with target._folders.fetched(target.load_location()) as folder:
        names = sorted(path.name for path in folder.iterdir())
    assert names == ["config.json", "weights.safetensors"], "the marker is none of its files"


@pytest.mark.parametrize(
    ("url", "message"),
    [("gs://bucket/scores", "gcsfs"), ("ftp://host/scores", "object stores .*not at ftp://")],
)
def test_a_place_that_cannot_hold_results_is_refused(url: str, message: str) -> None:
    with pytest.raises(StorageError, match=message):
        TableShardsDataset(filepath=url, version=Version(None, FIRST))


def full_disk(path: Path, content: Any) -> None:
    path.write_bytes(b"the beginning of a shard")
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("place", ["a folder", "memory://disk"])
def test_a_full_disk_names_the_place_and_leaves_no_broken_shard(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = place if "://" in place else str(tmp_path)
    calls: Counter[int] = Counter()
    write = TableShardsDataset.write_shard

    def full_at_2(path: Path, content: Any) -> None:
        (full_disk if path.stem == "part-2" else write)(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(TableShardsDataset, "write_shard", staticmethod(full_at_2))
        with pytest.raises(DatasetError, match="no space is left") as caught:
            scores(root).save(jobs(calls))
    message = str(caught.value)
    on_disk = root != place
    named, remedy = (str(tmp_path), "data_root") if on_disk else (tempfile.gettempdir(), "TMPDIR")
    assert f"'{named}" in message
    assert remedy in message
    assert "goes on" in message
    staged = objects(f"{root}/padam/.scores.partial/work")
    assert [name.lstrip("/") for name in staged] == ["part-0.parquet", "part-1.parquet"]
    assert not scores(root).exists()

    scores(root).save(jobs(calls))
    assert calls == Counter({0: 1, 1: 1, 2: 2, 3: 1}), "only the shard that was lost is made again"
    assert len(scores(root).load()) == 4


def test_what_a_killed_worker_left_is_not_published(tmp_path: Path) -> None:
    scratch = tmp_path / "padam/.scores.partial" / jobs().fingerprint / ".tmpabc"
    scratch.mkdir(parents=True)
    (scratch / "part-0.parquet").write_bytes(b"half")
    scores(str(tmp_path)).save(jobs())
    published = tmp_path / f"padam/scores/{FIRST}/scores"
    parts = sorted(path.name for path in published.iterdir())
    assert parts == [f"part-{n}.parquet" for n in range(4)]
    assert not (tmp_path / "padam/.scores.partial").exists()
