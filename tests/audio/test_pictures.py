from fractions import Fraction

import av
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


def coded(number, height=64, width=96):
    """A picture that says its number in eight dark or bright bars."""
    bars = 20 + 200 * ((number >> np.arange(8)) & 1)
    row = np.repeat(bars, width // 8).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (height, width, 3))


def codes(pictures):
    bars = pictures[:, 10:-10].mean(axis=(1, 3)).reshape(len(pictures), 8, -1)[:, :, 3:9]
    return (bars.mean(axis=2) > 120) @ (1 << np.arange(8))


def write_coded(path, codec, sound, shown_ms):
    """A film of coded pictures at the given times, with B-frames and a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        video.options, video.gop_size = {"bf": "2"}, 25
        audio = container.add_stream(sound, rate=48000, layout="mono")
        step = Fraction(1, 25)
        if np.ptp(np.diff(shown_ms)) > 0:
            step = Fraction(1, 1000)
            video.codec_context.time_base = step
        for number, time_ms in enumerate(shown_ms):
            frame = av.VideoFrame.from_ndarray(coded(number).copy(), format="rgb24")
            frame.pts, frame.time_base = round(time_ms / 1000 / step), step
            container.mux(video.encode(frame))
            tone = 0.3 * np.sin(0.05 * np.arange(1920 * number, 1920 * (number + 1)))
            samples = tone[None].astype(np.float32)
            if audio.codec_context.format.name.startswith("s16"):
                samples = (samples * 32767).astype(np.int16)
            block = av.AudioFrame.from_ndarray(
                samples, format=audio.codec_context.format.name, layout="mono"
            )
            block.sample_rate, block.pts, block.time_base = 48000, 1920 * number, Fraction(1, 48000)
            container.mux(audio.encode(block))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [
        ("film.ts", "libx264", "aac"),
        ("film.ts", "mpeg2video", "mp2"),
        ("film.mpg", "mpeg2video", "mp2"),
        ("film.avi", "mpeg4", "pcm_s16le"),
        ("film.mp4", "libx264", "aac"),
    ],
)
def test_a_seek_shows_what_a_decode_from_the_beginning_does(tmp_path, name, codec, sound):
    path = write_coded(tmp_path / name, codec, sound, 40 * np.arange(200))
    whole = codes(read_video(path, 0.0, 8.0, size=(64, 96)))
    assert (np.diff(whole) >= 0).all()
    for first in range(2, 190, 11):
        found = codes(read_video(path, first / 25, 0.4, size=(64, 96)))
        np.testing.assert_array_equal(found, whole[first : first + 10])


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4"])
def test_pictures_of_a_variable_rate_are_those_on_screen(tmp_path, name):
    shown_ms = np.cumsum(np.random.default_rng(0).integers(15, 120, 200))
    shown_ms -= shown_ms[0]
    path = write_coded(tmp_path / name, "libx264", "aac", shown_ms)
    count = int(shown_ms[-1] / 40)
    expected = np.searchsorted(shown_ms, 40 * np.arange(count) + 0.5, side="right") - 1
    for first in (0, *range(1, count - 12, 17)):
        found = codes(read_video(path, first / 25, 0.4, size=(64, 96)))
        np.testing.assert_array_equal(found, expected[first : first + 10])
