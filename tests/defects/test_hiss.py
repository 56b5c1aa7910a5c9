import numpy as np
import pytest
from scipy.signal import welch

from padam.audio.filters import highpass, lowpass
from padam.audio.levels import snr_db
from padam.defects.hiss import Hiss, HissParams, HissRanges, coloured_noise
from padam.defects.interval import Interval
from tests.defects.conftest import RATE


def params(**changes):
    given = {
        "interval": Interval(start_s=1, duration_s=2),
        "channels": (0, 1),
        "snr_db": 6.0,
        "beta": 0.0,
        "highpass": 1e-5,
        "seed": 3,
        "in_band_snr_db": 0.0,
    }
    return HissParams(**{**given, **changes})


@pytest.mark.parametrize("target_db", [0.0, 15.0])
@pytest.mark.parametrize("channels", [(0,), (0, 1)])
def test_the_snr_is_that_of_interval_and_channels(clip, target_db, channels):
    error = Hiss().apply(clip, RATE, params(snr_db=target_db, channels=channels)) - clip
    where = (list(channels), slice(RATE, 3 * RATE))
    assert snr_db(clip[where], error[where]) == pytest.approx(target_db, abs=0.02)


@pytest.mark.parametrize("beta", [-2.0, -1.0, 0.0, 1.0, 2.0])
def test_the_spectrum_falls_as_one_over_f_to_beta(beta):
    noise = coloured_noise(np.random.default_rng(0), (1, 20 * RATE), beta, 1e-5)[0]
    frequency, power = welch(noise.astype(float), RATE, nperseg=8192)
    band = (frequency > 100) & (frequency < 15000)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert slope == pytest.approx(-beta, abs=0.05)


def test_the_highpass_attenuates_below_its_cutoff():
    noise = coloured_noise(np.random.default_rng(0), (1, 20 * RATE), 0.0, 0.25)[0]
    frequency, power = welch(noise.astype(float), RATE, nperseg=8192)
    passed = power[(frequency > 12000) & (frequency < 20000)].mean()
    at_cutoff = power[np.abs(frequency - 6000) < 100].mean()
    assert 10 * np.log10(at_cutoff / passed) == pytest.approx(-3, abs=0.3)
    assert power[(frequency > 500) & (frequency < 1500)].mean() < 1e-5 * passed


def test_channels_hiss_independently(clip):
    error = (Hiss().apply(clip, RATE, params(snr_db=0.0)) - clip)[:, RATE : 3 * RATE]
    assert abs(np.corrcoef(error)[0, 1]) < 0.02


@pytest.mark.parametrize(("beta", "cutoff"), [(0.0, 1e-5), (1.0, 0.01), (-2.0, 0.3)])
def test_the_in_band_snr_is_what_a_16_khz_model_hears(clip, beta, cutoff):
    ranges = HissRanges(beta=(beta, beta), highpass=(cutoff, cutoff), snr_db=(5.0, 5.0))
    drawn = Hiss().draw(np.random.default_rng(0), clip, RATE, ranges)
    error = Hiss().apply(clip, RATE, drawn) - clip
    where = (list(drawn.channels), drawn.interval.slice(RATE, clip.shape[1]))

    def heard(audio):
        low = lowpass(audio, RATE, 8000, order=30, zero_phase=True)
        return highpass(low, RATE, 20, order=2, zero_phase=True)

    measured = snr_db(heard(clip[where]), heard(error[where]))
    assert drawn.in_band_snr_db == pytest.approx(measured, abs=0.4)


def test_draws_stay_in_the_papers_ranges(clip):
    rng = np.random.default_rng(0)
    drawn = [Hiss().draw(rng, clip, RATE, HissRanges()) for _ in range(100)]
    assert all(0 <= d.snr_db <= 15 and -2 <= d.beta <= 2 for d in drawn)
    assert all(1e-5 <= d.highpass <= 0.5 for d in drawn)
    assert np.isfinite([d.in_band_snr_db for d in drawn]).all()
