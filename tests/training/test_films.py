import numpy as np
import pytest
import torch

from padam.audio.container import UnreachableError
from padam.audio.media import MediaError, read_audio
from padam.training.clips import (
    ClipPlace,
    clip_batch,
    clip_capacity,
    draw_places,
    even_places,
)
from padam.training.films import SAMPLES_PER_FRAME, Film, open_film, open_films
from tests.audio.signals import programme, write_media
from tests.training.conftest import HEIGHT, WIDTH, write_film

SIZE = (HEIGHT, WIDTH)
PLENTY = 2**30


def film_of(frames: int) -> Film:
    pictures = np.zeros((frames, 2, 2, 3), np.uint8)
    pictures[:] = np.arange(frames, dtype=np.uint8)[:, None, None, None]
    audio = np.arange(frames * SAMPLES_PER_FRAME, dtype=np.float32) // SAMPLES_PER_FRAME
    return Film("film", frames, (2, 2), audio, pictures)


def test_film_is_read_at_16_khz_and_25_fps(films):
    film, _ = open_film(films[0], SIZE, 50, PLENTY)
    assert film.frame_count == 200
    assert film.audio.shape == (128_000,)
    assert film.frames.shape == (200, HEIGHT, WIDTH, 3)


def test_clips_read_from_the_file_equal_cached_ones(films):
    cached, _ = open_film(films[0], SIZE, 50, PLENTY)
    on_demand, _ = open_film(films[0], SIZE, 50, 0)
    assert on_demand.frames is None
    assert on_demand.audio is None
    assert on_demand.frame_count == cached.frame_count
    np.testing.assert_array_equal(on_demand.pictures(63, 50), cached.pictures(63, 50))
    np.testing.assert_array_equal(on_demand.sound(63, 50), cached.sound(63, 50))


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
    good, report = open_films([junk, films[0], mute], SIZE, 50, 1.0)
    assert [film.path for film in good] == [films[0]]
    assert report.loc[report["used_s"] == 0, "film"].tolist() == [str(junk), str(mute)]
    with pytest.raises(ValueError, match=r"None of 2 films can be used.*no audio stream"):
        open_films([junk, mute], SIZE, 50, 1.0)


def test_cache_budget_is_kept(films):
    one_film_gb = 200 * (HEIGHT * WIDTH * 3 + 4 * SAMPLES_PER_FRAME) / 2**30
    opened, _ = open_films(films, SIZE, 50, 1.5 * one_film_gb)
    assert [film.frames is not None for film in opened] == [True, False, False]


def test_sound_that_ends_early_or_starts_late_is_reported(tmp_path, caplog):
    for cache in (0, PLENTY):
        early = write_film(tmp_path / "early.mkv", 6.0, sound_s=3.0)
        film, row = open_film(early, SIZE, 50, cache)
        assert abs(film.frame_count - 75) <= 1
        assert "the common part is used" in row["note"]
        late = write_film(tmp_path / "late.mkv", 6.0, sound_start_s=1.5)
        film, row = open_film(late, SIZE, 50, cache)
        assert row["sound_start_s"] == pytest.approx(1.5, abs=0.01)
        assert "sound starts at 1.5 s" in row["note"]
        # before it starts there is silence, and what follows is in step with the picture
        assert np.abs(film.sound(0, 36)).max() == 0
        assert np.abs(film.sound(40, 20)).max() > 0.1
    assert "late.mkv: sound starts at 1.5 s" in caplog.text


@pytest.fixture(scope="module")
def whole_film(tmp_path_factory):
    """20 s in Matroska: AAC in many packets, and pictures of which no two are alike."""
    noise = np.random.default_rng(0).integers(0, 255, (500, 6, 10, 3)).astype(np.uint8)
    frames = noise.repeat(8, axis=1).repeat(8, axis=2)
    path = tmp_path_factory.mktemp("whole") / "whole.mkv"
    return write_media(path, programme(48_000, 20.0), frames=frames)


def test_a_damaged_stretch_is_reported_and_not_drawn_from(whole_film, tmp_path):
    content = bytearray(whole_film.read_bytes())
    first, end = len(content) * 4 // 10, len(content) * 6 // 10
    content[first:end] = np.random.default_rng(1).bytes(end - first)
    path = tmp_path / "damaged.mkv"
    path.write_bytes(content)
    film, row = open_film(path, SIZE, 25, PLENTY)
    assert "s of picture missing: clips there are not used" in row["note"]
    assert film.frame_count > 450
    frozen = (np.diff(film.frames.astype(int), axis=0) == 0).all(axis=(1, 2, 3))
    assert frozen.sum() > 50
    for seed in range(20):
        for place in draw_places([film], 25, 5, np.random.default_rng(seed)):
            assert frozen[place.first_frame : place.first_frame + 24].mean() < 0.15
    places = even_places([film], 25, 99)
    assert 10 <= len(places) <= 16
    on_demand, _ = open_film(path, SIZE, 25, 0)
    refused = 0
    for first in range(0, on_demand.frame_count - 25, 25):
        try:
            on_demand.sound(first, 25)
            on_demand.pictures(first, 25)
        except MediaError as error:
            assert "where a clip has 1.00 s" in str(error)  # noqa: PT017 - some are read
            refused += 1
    assert 3 <= refused <= 8


def test_a_film_damaged_throughout_is_refused(whole_film, tmp_path):
    content = bytearray(whole_film.read_bytes())
    rng = np.random.default_rng(1)
    for first in range(20_000, len(content), 40_000):
        content[first : first + 30_000] = rng.bytes(len(content[first : first + 30_000]))
    path = tmp_path / "shredded.mkv"
    path.write_bytes(content)
    with pytest.raises(MediaError, match="no clip of it is whole"):
        open_film(path, SIZE, 100, PLENTY)


@pytest.mark.parametrize("cache", [0, PLENTY])
def test_a_film_that_breaks_off_is_used_as_far_as_it_goes(whole_film, tmp_path, cache):
    path = tmp_path / "half.mkv"
    path.write_bytes(whole_film.read_bytes()[: whole_film.stat().st_size // 2])
    film, row = open_film(path, SIZE, 25, cache)
    assert 225 <= film.frame_count <= 275
    assert row["used_s"] == film.frame_count / 25
    assert ("cannot be read beyond" if cache == 0 else "sound ends at") in row["note"]
    film.sound(film.frame_count - 25, 25)
    film.pictures(film.frame_count - 25, 25)


def test_surround_sound_of_a_film_is_folded_down(tmp_path):
    surround = np.stack([programme(48_000, 3.0, 1, seed)[0] for seed in range(6)])
    pictures = np.zeros((75, 48, 80, 3), np.uint8)
    options = {"layout": "5.1", "frames": pictures}
    path = write_media(tmp_path / "surround.mkv", surround, codec="ac3", **options)
    film, row = open_film(path, SIZE, 50, PLENTY)
    assert row["note"] == ""
    alone = write_media(tmp_path / "front.mkv", np.stack([surround[0], surround[1]]), codec="ac3")
    front = read_audio(alone, sample_rate=16_000, channels=1)[0]
    # both front channels and, weaker, the others
    count = min(len(front), len(film.audio))
    assert np.corrcoef(front[:count], film.audio[:count])[0, 1] > 0.6


def test_sound_alone_needs_no_picture(tmp_path):
    path = write_film(tmp_path / "sound.mkv", 3.0, picture=False)
    film, row = open_film(path, SIZE, 50, PLENTY, pictures=False)
    assert film.frames is None
    assert row["picture_end_s"] is None
    batch = clip_batch([film], [ClipPlace(0, 5)], 50, pictures=False)
    assert batch["audio"].shape == (1, 32_000)
    assert "frames" not in batch


def test_a_thousand_films_are_drawn_from_evenly():
    films = [Film("film", 180_000, SIZE)] * 1000
    places = draw_places(films, 250, 4000, np.random.default_rng(0))
    assert len({(p.film, p.first_frame) for p in places}) == 4000
    counts = np.bincount([p.film for p in places], minlength=1000)
    assert counts.max() < 20
    assert all(0 <= p.first_frame <= 180_000 - 250 for p in places)


def test_substitutes_are_of_films_that_can_be_read_and_beside_the_others(tmp_path):
    films = [Film(tmp_path / "gone.mkv", 500, SIZE), film_of(200), film_of(200)]
    places = [ClipPlace(0, 0), ClipPlace(1, 0), ClipPlace(0, 100), ClipPlace(2, 150)]
    batch = clip_batch(films, places, 50)
    assert int(batch["replaced"]) == 2
    # what is heard and seen is the number of the frame
    firsts = [int(sound[0]) for sound in batch["audio"]]
    assert firsts[1] == 0
    assert firsts[3] == 150
    assert torch.equal(batch["audio"], clip_batch(films, places, 50)["audio"])


def test_a_storage_that_does_not_answer_is_no_fault_of_the_film(films, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise UnreachableError("s3://bucket/film.mkv", "timed out")

    monkeypatch.setattr("padam.training.films.stream_spans", fail)
    with pytest.raises(UnreachableError, match="timed out"):
        open_films(films, SIZE, 50, 1.0)


def test_pictures_beyond_the_sound_take_no_memory(tmp_path):
    path = write_film(tmp_path / "credits.mkv", 8.0, sound_s=3.0)
    film, row = open_film(path, SIZE, 50, PLENTY)
    assert len(film.frames) <= 76
    assert row["picture_end_s"] == pytest.approx(8.0, abs=0.1)


def test_an_unreadable_film_stops_only_where_nothing_takes_its_place(tmp_path):
    gone = Film(tmp_path / "gone.mkv", 100, SIZE)
    with pytest.raises(MediaError, match=r"gone\.mkv"):
        clip_batch([gone], [ClipPlace(0, 0)], 50)
