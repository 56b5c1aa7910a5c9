import numpy as np
import pytest

from padam.quality.crops import most_damaged_window
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


def test_crop_scores_the_damaged_window(speech: Signal, rng: np.random.Generator) -> None:
    second = VisqolV3.sample_rate
    reference = np.tile(speech, 4 * second // speech.size + 1)[: 4 * second]
    degraded = reference.copy()
    damage = 0.05 * rng.standard_normal(second + 2)
    degraded[second - 1 : 2 * second + 1] += damage.astype(np.float32)
    cropped = VisqolV3(crop_s=1.0).score(reference, degraded)
    window = most_damaged_window(reference, degraded, second)
    alone = VisqolV3().score(reference[window], degraded[window])
    # sums depend on where the samples lie in memory, in the last digit
    assert cropped.value == pytest.approx(alone.value, rel=1e-9)
    assert cropped.value < VisqolV3().score(reference, degraded).value
