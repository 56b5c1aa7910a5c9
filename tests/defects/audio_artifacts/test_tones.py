"""Hum, hiss and distortion against what the paper says of them."""

import numpy as np
import pytest
from scipy import stats

from padam.defects.audio_artifacts.config import SAMPLE_RATE, SimulationConfig
from padam.defects.audio_artifacts.tones import (
    DistortionParams,
    HissParams,
    HumParams,
    add_hiss,
    add_hum,
    distort,
    draw_distortion,
    draw_hiss,
    draw_hum,
    saturated,
)
from padam.defects.base import UndrawableDefectError

CONFIG = SimulationConfig()
PEAK = 20_000
SILENCE = np.zeros(SAMPLE_RATE, dtype=np.int16)


def music():
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    wave = np.sin(2 * np.pi * 330 * time) * (0.2 + 0.8 * np.sin(np.pi * time / 2) ** 2)
    return np.rint(PEAK * wave / np.abs(wave).max()).astype(np.int16)


def test_frequencies_are_whole_hertz_and_amplitudes_leave_room():
    rng = np.random.default_rng(0)
    hums = [draw_hum(rng, PEAK, CONFIG) for _ in range(20_000)]
    hertz, steps = (np.array([getattr(hum, name) for hum in hums]) for name in vars(hums[0]))
    assert hertz.dtype == steps.dtype == np.int64
    assert (hertz.min(), hertz.max()) == (21, 1219)
    assert 60 < steps.min() < 75
    assert 32_767 - PEAK - 15 < steps.max() < 32_767 - PEAK
    assert stats.kstest(steps, stats.randint(61, 32_767 - PEAK).cdf).pvalue > 1e-3


@pytest.mark.parametrize("draw", [draw_hum, draw_hiss])
def test_a_title_at_full_scale_leaves_no_amplitude(draw):
    with pytest.raises(UndrawableDefectError, match="32768 leaves no amplitude above 60"):
        draw(np.random.default_rng(0), 32_768, CONFIG)
    assert draw(np.random.default_rng(0), 32_767 - 62, CONFIG).amplitude == 61


def test_hum_is_one_tone_of_its_frequency_and_amplitude():
    hum = add_hum(SILENCE, 0, HumParams(50, 10_000)).astype(float)
    spectrum = np.abs(np.fft.rfft(hum)) * 2 / SAMPLE_RATE
    assert spectrum[50] == pytest.approx(10_000, rel=1e-4)
    # all that is left is the rounding to whole steps, of variance 1/12
    rest = np.sum(np.delete(spectrum, 50) ** 2) / 2
    assert rest < 0.2


def test_hum_adds_to_the_signal_and_does_not_pass_full_scale():
    signal = music()
    loudest = 32_766 - PEAK
    hummed = add_hum(signal, 0, HumParams(50, loudest))
    difference = hummed.astype(int) - signal
    assert np.abs(difference).max() == loudest
    assert np.abs(hummed.astype(int)).max() < 32_767


def test_pieces_of_a_hum_and_of_a_hiss_fit_together_hours_into_a_title():
    start = 7200 * SAMPLE_RATE + 12_345
    signal = np.zeros(100_000, dtype=np.int16)
    hum, hiss = HumParams(777, 3000), HissParams(3000, seed=5)
    for whole, part in (
        (add_hum(signal, start, hum), lambda s, at: add_hum(s, at, hum)),
        (add_hiss(signal, start, 1, hiss), lambda s, at: add_hiss(s, at, 1, hiss)),
    ):
        pieces = [part(signal[:40_000], start), part(signal[40_000:], start + 40_000)]
        assert np.array_equal(np.concatenate(pieces), whole)


def test_hiss_is_white_uniform_noise_that_differs_between_channels():
    params = HissParams(5000, seed=3)
    left, right = (add_hiss(SILENCE, 0, channel, params).astype(float) for channel in (0, 1))
    assert np.abs(left).max() == 5000
    assert left.std() == pytest.approx(5000 / np.sqrt(3), rel=0.01)
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.02
    power = np.abs(np.fft.rfft(left)) ** 2
    bands = power[1:24_001].reshape(8, -1).mean(axis=1)
    assert bands.max() / bands.min() < 1.2


def test_distortion_clips_at_a_share_of_the_greatest_magnitude():
    rng = np.random.default_rng(0)
    drawn = [draw_distortion(rng, PEAK, CONFIG) for _ in range(700)]
    assert {each.ratio for each in drawn} == set(CONFIG.distortion_ratios)
    assert all(each.level == round(each.ratio * PEAK) for each in drawn)
    signal = music()
    clipped = distort(signal, DistortionParams(0.3, 6000))
    assert (clipped.min(), clipped.max()) == (-6000, 6000)
    below = np.abs(signal) <= 6000
    assert np.array_equal(clipped[below], signal[below])
    assert np.abs(clipped[~below]).min() == 6000


def test_beyond_full_scale_is_full_scale():
    assert saturated(np.array([40_000.0, -40_000.0])).tolist() == [32_767, -32_768]
