import numpy as np
import pytest

from padam.quality.base import Metric
from padam.quality.guards import unscorable_channel, unsound_samples
from padam.quality.registry import METRIC_NAMES, create_metric

RATE = 16000


def tone(seconds: float, amplitude: float = 0.3) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


def test_sound_audio_passes() -> None:
    assert unscorable_channel(tone(1.0), RATE) is None
    assert unscorable_channel(tone(0.5, amplitude=1.0), RATE) is None


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        (tone(0.2), "0.20 s is shorter than 0.5 s"),
        (np.zeros(0, np.float32), "shorter"),
        (np.zeros(RATE, np.float32), "silent"),
        (tone(1.0, amplitude=1e-5), "silent"),
        (tone(1.0, amplitude=1.5), "over 1.0"),
        (np.full(RATE, np.nan, np.float32), "NaN"),
        (np.full(RATE, np.inf, np.float32), "NaN or infinite"),
    ],
)
def test_bad_audio_is_named(signal: np.ndarray, words: str) -> None:
    assert words in (unscorable_channel(signal, RATE) or "")


def test_unsound_samples_looks_at_every_channel() -> None:
    audio = np.stack([tone(1.0), tone(1.0)])
    audio[1, 5] = np.nan
    assert "NaN" in (unsound_samples(audio) or "")


@pytest.mark.parametrize("name", METRIC_NAMES)
@pytest.mark.parametrize("broken", ["nan", "silent", "short", "loud"])
def test_no_metric_scores_a_broken_degraded_channel(name: str, broken: str) -> None:
    metric: Metric = create_metric(name)
    reference = np.resize(tone(1.0), metric.sample_rate)
    degraded = {
        "nan": np.full_like(reference, np.nan),
        "silent": np.zeros_like(reference),
        "short": reference[: metric.sample_rate // 5],
        "loud": 4 * reference,
    }[broken]
    score = metric.score(reference, degraded)
    assert np.isnan(score.value)
    assert score.reason is not None
    assert score.reason.startswith("degraded: ")


@pytest.mark.parametrize("name", ["cdpam", "pesq", "visqol"])
def test_a_silent_reference_is_named(name: str) -> None:
    metric = create_metric(name)
    degraded = np.resize(tone(1.0), metric.sample_rate)
    score = metric.score(np.zeros_like(degraded), degraded)
    assert np.isnan(score.value)
    assert score.reason is not None
    assert score.reason.startswith("reference: ")
