import numpy as np
import pytest

from padam.audio.resampling import resample
from padam.detection.heard_segments import heard_segments
from padam.detection.segments import iter_segments

NOISE = np.random.default_rng(1).standard_normal((2, 48_000 * 25 + 11)).astype(np.float32) / 10


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
def test_segments_are_those_of_the_converted_title(rate):
    title = NOISE[:, : round(24.3 * rate)]
    blocks = np.array_split(title, 7, axis=1)
    found = list(heard_segments(blocks, rate))
    expected = list(iter_segments([resample(title, rate, 16_000)], 16_000))
    assert [(s.start_s, s.end_s) for s in found] == [(0, 10), (10, 20), (20, 24.3)]
    for ours, whole in zip(found, expected, strict=True):
        assert ours.audio.shape == (2, 160_000)
        np.testing.assert_allclose(ours.audio, whole.audio, atol=2e-5)


def test_a_rest_below_a_second_is_left_out_and_nothing_gives_nothing():
    rest = NOISE[:, : 48_000 * 10 + 40_000]
    assert [s.end_s for s in heard_segments([rest], 48_000)] == [10]
    assert list(heard_segments([], 48_000)) == []
    assert list(heard_segments([rest[:, :100]], 48_000)) == []


def test_audio_of_the_blocks_own_rate_comes_along_where_it_is_asked_for():
    title = NOISE[:, : 48_000 * 13].copy()
    title[0, 5] = np.nan
    first, last = heard_segments(np.array_split(title, 5, axis=1), 48_000, with_native=True)
    assert first.native[0, 5] == 0
    np.testing.assert_array_equal(first.native[:, 6:], title[:, 6:480_000])
    np.testing.assert_array_equal(last.native[:, :144_000], title[:, 480_000:])
    assert last.native.shape == (2, 480_000)
    assert next(heard_segments([title], 48_000)).native.shape == (2, 0)
