import numpy as np
import pytest

from padam.audio.levels import (
    apply_gain_db,
    match_level,
    peak,
    peak_db,
    rms,
    rms_db,
    scale_noise_to_snr,
    scale_to_peak_db,
    snr_db,
)
from tests.audio.signals import programme, sine

SILENT = np.zeros((1, 100), np.float32)
EMPTY = np.zeros((2, 0), np.float32)


def test_levels_of_a_full_scale_sine():
    tone = sine(48000, 1000, 1.0)
    assert rms(tone) == pytest.approx(np.sqrt(0.5), abs=1e-5)
    assert rms_db(tone) == pytest.approx(-3.01, abs=0.01)
    assert peak(tone) == pytest.approx(1.0, abs=1e-5)
    assert peak_db(0.5 * tone) == pytest.approx(-6.02, abs=0.01)


@pytest.mark.parametrize("signal", [SILENT, EMPTY])
def test_silence_is_minus_infinity(signal):
    assert rms(signal) == peak(signal) == 0
    assert rms_db(signal) == peak_db(signal) == -np.inf


def test_level_does_not_drift_over_long_signals():
    assert rms(np.full((1, 5_000_000), 0.1, np.float32)) == pytest.approx(0.1, rel=1e-6)


def test_snr_and_its_limits():
    tone = sine(48000, 1000, 1.0)
    assert snr_db(tone, 0.1 * tone) == pytest.approx(20, abs=1e-4)
    silent = np.zeros_like(tone)
    assert snr_db(tone, silent) == np.inf
    assert snr_db(silent, tone) == -np.inf
    assert np.isnan(snr_db(silent, silent))
    with pytest.raises(ValueError, match="shape"):
        snr_db(tone, tone[:, :10])


def test_noise_scaled_to_an_snr_measures_it():
    signal, noise = programme(seed=1), programme(seed=2)
    scaled = scale_noise_to_snr(signal, noise, 12.5)
    assert snr_db(signal, scaled) == pytest.approx(12.5, abs=1e-3)
    with pytest.raises(ValueError, match="silent"):
        scale_noise_to_snr(signal, np.zeros_like(noise), 10)


def test_scaling_to_a_peak():
    assert peak_db(scale_to_peak_db(programme(), -3.0)) == pytest.approx(-3.0, abs=1e-4)
    assert not scale_to_peak_db(SILENT, -3.0).any()


def test_matching_levels():
    reference = programme()
    assert np.allclose(match_level(reference, 0.25 * reference), reference, atol=1e-6)
    assert not match_level(reference, np.zeros_like(reference)).any()
    assert np.array_equal(match_level(np.zeros_like(reference), reference), reference)


def test_gain_in_db():
    assert apply_gain_db(np.ones((1, 1), np.float32), -20.0)[0, 0] == pytest.approx(0.1)
