import numpy as np
import pytest

from padam.audio.media import MediaError
from padam.training.films import (
    SAMPLES_PER_FRAME,
    Film,
    clip_batch,
    clip_capacity,
    draw_places,
    even_places,
    open_film,
    open_films,
)
from tests.training.conftest import HEIGHT, WIDTH, write_film

SIZE = (HEIGHT, WIDTH)
PLENTY = 2**30


def film_of(frames: int) -> Film:
    pictures = np.zeros((frames, 2, 2, 3), np.uint8)
    pictures[:] = np.arange(frames, dtype=np.uint8)[:, None, None, None]
    audio = np.arange(frames * SAMPLES_PER_FRAME, dtype=np.float32) // SAMPLES_PER_FRAME
    return Film("film", audio, pictures, frames, (2, 2))


def test_film_is_read_at_16_khz_and_25_fps(films):
    film = open_film(films[0], SIZE, 50, PLENTY)
    assert film.frame_count == 200
    assert film.audio.shape == (128_000,)
    assert film.frames.shape == (200, HEIGHT, WIDTH, 3)


def test_clips_read_from_the_file_equal_cached_ones(films):
    cached = open_film(films[0], SIZE, 50, PLENTY)
    on_demand = open_film(films[0], SIZE, 50, 0)
    assert on_demand.frames is None
    np.testing.assert_array_equal(on_demand.pictures(63, 50), cached.pictures(63, 50))


def test_sound_and_picture_of_a_clip_are_of_the_same_moment():
    films = [film_of(120), film_of(90)]
    places = draw_places(films, 20, 6, np.random.default_rng(1))
    batch = clip_batch(films, places, 20)
    heard = batch["audio"].numpy().reshape(6, 20, SAMPLES_PER_FRAME)[:, :, 0]
    np.testing.assert_array_equal(heard, batch["frames"].numpy()[:, :, 0, 0, 0])


def test_drawn_clips_never_overlap_and_offsets_vary():
    films = [film_of(101), film_of(60), film_of(20)]
    count = clip_capacity(films, 20)
    assert count == 4 + 2 + 1
    offsets = set()
    for seed in range(50):
        places = draw_places(films, 20, count, np.random.default_rng(seed))
        assert len(places) == count
        taken = [(p.film, f) for p in places for f in range(p.first_frame, p.first_frame + 20)]
        assert len(set(taken)) == len(taken)
        assert all(f < films[film].frame_count for film, f in taken)
        offsets |= {p.first_frame % 20 for p in places if p.film == 0}
    assert len(offsets) > 10


def test_even_clips_spread_over_all_films():
    places = even_places([film_of(100), film_of(100)], 20, 4)
    assert [(p.film, p.first_frame) for p in places] == [(0, 0), (0, 60), (1, 20), (1, 80)]
    assert len(even_places([film_of(100)], 20, 99)) == 5


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sound": False}, "no audio stream"),
        ({"picture": False}, "no video stream"),
    ],
)
def test_missing_stream_is_an_error_that_names_the_file(tmp_path, options, reason):
    path = write_film(tmp_path / "half.mkv", 3.0, **options)
    with pytest.raises(MediaError, match=rf"half\.mkv.*{reason}"):
        open_film(path, SIZE, 50, PLENTY)


def test_film_shorter_than_a_clip_is_an_error(tmp_path):
    path = write_film(tmp_path / "short.mkv", 1.0)
    with pytest.raises(MediaError, match=r"1\.0 s of sound and picture, a clip needs 2\.0 s"):
        open_film(path, SIZE, 50, PLENTY)


def test_bad_films_are_left_out_with_their_reason(tmp_path, films):
    junk = tmp_path / "junk.mkv"
    junk.write_bytes(b"no film" * 100)
    mute = write_film(tmp_path / "mute.mkv", 3.0, sound=False)
    good, rejected = open_films([junk, films[0], mute], SIZE, 50, 1.0)
    assert [film.path for film in good] == [films[0]]
    assert set(rejected) == {str(junk), str(mute)}
    with pytest.raises(ValueError, match=r"None of 2 films can be used.*no audio stream"):
        open_films([junk, mute], SIZE, 50, 1.0)


def test_cache_budget_is_kept(films):
    one_film_gb = 200 * HEIGHT * WIDTH * 3 / 2**30
    opened, _ = open_films(films, SIZE, 50, 1.5 * one_film_gb)
    assert [film.frames is not None for film in opened] == [True, False, False]
