import numpy as np
import pytest
from pydantic import ValidationError
from scipy.signal import get_window

from padam.defects.base import WHOLE, UndrawableDefectError
from padam.defects.hum import Hum, HumParams, HumRanges, harmonic_orders
from padam.defects.interval import Interval
from tests.defects.conftest import RATE, measured_snr_db


def params(**changes):
    given = {
        "interval": Interval(start_s=1, duration_s=2),
        "channels": (1,),
        "snr_db": 6.0,
        "fundamental_hz": 50.0,
        "pattern": "odd",
        "waveform": "square",
        "weights": (1.0,) * 6,
        "phase_rad": 0.7,
    }
    return HumParams(**{**given, **changes})


def spectrum_of_hum(clip, drawn):
    """Amplitudes at the multiples of f0, measured on the error."""
    error = (Hum().apply(clip, RATE, drawn) - clip)[1, RATE : 3 * RATE].astype(float)
    window = get_window("hann", len(error))
    amplitude = np.abs(np.fft.rfft(error * window)) / window.sum() * 2
    return amplitude[:: round(drawn.fundamental_hz * 2)]  # bins of 0.5 Hz


@pytest.mark.parametrize("target_db", [0.0, 7.5, 15.0])
@pytest.mark.parametrize("channels", [(1,), (0, 1)])
@pytest.mark.parametrize(("start_s", "duration_s"), [(0, 4), (1, 2), (3.4, 0.5)])
def test_the_snr_is_that_of_interval_and_channels(clip, target_db, channels, start_s, duration_s):
    interval = Interval(start_s=start_s, duration_s=duration_s)
    drawn = params(snr_db=target_db, channels=channels, interval=interval)
    degraded = Hum().apply(clip, RATE, drawn)
    where = (list(channels), slice(round(start_s * RATE), round((start_s + duration_s) * RATE)))
    assert measured_snr_db(clip[where], degraded[where]) == pytest.approx(target_db, abs=0.01)


def test_it_is_the_same_wave_on_every_channel(clip):
    left, right = Hum().apply(clip, RATE, params(channels=(0, 1))) - clip
    assert np.allclose(left, right, atol=1e-6)


@pytest.mark.parametrize(
    ("pattern", "orders"),
    [("even", [2, 4, 6, 8]), ("odd", [1, 3, 5, 7]), ("triplen", [3, 9, 15, 21])],
)
@pytest.mark.parametrize("waveform", ["square", "triangle"])
def test_harmonics_and_their_amplitudes(clip, pattern, orders, waveform):
    amplitude = spectrum_of_hum(
        clip, params(pattern=pattern, waveform=waveform, weights=(1.0,) * 4)
    )
    assert harmonic_orders(pattern, 4).tolist() == orders
    power = 1 if waveform == "square" else 2
    relative = amplitude[orders] / amplitude[orders[0]]
    assert relative == pytest.approx((np.array(orders) / orders[0]) ** -float(power), rel=0.02)
    others = np.setdiff1d(np.arange(1, 30), orders)
    assert amplitude[others].max() < 0.005 * amplitude[orders[0]]


@pytest.mark.parametrize("pattern", ["even", "odd", "triplen"])
@pytest.mark.parametrize("waveform", ["square", "triangle"])
@pytest.mark.parametrize("fundamental_hz", [60.0, 123.4])
def test_sines_of_one_phase_with_the_signs_of_the_formula(clip, pattern, waveform, fundamental_hz):
    """Least squares of sin and cos(2π h f0 t + φ) recover w_h A_h, its sign too, and no cosine."""
    weights, phase = np.array([0.9, 0.6, 0.8]), -4.0
    drawn = params(
        pattern=pattern, waveform=waveform, fundamental_hz=fundamental_hz, phase_rad=phase,
        weights=tuple(weights), interval=Interval(start_s=0, duration_s=4),
    )  # fmt: skip
    error = (Hum().apply(clip, RATE, drawn) - clip)[1].astype(np.float64)
    orders = {"even": [2, 4, 6], "odd": [1, 3, 5], "triplen": [3, 9, 15]}[pattern]
    angles = 2 * np.pi * np.outer(np.arange(len(error)) / RATE, orders) * fundamental_hz + phase
    found = np.linalg.lstsq(np.hstack([np.sin(angles), np.cos(angles)]), error)[0]
    h = np.array(orders, dtype=float)
    expected = weights * (1 / h if waveform == "square" else (-1) ** h / h**2)
    scale = np.linalg.norm(found) / np.linalg.norm(expected)
    assert found[:3] == pytest.approx(scale * expected, abs=2e-3 * scale * np.abs(expected).max())
    assert np.abs(found[3:]).max() < 2e-3 * np.abs(found).max()


def test_weights_scale_their_harmonic(clip):
    amplitude = spectrum_of_hum(clip, params(weights=(1.0, 0.0, 0.5)))
    assert amplitude[3] < 0.005 * amplitude[1]
    assert amplitude[5] / amplitude[1] == pytest.approx(0.5 / 5, rel=0.02)


@pytest.mark.parametrize("pattern", ["even", "odd", "triplen"])
def test_nothing_sounds_above_nyquist(clip, pattern):
    # 15th odd harmonic of 500 Hz at 8 kHz: 14.5 kHz would fold back onto 1.5 kHz, an odd one; so
    # take a fundamental whose images fall elsewhere
    low_rate = np.ascontiguousarray(clip[:, ::6])
    drawn = params(fundamental_hz=470.0, weights=(1.0,) * 15, interval=Interval(
        start_s=0, duration_s=4), channels=(0,), pattern=pattern)  # fmt: skip
    error = (Hum().apply(low_rate, 8000, drawn) - low_rate)[0]
    window = get_window("hann", len(error))
    amplitude = np.abs(np.fft.rfft(error * window))
    frequency = np.fft.rfftfreq(len(error), 1 / 8000)
    harmonic = np.abs(frequency / 470 - np.round(frequency / 470)) * 470 < 3
    assert amplitude[~harmonic].max() < 1e-3 * amplitude.max()


def test_a_hum_without_a_harmonic_below_nyquist_is_not_drawn(clip):
    low_rate = np.ascontiguousarray(clip[:, ::6])
    high = HumRanges(mains_probability=0, other_hz=(1400, 2000), patterns=("triplen",))
    with pytest.raises(UndrawableDefectError, match="half the rate of 8000 Hz"):
        Hum().draw(np.random.default_rng(0), low_rate, 8000, high, WHOLE)


def test_the_onset_is_no_click(clip):
    error = Hum().apply(clip, RATE, params(snr_db=0.0)) - clip
    steps = np.abs(np.diff(error[1]))
    edges = np.r_[RATE - 5 : RATE + 5, 3 * RATE - 5 : 3 * RATE + 5]
    assert steps[edges].max() <= steps[RATE + 500 : 3 * RATE - 500].max()


def test_draws_stay_in_the_papers_ranges(clip):
    rng = np.random.default_rng(0)
    drawn = [Hum().draw(rng, clip, RATE, HumRanges()) for _ in range(100)]
    assert all(0 <= d.snr_db <= 15 for d in drawn)
    assert all(d.fundamental_hz in (50, 60) or 40 <= d.fundamental_hz <= 500 for d in drawn)
    assert 25 < sum(d.fundamental_hz in (50, 60) for d in drawn) < 75
    assert all(abs(d.phase_rad) <= 2 * np.pi for d in drawn)
    assert {d.pattern for d in drawn} == {"even", "odd", "triplen"}
    assert {d.waveform for d in drawn} == {"square", "triangle"}


@pytest.mark.parametrize("snr", [(15.0, 0.0), (-100.0, 0.0)])
def test_a_range_that_is_wrong_is_refused(snr):
    with pytest.raises(ValidationError, match="not ordered or leaves"):
        HumRanges(snr_db=snr)


def test_a_mains_frequency_below_zero_is_refused():
    with pytest.raises(ValidationError, match="greater than 0"):
        HumRanges(mains_hz=(50.0, -60.0))
