import numpy as np
import pytest
from pydantic import ValidationError
from scipy.signal import welch

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


@pytest.mark.parametrize("bits", [(), (1,), (24,)])
def test_depths_that_make_no_sense_are_refused(bits):
    with pytest.raises(ValidationError, match="at least one of 2 to 16"):
        QuantizationRanges(bits=bits)
