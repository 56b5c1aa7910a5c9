import numpy as np
import pytest

from padam.quality.visqol_v3 import VisqolV3

Signal = np.ndarray


def test_an_undamaged_signal_is_near_the_top(speech: Signal) -> None:
    assert VisqolV3().score(speech, speech).value == pytest.approx(4.73, abs=0.05)


def test_noise_lowers_the_score(speech: Signal, rng: np.random.Generator) -> None:
    noisy = (speech + 0.05 * rng.standard_normal(speech.size)).astype(np.float32)
    assert VisqolV3().score(speech, noisy).value < 4.5


def test_too_few_patches_are_missing_not_an_error(
    speech: Signal, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Engine:
        def measure_from_arrays(self, *_: object, **__: object) -> None:
            raise ValueError("no patches")

    monkeypatch.setattr("padam.quality.visqol_v3._engine", lambda mode: Engine())
    score = VisqolV3().score(speech, speech)
    assert np.isnan(score.value)
    assert score.reason == "ViSQOL: no patches"
