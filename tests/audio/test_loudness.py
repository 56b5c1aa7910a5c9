import numpy as np
import pytest

from padam.audio.loudness import integrated_loudness_lufs, normalise_loudness
from tests.audio.signals import programme, sine


@pytest.mark.parametrize("rate", [48000, 44100])
def test_full_scale_sine_in_one_channel(rate):
    """ITU-R BS.1770-4: 0 dB FS at 997 Hz in one front channel reads -3.01 LKFS."""
    tone = sine(rate, 997, 5.0)
    assert integrated_loudness_lufs(tone, rate) == pytest.approx(-3.01, abs=0.05)
    left_only = np.concatenate([tone, np.zeros_like(tone)])
    assert integrated_loudness_lufs(left_only, rate) == pytest.approx(-3.01, abs=0.05)
    both = np.concatenate([tone, tone])
    assert integrated_loudness_lufs(both, rate) == pytest.approx(0.0, abs=0.05)


def test_surround_channels_weigh_more():
    """BS.1770-4, table 3: 1.41 (+1.5 dB) at the sides."""
    five = np.zeros((5, 48000 * 2), np.float32)
    five[3] = sine(48000, 997, 2.0)[0]
    assert integrated_loudness_lufs(five, 48000) == pytest.approx(-3.01 + 1.5, abs=0.05)


def test_silence_between_is_gated_out():
    tone = sine(48000, 997, 4.0, 0.1)
    paused = np.concatenate([tone, np.zeros_like(tone)], axis=1)
    assert integrated_loudness_lufs(paused, 48000) == pytest.approx(-23.01, abs=0.3)


def test_silence_has_no_loudness_and_is_left_alone():
    silent = np.zeros((2, 48000), np.float32)
    assert integrated_loudness_lufs(silent, 48000) == -np.inf
    assert not normalise_loudness(silent, 48000, -23.0).any()
    assert integrated_loudness_lufs(np.zeros((1, 0), np.float32), 48000) == -np.inf


def test_short_audio_is_measured_over_one_block():
    assert np.isfinite(integrated_loudness_lufs(sine(48000, 997, 0.1), 48000))


@pytest.mark.parametrize("target", [-23.0, -31.0])
def test_normalising_lands_on_the_target(target):
    audio = programme(48000, 5.0)
    result = normalise_loudness(audio, 48000, target)
    assert integrated_loudness_lufs(result, 48000) == pytest.approx(target, abs=0.01)
    assert np.allclose(result / audio, (result / audio)[0, 0], rtol=1e-4)


def test_too_many_channels_are_refused():
    with pytest.raises(ValueError, match="6 channels"):
        integrated_loudness_lufs(np.zeros((6, 48000), np.float32), 48000)
