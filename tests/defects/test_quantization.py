from collections import Counter
from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.signal import welch

from padam.defects.base import WHOLE, UndrawableDefectError
from padam.defects.interval import Interval
from padam.defects.quantization import Quantization, QuantizationParams, QuantizationRanges
from tests.defects.conftest import RATE


def params(bits, dither="none", noise_shaping=False):
    return QuantizationParams(
        interval=Interval(start_s=0, duration_s=4),
        channels=(0,),
        bits=bits,
        dither=dither,
        noise_shaping=noise_shaping,
        seed=1,
    )


@pytest.fixture(scope="module")
def sweep():
    """Every amplitude in [-1, 1], slowly."""
    return np.sin(np.linspace(0, 40 * np.pi, 4 * RATE, dtype=np.float64))[None].astype(np.float32)


@pytest.mark.parametrize(("bits", "levels"), [(4, 9), (6, 33), (8, 129)])
def test_the_number_of_levels_is_2_to_the_b_half_plus_1(sweep, bits, levels):
    values = np.unique(Quantization().apply(sweep, RATE, params(bits)))
    assert len(values) == levels
    assert values[[0, -1]].tolist() == [-1, 1]
    assert 0 in values, "mid-tread has a level at zero"
    assert np.ptp(np.diff(values)) == 0


@pytest.mark.parametrize("bits", [4, 6, 8])
@pytest.mark.parametrize("dither", ["none", "rpdf", "tpdf"])
@pytest.mark.parametrize("noise_shaping", [False, True])
def test_every_option_keeps_to_the_levels(sweep, bits, dither, noise_shaping):
    values = np.unique(Quantization().apply(sweep, RATE, params(bits, dither, noise_shaping)))
    grid = np.linspace(-1, 1, 2**bits // 2 + 1)
    assert np.isin(values, grid.astype(np.float32)).all()
    assert len(values) == len(grid)


@pytest.mark.parametrize("bits", [4, 6, 8])
def test_silence_stays_silent_without_dither(bits):
    quiet = np.full((1, 4 * RATE), 0.4 * 4 / 2**bits, dtype=np.float32)
    assert (Quantization().apply(quiet, RATE, params(bits)) == 0).all()


def test_the_error_is_half_a_step_at_most(sweep):
    error = Quantization().apply(sweep, RATE, params(6)) - sweep
    assert np.abs(error).max() == pytest.approx(0.5 / 16, rel=1e-3)


@pytest.mark.parametrize(("dither", "variance"), [("rpdf", 1 / 6), ("tpdf", 1 / 4)])
def test_dither_has_its_known_variance_and_frees_the_mean(dither, variance):
    """Total error in steps²: 1/12 rounding + 1/12 per uniform source (tpdf: 1/4 at any input)."""
    step = 4 / 2**6
    level = 0.25 * step
    audio = np.full((1, 4 * RATE), level, dtype=np.float32)
    error = (Quantization().apply(audio, RATE, params(6, dither)) - audio) / step
    assert error.mean() == pytest.approx(0, abs=0.01)
    if dither == "tpdf":
        assert error.var() == pytest.approx(variance, rel=0.02)
    else:
        # 0.25 of a step: up with probability 1/4
        assert error.var() == pytest.approx(0.25 * 0.75, rel=0.02)


def steps_and_error(dither, noise_shaping=False, bits=6, seed=7):
    """Gaussian input well below full scale, and the error it gets, both in steps."""
    rng = np.random.default_rng(seed)
    audio = (0.1 * rng.standard_normal((1, 4 * RATE))).astype(np.float32)
    degraded = Quantization().apply(audio, RATE, params(bits, dither, noise_shaping))
    step = 4 / 2**bits
    return audio[0].astype(float) / step, (degraded[0].astype(float) - audio[0]) / step


@pytest.mark.parametrize(
    ("dither", "variance", "peak"),
    [("none", 1 / 12, 0.5), ("rpdf", 1 / 6, 1.0), ("tpdf", 1 / 4, 1.5)],
)
def test_error_of_each_dither_over_all_inputs(dither, variance, peak):
    """Lipshitz, Wannamaker, Vanderkooy 1992: 1/12 of a step² and as much per uniform source."""
    _, error = steps_and_error(dither)
    assert error.mean() == pytest.approx(0, abs=0.01)
    assert error.var() == pytest.approx(variance, rel=0.02)
    assert 0.95 * peak < np.abs(error).max() <= peak + 1e-6


def test_rpdf_frees_the_mean_of_the_error_from_the_signal_and_tpdf_its_variance_too():
    """Mean and variance of the error where the input lies a given part of a step over a level."""
    offsets = np.arange(8) / 8
    moments = {}
    for dither in ("none", "rpdf", "tpdf"):
        steps, error = steps_and_error(dither)
        part = np.floor((steps - np.floor(steps)) * 8).astype(int)
        moments[dither] = np.array(
            [[error[part == p].mean(), error[part == p].var()] for p in range(8)]
        )
    assert np.ptp(moments["none"][:, 0]) > 0.8, "without dither the error is the signal's own"
    for dither in ("rpdf", "tpdf"):
        assert np.abs(moments[dither][:, 0]).max() < 0.02
    expected = (offsets + 1 / 16) * (15 / 16 - offsets)  # RPDF: up or down, p(1 - p)
    assert moments["rpdf"][:, 1] == pytest.approx(expected, abs=0.02)
    assert moments["tpdf"][:, 1] == pytest.approx(np.full(8, 1 / 4), abs=0.02)


@pytest.mark.parametrize("noise_shaping", [False, True])
def test_with_tpdf_the_error_is_uncorrelated_with_signal_and_its_power(noise_shaping):
    steps, error = steps_and_error("tpdf", noise_shaping)
    assert abs(np.corrcoef(steps, error)[0, 1]) < 0.01
    assert abs(np.corrcoef(steps**2, error**2)[0, 1]) < 0.01
    fraction = np.cos(2 * np.pi * steps)
    assert abs(np.corrcoef(fraction, error**2)[0, 1]) < 0.01


def test_a_tone_below_half_a_step_is_lost_without_dither_and_kept_with_it():
    time = np.arange(4 * RATE) / RATE
    tone = (0.4 * 4 / 2**6 * np.sin(2 * np.pi * 440 * time))[None].astype(np.float32)

    def gain(dither):
        degraded = Quantization().apply(tone, RATE, params(6, dither))
        return float(degraded[0] @ tone[0] / (tone[0] @ tone[0]))

    assert gain("none") == 0
    assert gain("rpdf") == pytest.approx(1, abs=0.03)
    assert gain("tpdf") == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("dither", ["none", "rpdf", "tpdf"])
def test_shaped_error_has_the_spectrum_of_first_order_feedback(dither):
    """Power |1 - exp(-iω)|² = 4 sin²(ω/2) times that of the white error before shaping."""
    variance = {"none": 1 / 12, "rpdf": 1 / 6, "tpdf": 1 / 4}[dither]
    _, error = steps_and_error(dither, noise_shaping=True)
    frequency, power = welch(error, RATE, nperseg=1024)
    white = variance / (RATE / 2)
    expected = white * 4 * np.sin(np.pi * frequency / RATE) ** 2
    bands = [(500, 2000), (3000, 6000), (7500, 8500), (12000, 16000), (20000, 24000)]
    for low, high in bands:
        band = (frequency >= low) & (frequency < high)
        ratio_db = 10 * np.log10(power[band].mean() / expected[band].mean())
        assert ratio_db == pytest.approx(0, abs=0.3)
    assert error.var() == pytest.approx(2 * variance, rel=0.02)


def test_noise_shaping_moves_the_error_up(sweep):
    music_like = 0.3 * sweep + 0.01 * np.random.default_rng(0).standard_normal(sweep.shape).astype(
        np.float32
    )

    def low_and_high(shaping):
        drawn = params(6, "tpdf", shaping)
        error = (Quantization().apply(music_like, RATE, drawn) - music_like)[0]
        frequency, power = welch(error.astype(float), RATE, nperseg=4096)
        return power[frequency < 2000].mean(), power[frequency > 20000].mean()

    flat, shaped = low_and_high(False), low_and_high(True)
    assert shaped[0] < 0.1 * flat[0]
    assert shaped[1] > 2 * flat[1]


def test_shaped_output_equals_the_recursion_it_stands_for():
    rng = np.random.default_rng(0)
    audio = (0.3 * rng.standard_normal((1, 500))).astype(np.float32).clip(-0.8, 0.8)
    expected, error = [], 0.0
    for sample in audio[0].astype(float) * 16:
        wanted = sample - error
        level = np.rint(wanted)
        error = level - wanted
        expected.append(level / 16)
    shaped = Quantization().apply(audio, RATE, params(6, noise_shaping=True))[0]
    assert np.mean(shaped == np.array(expected, dtype=np.float32)) > 0.99


@pytest.mark.parametrize("noise_shaping", [False, True])
@pytest.mark.parametrize("dither", ["rpdf", "tpdf"])
def test_the_seed_alone_decides_the_dither(sweep, dither, noise_shaping):
    first, again, other = (
        Quantization().apply(
            sweep, RATE, params(6, dither, noise_shaping).model_copy(update={"seed": seed})
        )
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_channels_are_dithered_independently():
    audio = np.full((2, 4 * RATE), 0.3, dtype=np.float32)
    drawn = params(4, "tpdf").model_copy(update={"channels": (0, 1)})
    error = Quantization().apply(audio, RATE, drawn) - audio
    assert abs(np.corrcoef(error)[0, 1]) < 0.01


def test_what_would_leave_silence_is_not_drawn():
    quiet = (0.01 * np.sin(np.arange(2 * RATE) / 20))[None].astype(np.float32)
    plain = QuantizationRanges(bits=(4,), dithers=("none",), noise_shaping_probability=0)
    with pytest.raises(UndrawableDefectError, match="4 bits would leave silence"):
        Quantization().draw(np.random.default_rng(0), quiet, RATE, plain, WHOLE)
    finer = plain.model_copy(update={"bits": (8,)})
    Quantization().draw(np.random.default_rng(0), quiet, RATE, finer, WHOLE)


def test_draws_hold_every_option_of_the_paper(sweep):
    rng = np.random.default_rng(0)
    drawn = [Quantization().draw(rng, sweep, RATE, QuantizationRanges()) for _ in range(200)]
    options = Counter((d.bits, d.dither, d.noise_shaping) for d in drawn)
    assert set(options) == set(product((4, 6, 8), ("none", "rpdf", "tpdf"), (False, True)))


@pytest.mark.parametrize("bits", [(), (1,), (24,)])
def test_depths_that_make_no_sense_are_refused(bits):
    with pytest.raises(ValidationError, match="at least one of 2 to 16"):
        QuantizationRanges(bits=bits)
