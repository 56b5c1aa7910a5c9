"""Media on storages that need no path are read as those of this machine."""

import io
import os
import pickle
from pathlib import Path

import fsspec
import numpy as np
import pytest
import soundfile

from padam.audio import storage as places
from padam.audio.container import UnreachableError, open_container, packets_of
from padam.audio.media import MediaError, probe, read_audio, read_video, stream_audio
from padam.audio.storage import (
    StorageError,
    as_location,
    identity,
    is_url,
    locate,
    open_binary,
    written_whole,
)
from tests.audio.signals import programme, write_media


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound behind all pictures, and the table of both at the end: read here and there."""
    pictures = np.random.default_rng(0).integers(0, 255, (150, 96, 160, 3), np.uint8)
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_media(path, programme(48000, 6.0), frames=pictures)


def put(url: str, content: bytes) -> str:
    with fsspec.open(url, "wb") as file:
        file.write(content)
    return url


@pytest.mark.parametrize("name", ["film.mp4", "a folder/Le film 🎬 (1).mp4"])
def test_a_film_on_a_storage_is_the_film(film: Path, storage: str, name: str) -> None:
    url = put(f"{storage}/{name}", film.read_bytes())
    there, here = probe(url), probe(film)
    assert there.path == url
    assert (there.duration_s, there.channels, there.fps) == (here.duration_s, 2, here.fps)
    assert np.array_equal(read_audio(url, 3.0, 1.0), read_audio(film, 3.0, 1.0))
    assert np.array_equal(read_video(url, 2.0, 0.4), read_video(film, 2.0, 0.4))
    blocks = list(stream_audio(url, 1.0, sample_rate=16000, channels=1))
    whole = read_audio(film, sample_rate=16000, channels=1)
    assert np.array_equal(np.concatenate(blocks, axis=1), whole)


def test_pictures_are_not_fetched_with_the_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (25, 720, 1280, 3), np.uint8)
    film = write_media(tmp_path / "film.mp4", programme(48000, 1.0), frames=pictures)
    url = put("memory://film.mp4", film.read_bytes())
    read = places._RemoteFile.read
    fetched = []

    def counting(file: places._RemoteFile, size: int = -1) -> bytes:
        fetched.append(size)
        return read(file, size)

    monkeypatch.setattr(places._RemoteFile, "read", counting)
    with open_container(url) as container:
        fetched.clear()
        sound = sum(packet.size for packet in packets_of(container, container.streams.audio[0]))
    assert 15_000 < sound < sum(fetched)
    assert sum(fetched) < 0.5 * film.stat().st_size


def test_an_empty_and_a_missing_object_are_named(storage: str) -> None:
    with pytest.raises(MediaError, match="file is empty"):
        probe(put(f"{storage}/empty.wav", b""))
    with pytest.raises(MediaError, match="file not found") as caught:
        probe(f"{storage}/none.wav")
    assert caught.value.path == f"{storage}/none.wav"
    assert not isinstance(caught.value, UnreachableError)
    with pytest.raises(MediaError, match="not a readable media file"):
        probe(put(f"{storage}/text.wav", b"this is no sound " * 100))


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("gs://bucket/a.wav", "install gcsfs"),
        ("ghost://bucket/a.wav", "Protocol not known: ghost"),
    ],
)
def test_an_unknown_storage_says_what_is_missing(url: str, reason: str) -> None:
    with pytest.raises(UnreachableError, match=reason) as caught:
        read_audio(url)
    assert caught.value.path == url


def test_a_storage_that_breaks_off_says_nothing_about_the_file(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = put("memory://broken/film.mp4", film.read_bytes())
    read = places._RemoteFile.read
    reads = []

    def breaking(file: object, size: int = -1) -> bytes:
        reads.append(size)
        if len(reads) > 20:
            raise StorageError(url, "cannot be reached (connection reset)")
        return bytes(read(file, size))

    monkeypatch.setattr(places._RemoteFile, "read", breaking)
    with pytest.raises(UnreachableError, match="connection reset"):
        read_audio(url)


def test_a_server_that_does_not_answer_is_unreachable(
    s3: None, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise ConnectionRefusedError("connection refused")

    monkeypatch.setattr(places.filesystem(bucket)[0], "info", refuses)
    with pytest.raises(UnreachableError, match="connection refused"):
        probe(f"{bucket}/a.wav")
    with pytest.raises(StorageError, match="connection refused"):
        identity(f"{bucket}/a.wav")


def test_places_are_joined_by_what_they_are() -> None:
    assert locate(Path("/archive"), "a/b.wav") == Path("/archive/a/b.wav")
    assert locate("s3://bucket/films", "a b/🎬.mkv") == "s3://bucket/films/a b/🎬.mkv"
    assert locate("s3://bucket/films", "/local/b.wav") == Path("/local/b.wav")
    assert locate("/archive", "s3://bucket/b.wav") == "s3://bucket/b.wav"
    assert locate("/archive", "file:///other/b.wav") == Path("/other/b.wav")
    assert as_location("s3://bucket/films/") == "s3://bucket/films"
    assert as_location("file:///archive") == Path("/archive")
    assert [is_url(p) for p in ("s3://b", "file:///a", "/a", "a:b.wav")] == [True] + 3 * [False]


def test_a_file_url_is_read_by_ffmpeg_itself(film: Path) -> None:
    assert np.array_equal(read_audio(as_location(f"file://{film}")), read_audio(film))


def test_the_identity_is_that_of_the_content(storage: str, tmp_path: Path) -> None:
    url = put(f"{storage}/x.wav", b"one")
    first = identity(url)
    assert first == identity(url)
    put(url, b"two")
    assert identity(url) != first
    assert identity(f"{storage}/gone.wav") == identity(tmp_path / "gone.wav") == "missing"
    (tmp_path / "x.wav").write_bytes(b"one")
    first = identity(tmp_path / "x.wav")
    os.utime(tmp_path / "x.wav", ns=(1, 1))
    assert identity(tmp_path / "x.wav") != first


def test_an_open_object_is_a_file(storage: str) -> None:
    audio = programme(8000, 0.5)
    content = io.BytesIO()
    soundfile.write(content, audio.T, 8000, format="FLAC")
    with open_binary(put(f"{storage}/x.flac", content.getvalue())) as file:
        assert soundfile.read(file)[0].shape == (4000, 2)


def test_errors_come_back_from_worker_processes() -> None:
    for error in (StorageError("s3://b", "no"), UnreachableError("s3://b", "no")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), "s3://b: no")


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "scores.json"
    with written_whole(target) as partial:
        partial.write_text("first")
        assert not target.exists()
    with pytest.raises(RuntimeError), written_whole(str(target)) as partial:  # noqa: PT012
        partial.write_text("seco")
        raise RuntimeError("disk full")
    assert target.read_text() == "first"
    assert list(tmp_path.iterdir()) == [target]
