import pytest

from padam.audio.media import MediaError
from padam.audio.spans import Span, stream_spans
from tests.training.conftest import write_film


def test_spans_are_those_the_film_was_written_with(tmp_path):
    path = write_film(tmp_path / "film.mkv", 4.0, sound_s=3.0, sound_start_s=0.5)
    sound, picture = stream_spans(path)
    assert sound.start_s == pytest.approx(0.5, abs=2e-3)
    assert sound.end_s == pytest.approx(3.0, abs=0.05)
    assert picture.start_s == 0
    assert picture.end_s == pytest.approx(4.0, abs=0.05)
    assert sound.duration_s == pytest.approx(2.5, abs=0.05)


def test_missing_streams_are_none(tmp_path):
    sound, picture = stream_spans(write_film(tmp_path / "mute.mkv", 1.0, sound=False))
    assert sound is None
    assert picture.end_s == pytest.approx(1.0, abs=0.05)
    sound, picture = stream_spans(write_film(tmp_path / "dark.mkv", 1.0, picture=False))
    assert picture is None
    assert sound.end_s == pytest.approx(1.0, abs=0.05)


def test_sample_films_agree_with_their_decoded_length(project):
    folder = project / "data/01_raw/sample_media"
    films = [path for path in folder.rglob("*") if path.suffix in {".mp4", ".mkv"}]
    assert films
    for path in films:
        sound, picture = stream_spans(path)
        assert abs(sound.end_s - picture.end_s) < 0.5
        assert sound.end_s > 60


def test_what_is_no_media_is_refused(tmp_path):
    path = tmp_path / "text.mkv"
    path.write_text("no film")
    with pytest.raises(MediaError, match=r"text\.mkv"):
        stream_spans(path)


def test_a_span_has_no_negative_length():
    assert Span(3.0, 2.0).duration_s == 0.0
