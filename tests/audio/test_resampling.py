import numpy as np
import pytest

from padam.audio.resampling import resample, resample_blocks
from tests.audio.signals import sine


@pytest.mark.parametrize("samples", [0, 1, 2, 7, 1000, 48001])
@pytest.mark.parametrize(
    ("from_rate", "to_rate"),
    [(48000, 16000), (48000, 44100), (44100, 48000), (16000, 48000), (48000, 22050), (97, 100)],
)
def test_length_is_exact(samples, from_rate, to_rate):
    converted = resample(np.ones((2, samples), np.float32), from_rate, to_rate)
    assert converted.shape == (2, round(samples * to_rate / from_rate))
    assert converted.dtype == np.float32


@pytest.mark.parametrize(("from_rate", "to_rate"), [(48000, 16000), (44100, 48000), (16000, 48000)])
@pytest.mark.parametrize("quality", ["HQ", "VHQ"])
def test_a_sine_stays_the_same_sine(from_rate, to_rate, quality):
    converted = resample(sine(from_rate, 997, 1.0, 0.5), from_rate, to_rate, quality)
    expected = sine(to_rate, 997, 1.0, 0.5)
    middle = slice(to_rate // 10, -to_rate // 10)
    assert np.abs(converted - expected)[:, middle].max() < 1e-5


def test_what_lies_above_the_new_band_does_not_alias():
    converted = resample(sine(48000, 11000, 1.0), 48000, 16000)
    assert 20 * np.log10(np.abs(converted[:, 1600:-1600]).max()) < -120


def test_channels_do_not_mix_and_the_same_rate_is_a_copy():
    audio = np.concatenate([sine(48000, 500, 0.1), np.zeros((1, 4800), np.float32)])
    assert not resample(audio, 48000, 16000)[1].any()
    same = resample(audio, 48000, 48000)
    assert np.array_equal(same, audio)
    assert same is not audio


@pytest.mark.parametrize("rates", [(0, 16000), (48000, -1)])
def test_rates_must_be_positive(rates):
    with pytest.raises(ValueError, match="positive"):
        resample(np.zeros((1, 10), np.float32), *rates)


@pytest.mark.parametrize(("from_rate", "to_rate"), [(48000, 16000), (44100, 16000), (8000, 16000)])
def test_blocks_are_converted_as_the_whole(from_rate, to_rate):
    audio = np.random.default_rng(0).standard_normal((2, 30011)).astype(np.float32)
    cuts = [0, 1, 700, 700, 9000, 30010]
    blocks = np.split(audio, cuts, axis=1)
    joined = np.concatenate(list(resample_blocks(blocks, from_rate, to_rate)), axis=1)
    assert joined.shape == (2, round(30011 * to_rate / from_rate))
    np.testing.assert_allclose(joined, resample(audio, from_rate, to_rate), atol=1e-5)


def test_blocks_at_the_same_rate_pass_and_none_give_none():
    block = np.ones((1, 7), np.float32)
    assert next(resample_blocks([block], 16000, 16000)) is block
    assert list(resample_blocks([], 48000, 16000)) == []
    with pytest.raises(ValueError, match="positive"):
        list(resample_blocks([block], 0, 16000))
