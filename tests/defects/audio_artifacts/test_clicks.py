"""Clicks: the impulse response that is added, and the step that a cut leaves."""

import numpy as np
import pytest
from scipy import signal as filters

from padam.defects.audio_artifacts.clicks import (
    AdditiveClick,
    ReductiveClick,
    add_clicks,
    click_shape,
    cut_clicks,
    draw_moments,
)
from padam.defects.audio_artifacts.config import SAMPLE_RATE, SimulationConfig

CONFIG = SimulationConfig()


def tone(amplitude=20_000, seconds=1.0, hertz=200):
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return np.rint(amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def test_moments_are_so_far_apart_on_average():
    rng = np.random.default_rng(0)
    moments = draw_moments(rng, 1000, 1000 + 5000 * SAMPLE_RATE, 2.5)
    assert len(moments) == pytest.approx(2000, rel=0.07)
    assert moments == sorted(moments)
    gaps_s = np.diff(moments) / SAMPLE_RATE
    assert np.mean(gaps_s > 2.5) == pytest.approx(np.exp(-1), abs=0.04)


@pytest.mark.parametrize("cutoff", [0.05, 0.2, 0.45])
def test_an_additive_click_is_an_impulse_through_a_third_order_low_pass(cutoff):
    shape = click_shape(cutoff)
    # the sum of an impulse response is the gain at 0 Hz, which is 1
    assert shape.sum() == pytest.approx(32_768, rel=1e-4)
    gain = np.abs(np.fft.rfft(shape, 2**16)) / 32_768
    at = round(cutoff * 2**16)
    assert 20 * np.log10(gain[at]) == pytest.approx(-3.01, abs=0.05)
    # the bilinear transform bends frequencies: tan(π f) takes the place of f
    warped = np.tan(np.pi * 0.499) / np.tan(np.pi * cutoff)
    expected = 1 / np.sqrt(1 + warped**6)
    assert gain[round(0.499 * 2**16)] == pytest.approx(expected, rel=0.1, abs=1e-5)


def test_additive_clicks_are_added_where_they_are_wanted():
    audio = tone(5000)
    clicks = (AdditiveClick(10_000 + 700, 0.2), AdditiveClick(10_000 + 30_000, 0.4))
    added = add_clicks(audio, 10_000, clicks).astype(int) - audio
    assert np.flatnonzero(added)[0] == 700
    for at, cutoff in ((700, 0.2), (30_000, 0.4)):
        here = added[at : at + 100]
        assert np.array_equal(here, np.rint(click_shape(cutoff)[:100]))
    assert not added[1000:29_999].any()


def test_a_click_over_the_joint_of_two_pieces_is_whole():
    audio = tone(5000)
    click = (AdditiveClick(23_990, 0.05),)
    whole = add_clicks(audio, 0, click)
    halves = [add_clicks(audio[:24_000], 0, click), add_clicks(audio[24_000:], 24_000, click)]
    assert np.array_equal(np.concatenate(halves), whole)


def test_a_cut_takes_out_a_zero_crossing_and_leaves_a_step():
    audio = tone()
    wanted = tuple(
        ReductiveClick(5_000 + at, choice)
        for at, choice in ((4000, 0.0), (20_000, 0.5), (40_000, 0.999))
    )
    shortened, cuts = cut_clicks(audio, 5_000, wanted, CONFIG)
    assert len(cuts) == 3
    removed = 0
    for cut, click in zip(cuts, wanted, strict=True):
        assert 0 <= cut.start - (click.at - 5_000) < 0.05 * SAMPLE_RATE
        assert 0.001 <= (cut.stop - cut.start) / SAMPLE_RATE <= 0.05
        gone = audio[cut.start : cut.stop]
        assert gone.min() < 0 <= gone.max()
        joint = cut.start - removed
        step = abs(int(shortened[joint]) - int(shortened[joint - 1]))
        assert step == cut.step >= 3277
        removed += cut.stop - cut.start
    assert len(shortened) == len(audio) - removed
    # nothing steps so far in the tone itself
    assert np.abs(np.diff(audio.astype(int))).max() < 3277


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros(SAMPLE_RATE, dtype=np.int16),
        tone(1600),  # its greatest step is 3200
        np.abs(tone()),  # no zero crossing
    ],
    ids=["silence", "too quiet", "no crossing"],
)
def test_where_nothing_fits_nothing_is_cut(audio):
    shortened, cuts = cut_clicks(audio, 0, (ReductiveClick(10_000, 0.5),), CONFIG)
    assert cuts == ()
    assert np.array_equal(shortened, audio)


def test_the_filter_is_the_one_that_scipy_designs():
    numerator, denominator = filters.butter(3, 2 * 0.1)
    impulse = np.zeros(200)
    impulse[0] = 32_768
    assert np.allclose(click_shape(0.1)[:200], filters.lfilter(numerator, denominator, impulse))
