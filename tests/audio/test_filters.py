import numpy as np
import pytest

from padam.audio.filters import highpass, lowpass
from padam.audio.levels import rms_db
from tests.audio.signals import lag_samples, programme, sine


def gain_db(filtering, frequency_hz, rate=48000):
    tone = sine(rate, frequency_hz, 1.0)
    settled = slice(rate // 4, -rate // 4)
    return rms_db(filtering(tone)[:, settled]) - rms_db(tone[:, settled])


@pytest.mark.parametrize("order", [1, 2, 4])
def test_lowpass_follows_butterworth(order):
    for octaves in (-2, 0, 1, 2):
        ratio = 2.0**octaves
        expected = -10 * np.log10(1 + ratio ** (2 * order))
        measured = gain_db(lambda x: lowpass(x, 48000, 1000, order), 1000 * ratio)
        assert measured == pytest.approx(expected, abs=0.6)  # the bilinear transform warps


@pytest.mark.parametrize("order", [1, 2, 4])
def test_highpass_follows_butterworth(order):
    for octaves in (-2, -1, 0, 2):
        expected = -10 * np.log10(1 + 2.0 ** (-2 * order * octaves))
        measured = gain_db(lambda x: highpass(x, 48000, 1000, order), 1000 * 2.0**octaves)
        assert measured == pytest.approx(expected, abs=0.6)


def test_zero_phase_delays_nothing_and_filters_twice():
    audio = programme()
    assert lag_samples(audio, lowpass(audio, 48000, 3500, zero_phase=True)) == 0
    assert lag_samples(audio, lowpass(audio, 48000, 3500)) > 0
    measured = gain_db(lambda x: lowpass(x, 48000, 1000, zero_phase=True), 1000)
    assert measured == pytest.approx(-6.02, abs=0.05)


@pytest.mark.parametrize("samples", [0, 1, 5])
@pytest.mark.parametrize("zero_phase", [True, False])
def test_short_signals_keep_their_shape(samples, zero_phase):
    audio = np.ones((2, samples), np.float32)
    filtered = lowpass(audio, 48000, 1000, zero_phase=zero_phase)
    assert filtered.shape == (2, samples)
    assert filtered.dtype == np.float32


@pytest.mark.parametrize("cutoff_hz", [0, -5, 24000, 50000])
def test_cutoffs_outside_the_band_are_refused(cutoff_hz):
    for filtering in (lowpass, highpass):
        with pytest.raises(ValueError, match="cutoff"):
            filtering(programme(), 48000, cutoff_hz)
