import numpy as np
import pytest
import soundfile

from padam.training.films import REPORT_COLUMNS
from padam.training.sounds import SoundPool, read_pool

RATE = 8000


def write(path, seconds, value):
    soundfile.write(path, np.full(round(seconds * RATE), value), RATE)
    return path


def pool_of(paths, gb=1.0, clip_s=0.8, seed=0):
    return read_pool(paths, RATE, clip_s, gb, np.random.default_rng(seed), split="train")


def test_all_is_read_where_memory_allows(tmp_path):
    paths = [write(tmp_path / "a.wav", 50.0, 0.25), write(tmp_path / "b.wav", 3.0, -0.5)]
    pool = pool_of(paths)
    assert pool.duration_s == pytest.approx(53.0, abs=0.1)
    assert [len(each) / RATE <= 20.0 for each in pool.stretches] == [True] * 4
    assert {int(np.median(each)) for each in pool.stretches} == {8192, -16384}
    assert list(pool.report.columns) == REPORT_COLUMNS
    assert pool.report["used_s"].tolist() == pytest.approx([50.0, 3.0], abs=0.1)


def test_memory_bounds_what_is_read(tmp_path):
    paths = [write(tmp_path / f"{n}.wav", 60.0, 0.1) for n in range(6)]
    four = 4 * 20 * RATE * 2 / 2**30
    sizes = [sum(each.nbytes for each in pool_of(paths, four, seed=s).stretches) for s in range(5)]
    assert np.mean(sizes) / 2**30 == pytest.approx(four, rel=0.4)
    report = pool_of(paths, four).report
    assert set(report.loc[report["used_s"] == 0, "note"]) <= {"cache_gb holds no stretch of it"}


def test_something_is_always_read(tmp_path):
    assert len(pool_of([write(tmp_path / "a.wav", 60.0, 0.1)], 1e-9).stretches) == 1


def test_the_same_generator_reads_the_same(tmp_path):
    rng = np.random.default_rng(1)
    soundfile.write(tmp_path / "n.wav", 0.1 * rng.standard_normal(90 * RATE), RATE)
    first, again = (pool_of([tmp_path / "n.wav"], 1e-3) for _ in range(2))
    for one, other in zip(first.stretches, again.stretches, strict=True):
        np.testing.assert_array_equal(one, other)


def test_unusable_sources_are_named_with_their_reason(tmp_path, caplog):
    (tmp_path / "text.wav").write_text("no sound")
    paths = [
        write(tmp_path / "short.wav", 0.5, 0.1),
        tmp_path / "text.wav",
        tmp_path / "gone.wav",
        write(tmp_path / "good.wav", 5.0, 0.1),
    ]
    report = pool_of(paths).report
    assert (report["used_s"] > 0).tolist() == [False, False, False, True]
    assert "0.5 s of sound, a clip needs 0.8 s" in report["note"][0]
    assert (report["note"][:3] != "").all()
    assert "short.wav is left out of stage 1" in caplog.text
    with pytest.raises(ValueError, match="None of 3 sources can be used"):
        pool_of(paths[:3])


def test_crops_are_drawn_from_anywhere_as_often_as_a_stretch_is_long():
    long, short = np.arange(1, 3001, dtype=np.int16), np.arange(-1100, -1000, dtype=np.int16)
    pool = SoundPool((short, long), RATE, None)
    rng = np.random.default_rng(0)
    crops = [pool.draw(rng, 100)[0] * 2**15 for _ in range(400)]
    assert all(np.allclose(np.diff(crop), 1, atol=1e-3) for crop in crops)
    starts = np.array([crop[0] for crop in crops])
    assert (starts < 0).mean() < 0.02  # one place of 2 902
    assert starts.min() < 400
    assert starts.max() > 2500


def test_a_silent_place_is_drawn_again():
    stretch = np.zeros(10_000, dtype=np.int16)
    stretch[5000:] = 8000
    pool = SoundPool((stretch,), RATE, None)
    rng = np.random.default_rng(0)
    assert all(pool.draw(rng, 100).any() for _ in range(50))
    silent = SoundPool((np.zeros(500, dtype=np.int16),), RATE, None)
    assert not silent.draw(rng, 100).any()


def test_a_stretch_as_long_as_the_crop_is_taken_whole():
    stretch = np.arange(1000, 1100, dtype=np.int16)
    found = SoundPool((stretch,), RATE, None).draw(np.random.default_rng(0), 100)
    np.testing.assert_allclose(found[0] * 2**15, stretch)
