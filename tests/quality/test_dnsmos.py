import sys

import numpy as np
import pytest

from padam.quality.dnsmos import Dnsmos, rate_speech
from tests.quality.conftest import speech_like


def test_the_reference_is_not_used(rng: np.random.Generator) -> None:
    speech = speech_like(rng, 3.0, 16000)
    silence = np.zeros_like(speech)
    assert Dnsmos().score(silence, speech) == Dnsmos().score(speech, speech)


def test_a_short_signal_is_repeated(rng: np.random.Generator) -> None:
    speech = speech_like(rng, 5.0, 16000)
    assert rate_speech(speech) == rate_speech(np.concatenate([speech, speech]))


def test_a_long_signal_is_the_mean_of_its_windows(rng: np.random.Generator) -> None:
    speech = speech_like(rng, 11.0, 16000)
    window = int(9.01 * 16000)
    # 11 s hold 2 windows, a second apart, in the published count
    alone = [rate_speech(speech[start : start + window])["ovrl"] for start in (0, 16000)]
    assert rate_speech(speech)["ovrl"] == pytest.approx(np.mean(alone), abs=1e-4)


def test_an_empty_signal_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        rate_speech(np.zeros(0, np.float32))


def test_the_package_is_not_imported() -> None:
    assert "speechmos" not in sys.modules
