"""Essentia's detectors as a scorer: each finds what it is for."""

import sys

import numpy as np
import pytest

from padam.detection.scorers import essentia_detectors
from padam.detection.scorers.base import Scorer
from padam.detection.scorers.essentia_detectors import EssentiaMissingError, EssentiaScorer

RATE = 48_000


@pytest.fixture(scope="module")
def programme():
    """10 s of rising and falling noise under a chord, peak 0.5."""
    rng = np.random.default_rng(0)
    time = np.arange(10 * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * f * time) for f in (440, 660, 1320)) / 12
    noise = 0.01 * rng.standard_normal(time.size)
    signal = (chord + noise) * (1.1 + np.sin(2 * np.pi * 0.3 * time)) / 2
    return (0.5 * signal / np.abs(signal).max()).astype(np.float32)


def test_without_essentia_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "essentia", None)
    with pytest.raises(EssentiaMissingError, match=r"padam\[essentia\]"):
        EssentiaScorer()


def test_a_rate_that_is_none_is_refused():
    with pytest.raises(ValueError, match="sample_rate 0"):
        EssentiaScorer(0)


@pytest.fixture(scope="module")
def scorer():
    pytest.importorskip("essentia", reason="the extra `essentia` is not installed")
    return EssentiaScorer(RATE)


def clicks(signal):
    signal[np.arange(1, 13) * 37_000] += 0.5
    return "clicks", 12


def gaps(signal):
    for start in (100_000, 200_000, 300_000):
        signal[start : start + 2400] = 0
    return "gaps", 3


def steps(signal):
    time = np.arange(signal.size) / RATE
    signal[:] = 0.4 * np.sin(2 * np.pi * 100 * time)
    for start in (100_123, 200_321, 300_231):
        signal[start:] = np.roll(signal, 199)[start:]
    return "discontinuities", 3


def hum(signal):
    signal += (0.05 * np.sin(2 * np.pi * 50 * np.arange(signal.size) / RATE)).astype(np.float32)
    return "hum", 4


def saturation(signal):
    np.clip(8 * signal, -0.99, 0.99, out=signal)
    return "saturation", 100


def bursts(signal):
    rng = np.random.default_rng(1)
    signal[200_000:200_400] += 0.3 * rng.standard_normal(400).astype(np.float32)
    return "noise_bursts", 1


@pytest.mark.parametrize("damage", [clicks, gaps, steps, hum, saturation, bursts])
def test_each_detector_finds_what_it_is_for(scorer, programme, damage):
    damaged = programme.copy()
    detector, least = damage(damaged)
    table = scorer.score([np.stack([programme, damaged])])
    clean, found = table[f"found_{detector}"]
    assert clean < least / 4 or clean == 0
    assert found >= least / 2  # none of them claims to miss nothing
    assert table["score"][1] > table["score"][0]
    columns = [f"found_{name}" for name in essentia_detectors.DETECTORS]
    np.testing.assert_allclose(table["score"], np.log1p(table[columns]).sum(axis=1))


def test_what_cannot_be_judged_is_nan_and_does_not_hang(scorer, programme):
    assert isinstance(scorer, Scorer)
    broken, infinite = programme.copy(), programme.copy()
    broken[::7] = np.nan
    infinite[3] = -np.inf
    rows = np.stack([np.zeros_like(programme), broken, infinite, programme])
    table = scorer.score([rows])
    assert table["score"].isna().tolist() == [True, True, True, False]
    assert table["found_hum"].isna().tolist() == [True, True, True, False]


@pytest.mark.parametrize("rate", [8_000, 96_000])
def test_other_rates_and_lengths(scorer, rate):
    other = EssentiaScorer(rate)
    noise = np.random.default_rng(0).standard_normal((1, 3 * rate)).astype(np.float32) / 10
    assert other.score([noise[:, : rate // 5]]).empty
    damaged = noise.copy()
    damaged[0, rate : rate + rate // 20] = 0
    assert np.isfinite(other.score([noise])["score"]).all()
    assert other.score([damaged])["found_gaps"][0] > other.score([noise])["found_gaps"][0]
