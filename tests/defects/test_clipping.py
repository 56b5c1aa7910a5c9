from itertools import pairwise

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


@pytest.mark.parametrize("percent", [7.0, 21.3, 35.0])
@pytest.mark.parametrize("unbroken", [0.0, 1.0])
def test_thresholds_are_the_quantiles_of_a_known_distribution(percent, unbroken):
    """Uniform samples in [-1, 1]: p_c/2 % lie above 1 - p_c/100."""
    audio = np.random.default_rng(1).uniform(-1, 1, (2, 10 * RATE)).astype(np.float32)
    ranges = ClippingRanges(percent=(percent, percent), unbroken_probability=unbroken)
    drawn = Clipping().draw(np.random.default_rng(0), audio, RATE, ranges, WHOLE)
    assert drawn.high == pytest.approx(1 - percent / 100, abs=5e-3)
    assert drawn.low == pytest.approx(-(1 - percent / 100), abs=5e-3)


@pytest.mark.parametrize("percent", [7.0, 21.3, 35.0])
@pytest.mark.parametrize("whole", [0.0, 1.0])
def test_as_many_samples_are_changed_as_p_c_says_to_one_on_each_side(percent, whole):
    """Counted on input and output, over all regions and affected channels; no two inputs equal."""
    rng = np.random.default_rng(2)
    audio = (0.2 * rng.standard_normal((2, 4 * RATE)) * np.array([[1.0], [0.5]])).astype(np.float32)
    ranges = ClippingRanges(percent=(percent, percent), unbroken_probability=0.0)
    placement = PlacementRanges(whole_probability=whole)
    for _ in range(5):
        drawn = Clipping().draw(rng, audio, RATE, ranges, placement)
        degraded = Clipping().apply(audio, RATE, drawn)
        samples = sum(
            len(drawn.channels) * (round(r.end_s * RATE) - round(r.start_s * RATE))
            for r in drawn.regions
        )
        expected = samples * percent / 200
        assert np.count_nonzero(degraded < audio) == pytest.approx(expected, abs=1.5)
        assert np.count_nonzero(degraded > audio) == pytest.approx(expected, abs=1.5)
        assert {float(v) for v in degraded[degraded != audio]} == {
            float(np.float32(drawn.low)), float(np.float32(drawn.high))
        }  # fmt: skip


def test_what_is_clipped_gains_odd_harmonics_and_stays_in_phase():
    """A sine clipped alike on both sides: fundamental and 3rd harmonic as Fourier has them."""
    time = np.arange(4 * RATE) / RATE
    # 997 Hz: no period falls on the same samples as another
    audio = 0.8 * np.sin(2 * np.pi * 997 * time)[None].astype(np.float32)
    ranges = ClippingRanges(percent=(30, 30), unbroken_probability=1.0)
    drawn = Clipping().draw(np.random.default_rng(0), audio, RATE, ranges, WHOLE)
    spectrum = np.fft.rfft(Clipping().apply(audio, RATE, drawn)[0].astype(float)) / (2 * RATE)
    # a sine is above cos(π p/2) of its peak during the share p of the time
    angle = np.arcsin(np.cos(np.pi * 0.30 / 2))
    level = 0.8 * np.sin(angle)
    phase = np.linspace(0, 2 * np.pi, 100001)
    shape = np.clip(0.8 * np.sin(phase), -level, level)
    for order in (1, 3):
        expected = np.trapezoid(shape * np.sin(order * phase), phase) / np.pi
        assert -spectrum[4 * 997 * order].imag == pytest.approx(expected, abs=1e-3)
    assert abs(spectrum[4 * 997 * 2]) < 1e-4


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
        # what the label covers is clipped up to a rest that holds no pause and region more
        assert drawn.interval.end_s - ends[-1] < 0.4 + 0.5
        assert (ends - starts).min() >= 0.5 - 1e-9
        assert len(starts) == 1 or (ends - starts).max() <= 3 + 1e-9
        several += len(starts) > 1
    assert several > 10


def test_pauses_are_left_as_they_are(long_clip):
    ranges = ClippingRanges(unbroken_probability=0.0)
    drawn = Clipping().draw(np.random.default_rng(4), long_clip, RATE, ranges, WHOLE)
    degraded = Clipping().apply(long_clip, RATE, drawn)
    pauses = [
        slice(round(a.end_s * RATE), round(b.start_s * RATE)) for a, b in pairwise(drawn.regions)
    ]
    assert pauses
    for pause in pauses:
        assert np.array_equal(degraded[:, pause], long_clip[:, pause])
        assert np.abs(long_clip[:, pause]).max() > drawn.high


def test_a_signal_that_rests_at_one_value_cannot_be_clipped():
    audio = np.zeros((1, RATE), dtype=np.float32)
    audio[0, ::1000] = 0.9
    with pytest.raises(UndrawableDefectError):
        Clipping().draw(np.random.default_rng(0), audio, RATE, ClippingRanges(), WHOLE)


def test_a_pause_that_cannot_be_is_refused():
    with pytest.raises(ValidationError, match="max_gap_s"):
        ClippingRanges(min_gap_s=1.0, max_gap_s=0.5)
