"""Native-rate evidence, against values that follow from how each signal was made."""

import numpy as np
import pytest
from scipy.special import ndtri

from padam.models.native_evidence import EVIDENCE_NAMES, EVIDENCE_VERSION, native_evidence
from padam.models.native_evidence.amplitudes import runs
from padam.models.native_evidence.prediction import predictor_residual

RATE = 48_000
TIME_S = np.arange(10 * RATE) / RATE


def measured(samples, rate=RATE):
    row = native_evidence(np.asarray(samples, np.float32)[None], rate)[0]
    return dict(zip(EVIDENCE_NAMES, row.tolist(), strict=True))


def noise(seed=0, count=10 * RATE):
    return np.random.default_rng(seed).standard_normal(count) / 8


def tones(frequencies, level=0.1):
    return level * sum(np.sin(2 * np.pi * f * TIME_S + f) for f in frequencies)


def test_quantiles_of_noise_are_those_of_the_normal_distribution_and_one_where_it_is_clipped():
    name = "flat_tops.quantile_990_mean"
    expected = ndtri(0.9) / ndtri(0.99)
    assert measured(noise())[name] == pytest.approx(expected, abs=0.01)
    low, high = np.percentile(noise(), [12, 88])
    clipped = measured(np.clip(noise(), low, high))
    assert clipped[name] == pytest.approx(1, abs=1e-3)
    name = "flat_tops.level_share_both"
    assert clipped[name] > measured(noise())[name] + 2


def test_a_clipped_sine_is_flat_near_its_top_and_a_sine_is_not():
    sine = np.sin(2 * np.pi * 100 * TIME_S)
    whole, clipped = (measured(s) for s in (sine, np.clip(sine, -0.5, 0.5)))
    # |sin| above 0.92 for 1 - 2/π asin(0.84) of the time, 8 % of the range from either end
    share = 1 - 2 / np.pi * np.arcsin(0.84)
    assert whole["flat_tops.near_top_share"] == pytest.approx(share, abs=0.01)
    # |sin| above 0.42 for 1 - 2/π asin(0.42)
    share = 1 - 2 / np.pi * np.arcsin(0.42)
    assert clipped["flat_tops.near_top_share"] == pytest.approx(share, abs=0.01)
    slopes = "flat_tops.near_top_slope"
    assert clipped[slopes] < whole[slopes] - 0.3
    assert clipped["amplitudes.held_at_two_levels"] == pytest.approx(1)
    assert whole["amplitudes.held_at_two_levels"] < 0.1


def test_clipping_of_a_part_is_seen_in_the_most_clipped_second():
    part = noise()
    part[3 * RATE : 5 * RATE] = np.clip(part[3 * RATE : 5 * RATE], -0.1, 0.1)
    found, clean = measured(part), measured(noise())
    assert found["flat_tops.quantile_960_max"] > 0.99
    assert found["flat_tops.quantile_960_mean"] == pytest.approx(
        0.8 * clean["flat_tops.quantile_960_mean"] + 0.2, abs=0.02
    )


def test_an_inserted_click_stands_out_by_its_height():
    clicked = noise()
    clicked[123_456] = 20 / 8
    # The median of |noise| is 0.6745 of its deviation.
    expected = np.log(20 / 0.6745 + 1)
    assert measured(clicked)["prediction.outlier_max"] == pytest.approx(expected, abs=0.1)
    clean = measured(noise())
    assert clean["prediction.outlier_max"] < np.log(5.5 / 0.6745 + 1)
    assert clean["prediction.outliers_above_10"] == 0
    clicked[::RATE] = 20 / 8
    assert measured(clicked)["prediction.outliers_above_20"] == pytest.approx(np.log1p(1.1))


def test_the_residual_is_what_a_known_predictor_was_driven_by():
    from scipy.signal import lfilter

    drive = noise().astype(np.float32)
    process = lfilter([1.0], [1.0, -1.6, 0.81], drive).astype(np.float32)
    residual, gain_db = predictor_residual(process, RATE)
    flat = residual.reshape(-1)[: len(drive)]
    assert np.corrcoef(flat, drive)[0, 1] > 0.97
    power = np.mean(drive**2) / np.mean(process**2)
    assert np.median(gain_db) == pytest.approx(10 * np.log10(power), abs=0.5)


@pytest.mark.parametrize(
    ("bits", "name"), [(4, "comb_3"), (6, "comb_10"), (8, "comb_28"), (10, "comb_110")]
)
def test_few_levels_make_a_comb_also_under_noise(bits, name):
    steps = 2**bits // 4
    signal = np.clip(noise() * 2, -1, 1)
    signal[0] = 1
    comb = np.rint(signal * steps) / steps
    strength = f"amplitudes.{name}_strength"
    assert measured(comb)[strength] == pytest.approx(np.log1p(100), abs=0.01)
    blurred = comb + noise(1) * 8 * 0.1 / steps
    blurred *= 1 / np.abs(blurred).max()
    # E exp(2πi n x) of normal noise of a tenth of a step is exp(-2π² 0.01).
    assert measured(blurred)[strength] > np.log1p(100 * np.exp(-2 * np.pi**2 * 0.01)) - 0.6
    assert measured(signal)[strength] < 1.5


def test_runs_are_counted_exactly():
    lengths, values = runs(np.array([0, 0, 3, 3, 3, -1, 0], np.float32))
    assert lengths.tolist() == [2, 3]
    assert values.tolist() == [0, 3]
    assert runs(np.ones(4, np.float32))[0].tolist() == [4]
    assert len(runs(np.zeros(1, np.float32))[0]) == 0
    zeros, held = noise(), noise()
    for start in range(0, 10 * RATE, RATE):
        zeros[start : start + 480] = 0
        held[start : start + 480] = 0.05
    for signal, name in ((zeros, "zero"), (held, "held")):
        found = measured(signal)
        assert found[f"amplitudes.{name}_runs_long"] == pytest.approx(np.log1p(100), abs=1e-3)
        assert found[f"amplitudes.{name}_runs_short"] == 0
        other = {"zero": "held", "held": "zero"}[name]
        assert found[f"amplitudes.{other}_runs_long"] == 0


def test_holes_and_bursts_are_as_deep_as_they_were_made():
    holed, burst = noise(), noise()
    for start in range(RATE // 2, 10 * RATE, RATE):
        holed[start : start + 2400] *= 0.01
        burst[start : start + 2400] *= 10
    assert measured(holed)["transients.all_hole_12"] == pytest.approx(40, abs=3)
    assert measured(burst)["transients.all_burst_12"] == pytest.approx(20, abs=3)
    assert measured(noise())["transients.all_hole_12"] < 4


@pytest.mark.parametrize("mains", [50, 60])
def test_hum_is_found_at_its_mains_under_noise(mains):
    hum = tones([mains * n for n in (1, 3, 5, 7, 9)], level=0.02) + noise() / 4
    found, clean = measured(hum), measured(noise())
    other = 110 - mains
    assert found[f"lines.mains_{mains}_hz_top_4"] > 15
    # 300 Hz is a multiple of both
    assert found[f"lines.mains_{other}_hz_top_4"] < found[f"lines.mains_{mains}_hz_top_4"] - 10
    assert clean[f"lines.mains_{mains}_hz_top_4"] < 5


def test_any_fundamental_counts_and_a_sounding_part_of_two_seconds_is_enough():
    hum = tones([73 * n for n in range(1, 7)], level=0.05)
    hum[: 4 * RATE], hum[7 * RATE :] = 0, 0
    found = measured(hum + noise() / 4)
    assert found["lines.harmonics_4_max"] > 15
    assert found["lines.harmonics_count_max"] >= 5
    swept = 0.1 * np.sin(2 * np.pi * (200 * TIME_S + 20 * TIME_S**2)) + noise() / 4
    assert measured(swept)["lines.harmonics_4_max"] < 6


def test_the_share_of_steady_lines_is_their_energy():
    tone = np.sqrt(2) * 0.1 * np.sin(2 * np.pi * 440 * TIME_S)
    # Noise of the same energy below 1.7 kHz: half of what is looked at is steady, -3 dB.
    even = noise(2) * 8 * 0.1 * np.sqrt(RATE / 2 / 1700)
    assert measured(tone + even)["lines.steady_share_14_db"] == pytest.approx(-3, abs=1)


def test_white_noise_is_flat_within_a_decibel_and_pink_is_not():
    names = [name for name in EVIDENCE_NAMES if "flatness" in name]
    white, brown = measured(noise()), measured(np.cumsum(noise()) / 500)
    assert len(names) == 4
    for name in names:
        assert -np.log(10) / 10 < white[name] <= 0
    assert brown[names[0]] < white[names[0]] - 0.3


@pytest.mark.parametrize("gain", [0.25, 0.037])
def test_the_level_does_not_matter(gain):
    signal = noise() + tones([200, 300])
    signal[5000:5600] = 0
    signal[9000:9100] = 0.1
    signal = signal.astype(np.float32)
    left, right = measured(signal), measured(signal * np.float32(gain))
    for name in EVIDENCE_NAMES:
        assert left[name] == pytest.approx(right[name], abs=0.02), name


def test_channels_are_measured_one_by_one():
    both = np.stack([noise(), np.clip(noise(1), -0.1, 0.1)]).astype(np.float32)
    found = native_evidence(both, RATE)
    assert found.shape == (2, len(EVIDENCE_NAMES))
    np.testing.assert_array_equal(found[::-1], native_evidence(both[::-1], RATE))
    np.testing.assert_array_equal(found[1:], native_evidence(both[1:], RATE))


SQUARE = np.sign(np.sin(np.arange(96_000) * 0.01))


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000])
@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0),
        np.zeros(96_000),
        np.ones(1),
        np.ones(96_000),
        np.array([1e-30, 1.0, -1e30]),
        noise(count=50),
        noise(count=700),
        SQUARE,
        noise(count=96_000) * (SQUARE > 0),
        np.full(96_000, 1e-7),
    ],
)
@pytest.mark.filterwarnings("error")
def test_every_value_is_finite_and_moderate(samples, rate):
    found = native_evidence(np.asarray(samples, np.float32)[None], rate)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 150


def test_the_same_tones_give_alike_lines_at_other_rates():
    from padam.audio.resampling import resample

    hum = (tones([50, 150, 250, 350]) + noise() / 100).astype(np.float32)[None]
    reference = measured(hum[0])
    for rate in (16_000, 44_100, 96_000):
        found = measured(resample(hum, RATE, rate)[0], rate)
        for name in ("lines.mains_50_hz_top_4", "lines.harmonics_4_max"):
            assert found[name] == pytest.approx(reference[name], abs=3), (name, rate)


def test_names_are_unlike_and_the_version_depends_on_them():
    assert len(set(EVIDENCE_NAMES)) == len(EVIDENCE_NAMES)
    assert EVIDENCE_VERSION.startswith("2-")


@pytest.mark.parametrize(
    ("audio", "rate", "message"),
    [
        (np.zeros(10), RATE, "expected .channels, samples."),
        (np.full((1, 10), np.nan), RATE, "NaN or infinite"),
        (np.full((1, 10), np.inf), RATE, "NaN or infinite"),
        (np.zeros((1, 10)), 0, "must be positive"),
    ],
)
def test_bad_input_is_told(audio, rate, message):
    with pytest.raises(ValueError, match=message):
        native_evidence(audio.astype(np.float32), rate)


def syllables(seed=1, count=10 * RATE):
    """Noise whose level comes and goes four times a second, as that of speech does."""
    rise_and_fall = np.exp(1.5 * np.sin(2 * np.pi * 4 * np.arange(count) / RATE))
    return noise(seed, count) * rise_and_fall / 8


def test_the_level_of_noise_fluctuates_as_its_bandwidth_allows_and_that_of_syllables_more():
    still, moved = measured(noise()), measured(syllables())
    for name in ("bands_4_median", "bands_7_median", "high", "low"):
        # log(1 + 0.3) where the standard deviation is the expected one
        assert still[f"steadiness.{name}_second"] < np.log(1.3) + 0.05
        assert moved[f"steadiness.{name}_second"] > np.log(3)
    assert still["steadiness.count_second"] >= 12
    assert moved["steadiness.count_second"] == 0


def test_noise_of_a_second_shows_in_the_steadiest_moment_alone():
    hissing = syllables()
    hissing[4 * RATE : 5 * RATE + RATE // 2] += noise(2, RATE + RATE // 2) * 2
    found = measured(hissing)
    assert found["steadiness.bands_4_second"] < np.log(1.3) + 0.05
    assert found["steadiness.bands_4_median_second"] > np.log(3)


@pytest.mark.parametrize("count", [1, 400, 4000, 20_000])
def test_what_is_shorter_than_the_span_is_not_steady(count):
    found = measured(noise(0, count))
    assert found["steadiness.bands_4_second"] == 3
    assert found["steadiness.count_second"] == 0


def test_a_hum_of_one_and_a_half_seconds_comes_and_goes_among_the_lines():
    humming = noise() / 4
    part = slice(4 * RATE, 5 * RATE + RATE // 2)
    humming[part] += tones([50, 100, 150, 200])[part]
    found, clean, steady = (
        measured(humming),
        measured(noise()),
        measured(noise() / 4 + tones([100])),
    )
    assert found["lines.brief_lines_3_max"] > 10
    assert found["lines.brief_lines_3_range"] > clean["lines.brief_lines_3_range"] + 8
    assert found["lines.switched_lines_mean"] > clean["lines.switched_lines_mean"] + 5
    assert steady["lines.brief_share_range"] < 3 < found["lines.brief_share_range"]
