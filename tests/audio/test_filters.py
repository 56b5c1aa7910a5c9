import numpy as np
import pytest

from padam.audio.filters import highpass, lowpass
from padam.audio.levels import rms_db
from tests.audio.signals import lag_samples, programme, sine


def gain_db(filtering, frequency_hz, rate=48000):
    tone = sine(rate, frequency_hz, 1.0)
    settled = slice(rate // 4, -rate // 4)
    return rms_db(filtering(tone)[:, settled]) - rms_db(tone[:, settled])


def warped_ratio(frequency_hz, cutoff_hz, rate=48000):
    """Frequency over cutoff as the bilinear transform sees them."""
    return np.tan(np.pi * frequency_hz / rate) / np.tan(np.pi * cutoff_hz / rate)


@pytest.mark.parametrize("order", [1, 2, 4])
def test_both_follow_butterworth(order):
    for frequency_hz in (250, 500, 1000, 2000, 4000):
        power = warped_ratio(frequency_hz, 1000) ** (2 * order)
        low = gain_db(lambda x: lowpass(x, 48000, 1000, order), frequency_hz)
        assert low == pytest.approx(-10 * np.log10(1 + power), abs=0.05)
        high = gain_db(lambda x: highpass(x, 48000, 1000, order), frequency_hz)
        assert high == pytest.approx(-10 * np.log10(1 + 1 / power), abs=0.05)


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
