import json
import tarfile

import numpy as np
import pytest
import soundfile
import webdataset

from padam.defects.registry import DEFECT_NAMES
from padam.defects.shards import (
    ClipPair,
    ClipRejectedError,
    read_shard,
    synthesise_clip,
    write_shard,
)
from padam.defects.workflow import ClipParams, WorkflowConfig, render_clip
from tests.defects.conftest import RATE, music

CONFIG = WorkflowConfig()


def row(clip_id="000007", source="music/a.flac", start_s=3.0, duration_s=2.0, seed=5):
    return {
        "clip_id": clip_id, "source": source, "split": "train", "kind": source.split("/")[0],
        "start_s": start_s, "duration_s": duration_s, "seed": seed,
    }  # fmt: skip


@pytest.fixture(scope="module")
def pairs(media_root):
    rows = [row(f"{i:06d}", start_s=2.0 * i) for i in range(4)]
    return [synthesise_clip(media_root, r, CONFIG) for r in rows]


def test_a_shard_gives_back_exactly_what_was_written(pairs, tmp_path):
    write_shard(tmp_path / "new" / "000.tar", pairs)
    read = list(read_shard(tmp_path / "new" / "000.tar"))
    assert [p.clip_id for p in read] == [p.clip_id for p in pairs]
    for before, after in zip(pairs, read, strict=True):
        assert np.array_equal(before.reference, after.reference)
        assert np.array_equal(before.degraded, after.degraded)
        assert after.reference.dtype == np.float32
        assert after.sample_rate == RATE
        assert before.metadata == after.metadata


def test_named_clips_are_read_without_the_others(pairs, tmp_path):
    path = tmp_path / "000.tar"
    write_shard(path, pairs)
    with tarfile.open(path) as tar:
        audio = next(m for m in tar if m.name == "000000.reference.flac")
    with path.open("r+b") as file:
        file.seek(audio.offset_data)
        file.write(b"not audio")
    assert [p.clip_id for p in read_shard(path, only={"000003", "000001"})] == ["000001", "000003"]
    with pytest.raises(ValueError, match="damaged shard"):
        list(read_shard(path, only={"000000"}))


def test_the_same_seed_gives_the_same_bytes_in_any_order_of_work(media_root, pairs, tmp_path):
    write_shard(tmp_path / "a.tar", pairs)
    again = {
        i: synthesise_clip(media_root, row(f"{i:06d}", start_s=2.0 * i), CONFIG)
        for i in reversed(range(4))
    }
    write_shard(tmp_path / "b.tar", [again[i] for i in range(4)])
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_the_metadata_replay_the_clip(media_root, pairs):
    pair = pairs[1]
    metadata = json.loads(json.dumps(pair.metadata))
    audio, _ = soundfile.read(media_root / metadata["source"], dtype="float32", always_2d=True)
    start = round(metadata["start_s"] * RATE)
    excerpt = np.ascontiguousarray(audio.T[:, start : start + 2 * RATE])
    params = ClipParams.model_validate(metadata["params"])
    reference, degraded = render_clip(excerpt, RATE, params)
    assert np.abs(reference - pair.reference).max() <= 2**-23
    assert np.abs(degraded - pair.degraded).max() <= 2**-23
    assert metadata["labels"] == params.labels
    assert len(metadata["label_vector"]) == len(DEFECT_NAMES)


def test_hiss_carries_its_in_band_snr(media_root):
    config = WorkflowConfig(
        single_probability=1, several_probability=0, clean_probability=0, defects=("hiss",)
    )
    assert isinstance(synthesise_clip(media_root, row(), config).metadata["in_band_snr_db"], float)


def test_a_shard_is_a_plain_webdataset(pairs, tmp_path):
    write_shard(tmp_path / "000.tar", pairs)
    samples = list(webdataset.WebDataset(str(tmp_path / "000.tar"), shardshuffle=False))
    assert [s["__key__"] for s in samples] == [p.clip_id for p in pairs]
    assert {"reference.flac", "degraded.flac", "json"} <= set(samples[0])


def test_mono_sources_become_stereo_clips(media_root):
    pair = synthesise_clip(media_root, row(source="dialogue/c.flac"), CONFIG)
    assert pair.reference.shape == pair.degraded.shape == (2, 2 * RATE)


def test_a_failing_write_leaves_the_earlier_shard(pairs, tmp_path):
    path = tmp_path / "000.tar"
    write_shard(path, pairs[:1])
    before = path.read_bytes()

    def breaks():
        yield pairs[1]
        raise RuntimeError("worker died")

    with pytest.raises(RuntimeError, match="worker died"):
        write_shard(path, breaks())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_damaged_shard_is_named(pairs, tmp_path):
    path = tmp_path / "000.tar"
    write_shard(path, pairs)
    path.write_bytes(path.read_bytes()[:-30000])
    with pytest.raises(ValueError, match=r"000\.tar: damaged shard"):
        list(read_shard(path))
    path.write_bytes(b"no tar at all" * 100)
    with pytest.raises(ValueError, match=r"000\.tar: damaged shard"):
        list(read_shard(path))


def test_an_empty_shard_is_empty(tmp_path):
    write_shard(tmp_path / "000.tar", [])
    assert list(read_shard(tmp_path / "000.tar")) == []


def test_files_are_24_bit_flac(pairs, tmp_path):
    write_shard(tmp_path / "000.tar", pairs[:1])
    with tarfile.open(tmp_path / "000.tar") as tar:
        stream = tar.extractfile("000000.degraded.flac")
        assert stream is not None
        assert soundfile.info(stream).subtype == "PCM_24"


def test_full_scale_survives(tmp_path):
    audio = np.array([[-1.0, 0.0, 1.0, 0.5] * 100], dtype=np.float32)
    write_shard(tmp_path / "0.tar", [ClipPair("0", audio, -audio, 8000)])
    (pair,) = read_shard(tmp_path / "0.tar")
    assert np.abs(pair.reference - audio).max() <= 2**-23


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source": "music/none.flac"}, "none.flac"),
        ({"start_s": 25.0}, "ends 1.00 s before"),
        ({"source": "music/silent.flac"}, "below -60"),
    ],
)
def test_a_clip_that_cannot_be_made_says_why(media_root, changes, reason):
    silence = 1e-6 * music(10.0)
    soundfile.write(media_root / "music/silent.flac", silence.T, RATE, subtype="PCM_24")
    with pytest.raises(ClipRejectedError, match=reason) as caught:
        synthesise_clip(media_root, row(**changes), CONFIG)
    assert caught.value.clip_id == "000007"
    assert caught.value.source == changes.get("source", "music/a.flac")
