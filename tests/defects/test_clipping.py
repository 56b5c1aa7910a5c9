import numpy as np
import pytest
from pydantic import ValidationError

from padam.defects.base import WHOLE, PlacementRanges, UndrawableDefectError
from padam.defects.clipping import Clipping, ClippingRanges
from tests.defects.conftest import RATE


@pytest.mark.parametrize("percent", [7.0, 20.0, 35.0])
def test_the_share_of_clipped_samples_is_p_c_on_both_sides(long_clip, percent):
    ranges = ClippingRanges(percent=(percent, percent))
    drawn = Clipping().draw(np.random.default_rng(0), long_clip, RATE, ranges)
    n = long_clip.shape[1]
    before = np.concatenate(
        [long_clip[list(drawn.channels), r.slice(RATE, n)].ravel() for r in drawn.regions]
    )
    assert 100 * np.mean(before > drawn.high) == pytest.approx(percent / 2, abs=0.05)
    assert 100 * np.mean(before < drawn.low) == pytest.approx(percent / 2, abs=0.05)


def test_thresholds_are_the_same_on_every_affected_channel(long_clip):
    uneven = long_clip * np.array([[1.0], [0.5]], dtype=np.float32)
    ranges = ClippingRanges(unbroken_probability=1.0, percent=(20, 20))
    drawn = Clipping().draw(np.random.default_rng(0), uneven, RATE, ranges, WHOLE)
    degraded = Clipping().apply(uneven, RATE, drawn)
    for channel in degraded:
        assert channel.max() == np.float32(drawn.high)
        assert channel.min() == np.float32(drawn.low)


def test_samples_between_the_thresholds_stay(long_clip):
    drawn = Clipping().draw(np.random.default_rng(0), long_clip, RATE, ClippingRanges())
    degraded = Clipping().apply(long_clip, RATE, drawn)
    between = (long_clip >= drawn.low) & (long_clip <= drawn.high)
    assert np.array_equal(degraded[between], long_clip[between])


def test_clipped_intervals_keep_0_4_s_between_them(long_clip):
    rng = np.random.default_rng(0)
    several = 0
    for _ in range(60):
        drawn = Clipping().draw(
            rng, long_clip, RATE, ClippingRanges(), PlacementRanges(whole_probability=0.5)
        )
        ends = np.array([r.end_s for r in drawn.regions])
        starts = np.array([r.start_s for r in drawn.regions])
        assert (starts[1:] - ends[:-1] >= 0.4 - 1e-9).all()
        assert starts[0] >= drawn.interval.start_s
        assert ends[-1] <= drawn.interval.end_s + 1e-9
        several += len(starts) > 1
    assert several > 10


def test_a_signal_that_rests_at_one_value_cannot_be_clipped():
    audio = np.zeros((1, RATE), dtype=np.float32)
    audio[0, ::1000] = 0.9
    with pytest.raises(UndrawableDefectError):
        Clipping().draw(np.random.default_rng(0), audio, RATE, ClippingRanges(), WHOLE)


def test_a_pause_that_cannot_be_is_refused():
    with pytest.raises(ValidationError, match="max_gap_s"):
        ClippingRanges(min_gap_s=1.0, max_gap_s=0.5)
