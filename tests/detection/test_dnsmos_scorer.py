"""DNSMOS as a scorer: its sign, its channels, and what it cannot judge."""

import numpy as np
import pytest

from padam.audio.resampling import resample
from padam.detection.scorers.base import Scorer
from padam.detection.scorers.dnsmos import DnsmosScorer
from padam.quality.dnsmos import rate_speech

RATE = 16_000


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    t = np.arange(10 * RATE) / RATE
    # A buzz with the pace of syllables is no speech, but far closer to it than noise.
    voice = np.sign(np.sin(2 * np.pi * 130 * t)) * np.clip(np.sin(2 * np.pi * 3 * t), 0, 1)
    voice = 0.1 * voice
    noisy = voice + 0.2 * rng.standard_normal(len(t))
    audio = np.stack([voice, noisy, np.zeros_like(voice)]).astype(np.float32)
    return DnsmosScorer().score([audio])


def test_it_is_a_scorer_with_the_worse_channel_higher(scores):
    assert isinstance(DnsmosScorer(), Scorer)
    voice, noisy, _ = scores["score"]
    assert -5 <= voice < noisy <= -1 or -5 <= voice <= -1
    assert noisy > voice


def test_silence_is_unscored_not_clean(scores):
    assert np.isnan(scores["score"].iloc[2])


def test_a_whole_segment_is_rated_as_the_metric_rates_it(conformance):
    speech = resample(*conformance("visqol_CA01_01.wav"), RATE)[0]
    segment = np.resize(speech, 10 * RATE).astype(np.float32)
    table = DnsmosScorer().score([segment[None, : 7 * RATE], segment[None, 7 * RATE :]])
    assert table["score"].tolist() == pytest.approx([-rate_speech(segment)["ovrl"]], abs=1e-6)
