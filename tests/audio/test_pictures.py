import numpy as np
import pytest

from padam.audio.media import MediaError, read_audio, read_video
from tests.audio.signals import programme, write_media

COUNT = 100


def numbered(count=COUNT, height=72, width=128):
    """Grey pictures whose level tells their number."""
    levels = (20 + 2 * np.arange(count)).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def numbers(pictures):
    return np.round((pictures.mean(axis=(1, 2, 3)) - 20) / 2).astype(int)


@pytest.fixture(scope="module", params=["film.mp4", "film.mkv", "film.ts"])
def film(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / request.param
    # MPEG-TS plays the priming of AAC, so that pictures would begin 21 ms into the file
    audio = None if path.suffix == ".ts" else programme(48000, COUNT / 25)
    return write_media(path, audio, frames=numbered())


@pytest.mark.parametrize("first", [0, 1, 13, 50, 88])
def test_frames_are_those_on_screen(film, first):
    pictures = read_video(film, first / 25, 0.4)
    assert pictures.shape == (10, 144, 256, 3)
    assert pictures.dtype == np.uint8
    assert numbers(pictures) == pytest.approx(np.arange(first, first + 10), abs=1)


def test_other_rates_repeat_or_skip(film):
    assert numbers(read_video(film, 1.0, 0.4, fps=50.0)) == pytest.approx(
        np.repeat(np.arange(25, 35), 2), abs=1
    )
    assert numbers(read_video(film, 1.0, 0.8, fps=12.5)) == pytest.approx(
        np.arange(25, 45, 2), abs=1
    )


def test_size_is_height_by_width(film):
    assert read_video(film, 0.0, 0.2, size=(36, 64)).shape == (5, 36, 64, 3)


def test_a_film_that_ends_gives_fewer_frames(film):
    assert read_video(film, 3.8, 2.0).shape[0] == 5
    assert read_video(film, 30.0, 1.0).shape[0] == 0


def test_colours_keep_their_order(tmp_path):
    red = np.zeros((10, 72, 128, 3), np.uint8)
    red[..., 0] = 200
    path = write_media(tmp_path / "red.mp4", None, frames=red)
    assert read_video(path, 0, 0.2).mean(axis=(0, 1, 2)) == pytest.approx([200, 0, 0], abs=12)


def test_sound_and_picture_agree(tmp_path):
    """A flash and a knock at the same moment are read at the same moment."""
    pictures = np.zeros((COUNT, 72, 128, 3), np.uint8)
    pictures[50:] = 200
    audio = np.zeros((1, 4 * 48000), np.float32)
    audio[:, 2 * 48000 :] = 0.5 * programme(48000, 2.0, 1)
    path = write_media(tmp_path / "sync.mkv", audio, frames=pictures)
    flash = np.argmax(read_video(path, 1.0, 2.0).mean(axis=(1, 2, 3)) > 100) / 25
    knock = np.argmax(np.abs(read_audio(path, 1.0, 2.0)[0]) > 0.02) / 48000
    assert flash == pytest.approx(1.0, abs=0.001)
    assert knock == pytest.approx(1.0, abs=0.025)


def test_files_without_pictures_and_bad_times(tmp_path, film):
    path = write_media(tmp_path / "sound.mp4", programme(duration_s=0.5))
    with pytest.raises(MediaError, match="no video stream"):
        read_video(path, 0.0, 1.0)
    with pytest.raises(MediaError, match="not found"):
        read_video(tmp_path / "no.mp4", 0.0, 1.0)
    for start_s, duration_s in ((-1.0, 1.0), (0.0, 0.0)):
        with pytest.raises(ValueError, match="no frames"):
            read_video(film, start_s, duration_s)
