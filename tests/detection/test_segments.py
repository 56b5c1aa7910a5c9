"""Segments: their times and the cutting of blocks into them."""

import numpy as np
import pytest

from padam.detection.segments import iter_segments, segment_times


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [
        (30.0, [[0, 10], [10, 20], [20, 30]]),
        (25.0, [[0, 10], [10, 20], [20, 25]]),
        (21.0, [[0, 10], [10, 20], [20, 21]]),
        (20.9, [[0, 10], [10, 20]]),
        (1.0, [[0, 1]]),
        (0.5, []),
        (0.0, []),
    ],
)
def test_the_last_short_segment_is_kept_from_one_second(duration_s, expected):
    np.testing.assert_allclose(
        segment_times(duration_s), np.array(expected, dtype=float).reshape(-1, 2)
    )


def test_rounding_of_a_duration_makes_no_extra_segment():
    assert len(segment_times(0.1 * 300)) == 3


def test_a_segment_length_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="segment_s is 0"):
        segment_times(10, segment_s=0)


@pytest.mark.parametrize("block", [7, 100, 130, 1000])
def test_segments_do_not_depend_on_the_blocks(block):
    rng = np.random.default_rng(0)
    audio = rng.standard_normal((2, 345)).astype(np.float32)
    blocks = [audio[:, i : i + block] for i in range(0, 345, block)]

    segments = list(iter_segments(blocks, sample_rate=10, segment_s=10.0))

    times = np.array([(s.start_s, s.end_s) for s in segments])
    np.testing.assert_allclose(times, segment_times(34.5))
    for index in range(3):
        np.testing.assert_array_equal(segments[index].audio, audio[:, 100 * index :][:, :100])


def test_the_short_segment_is_mirrored_without_a_step_and_without_zeros():
    audio = np.arange(1, 31, dtype=np.float32)[None]
    (segment,) = iter_segments([audio], sample_rate=10, segment_s=10.0)
    assert segment.end_s == 3.0
    assert segment.audio.shape == (1, 100)
    assert np.abs(np.diff(segment.audio[0])).max() <= 1
    assert segment.audio.min() >= 1


def test_a_rest_below_one_second_and_an_empty_title_give_no_segment():
    assert list(iter_segments([np.zeros((2, 9), np.float32)], sample_rate=10)) == []
    assert list(iter_segments([], sample_rate=10)) == []
