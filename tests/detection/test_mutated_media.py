"""Damaged media of every kind: each title gets a clear status, and no process dies or hangs."""

from pathlib import Path

import numpy as np
import pytest

from padam.detection.batch import ScanTask, run_batch
from tests.audio.signals import programme, write_media

SECONDS = 4.0


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("originals")
    audio = programme(48_000, SECONDS)
    pictures = np.random.default_rng(0).integers(0, 255, (100, 48, 64, 3), dtype=np.uint8)
    codecs = {
        "a.mp4": "aac",
        "a.mkv": "libopus",
        "a.ts": "mp2",
        "a.mp3": "libmp3lame",
        "a.ogg": "libopus",
        "a.flac": "flac",
        "a.wav": "pcm_s16le",
        "a.mov": "pcm_s24le",
        "film.mp4": "aac",
        "film.mkv": "ac3",
        "film.avi": "libmp3lame",
    }
    for name, codec in codecs.items():
        frames = pictures if name.startswith("film") else None
        write_media(folder / name, audio, codec=codec, frames=frames)
    return {name: (folder / name).read_bytes() for name in codecs}


def mutated(original: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, flip bits, cut a piece out, overwrite a piece, or take another file's head."""
    data = bytearray(original)
    kind = rng.integers(5)
    at = int(rng.integers(len(data)))
    length = int(rng.integers(1, 1 + len(data) // 8))
    if kind == 0:
        del data[at:]
    elif kind == 1:
        # the headers, where most can go wrong, in half of the files
        end = len(data) if rng.random() < 0.5 else min(len(data), 2048)
        for place in rng.integers(0, end, int(rng.integers(1, 60))):
            data[place] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        del data[at : at + length]
    elif kind == 3:
        data[at : at + length] = rng.bytes(length)
    else:
        head = int(rng.integers(4, 4096))
        data[:head] = other[:head]
    return bytes(data)


@pytest.mark.parametrize("count", [25, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_damaged_file_gets_a_status(originals, tiny_model, tmp_path: Path, count):
    rng = np.random.default_rng(2027)
    names = list(originals)
    titles = {}
    for number in range(count):
        name, other = (names[i] for i in rng.integers(len(names), size=2))
        path = tmp_path / f"{number:04d}{Path(name).suffix}"
        path.write_bytes(mutated(originals[name], originals[other], rng))
        titles[path.name] = path
    tiny_model.save(tmp_path / "model")
    task = ScanTask(tmp_path / "model", tmp_path / "out")
    outcomes = list(run_batch(titles, task, jobs=2, stall_s=60))
    assert sorted(each.name for each in outcomes) == sorted(titles)
    assert [each for each in outcomes if each.status == "failed"] == []
    unreadable = [each for each in outcomes if each.status == "unreadable"]
    assert all(each.reason for each in unreadable)
    # damage that leaves sound to hear does not cost the title
    assert len(unreadable) < 0.6 * count
