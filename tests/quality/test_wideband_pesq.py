import numpy as np
import pytest

from padam.quality import wideband_pesq
from padam.quality.wideband_pesq import WidebandPesq
from tests.quality.conftest import speech_like


def test_an_undamaged_signal_reaches_the_top_of_the_scale(rng: np.random.Generator) -> None:
    speech = speech_like(rng, 3.0, 16000)
    # P.862.2 maps the raw maximum 4.5 to 4.64
    assert WidebandPesq().score(speech, speech).value == pytest.approx(4.64, abs=0.01)


def test_noise_lowers_the_score(rng: np.random.Generator) -> None:
    speech = speech_like(rng, 3.0, 16000)
    noise = rng.standard_normal(speech.size)
    little, much = (
        WidebandPesq().score(speech, (speech + level * noise).astype(np.float32)).value
        for level in (0.003, 0.1)
    )
    assert 1.0 <= much < little < 4.64


@pytest.mark.parametrize("answer", [-1.0, float("nan")])
def test_no_utterance_is_missing_not_a_number(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, answer: float
) -> None:
    monkeypatch.setattr(wideband_pesq, "pesq", lambda *_, **__: answer)
    speech = speech_like(rng, 1.0, 16000)
    score = WidebandPesq().score(speech, speech)
    assert np.isnan(score.value)
    assert score.reason == "PESQ found no utterance"
