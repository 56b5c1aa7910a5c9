from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import welch

from padam.audio.filters import highpass, lowpass
from padam.audio.levels import snr_db
from padam.defects.hiss import Hiss, HissParams, HissRanges, coloured_noise
from padam.defects.interval import Interval
from tests.defects.conftest import RATE, measured_snr_db


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


@pytest.mark.parametrize("target_db", [0.0, 7.5, 15.0])
@pytest.mark.parametrize("channels", [(0,), (0, 1)])
@pytest.mark.parametrize(("start_s", "duration_s"), [(0, 4), (1, 2), (3.4, 0.5)])
def test_the_snr_is_that_of_interval_and_channels(clip, target_db, channels, start_s, duration_s):
    interval = Interval(start_s=start_s, duration_s=duration_s)
    drawn = params(snr_db=target_db, channels=channels, interval=interval, beta=1.5)
    degraded = Hiss().apply(clip, RATE, drawn)
    where = (list(channels), slice(round(start_s * RATE), round((start_s + duration_s) * RATE)))
    assert measured_snr_db(clip[where], degraded[where]) == pytest.approx(target_db, abs=0.01)


@pytest.mark.parametrize("beta", [-2.0, -1.0, 0.0, 1.0, 2.0])
def test_the_spectrum_falls_as_one_over_f_to_beta(beta):
    noise = coloured_noise(np.random.default_rng(0), (1, 20 * RATE), beta, 1e-5)[0]
    frequency, power = welch(noise.astype(float), RATE, nperseg=8192)
    band = (frequency > 100) & (frequency < 15000)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert slope == pytest.approx(-beta, abs=0.05)


@pytest.mark.parametrize("beta", [-2.0, -1.0, 0.0, 1.0, 2.0])
@pytest.mark.parametrize("highpass", [0.002, 0.02])
def test_the_slope_above_the_highpass_is_that_of_the_added_noise(long_clip, beta, highpass):
    """From the error that `apply` leaves: its power in bands of one width on a log scale."""
    drawn = params(beta=beta, highpass=highpass, interval=Interval(start_s=1, duration_s=8))
    error = (Hiss().apply(long_clip, RATE, drawn) - long_clip)[:, RATE : 9 * RATE]
    frequency, power = welch(error.astype(float), RATE, nperseg=16384)
    edges = np.geomspace(2.5 * highpass * RATE / 2, 20000, 25)
    centres = np.sqrt(edges[1:] * edges[:-1])
    levels = [
        power[:, (frequency >= low) & (frequency < high)].mean() for low, high in pairwise(edges)
    ]
    slope = np.polyfit(np.log(centres), np.log(levels), 1)[0]
    assert slope == pytest.approx(-beta, abs=0.1)


def test_the_onset_is_no_click(clip):
    degraded = Hiss().apply(clip, RATE, params(snr_db=0.0))
    ramp = np.abs(degraded - clip)[:, RATE : RATE + 24].max()  # the first tenth of the fade
    assert ramp < 0.1 * np.abs(degraded - clip)[:, RATE + 480 :].max()


def test_the_seed_alone_decides_the_noise(clip):
    first, again, other = (Hiss().apply(clip, RATE, params(seed=seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert np.abs(np.corrcoef((first - clip)[0], (other - clip)[0])[0, 1]) < 0.02


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
    # each decade of the cutoff is as likely as another
    decades = np.log10([d.highpass for d in drawn])
    assert np.mean(decades < np.log10(np.sqrt(1e-5 * 0.5))) == pytest.approx(0.5, abs=0.2)
