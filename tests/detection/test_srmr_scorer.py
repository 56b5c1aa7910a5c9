"""SRMR against the values of the reference implementation, and what must hold of it."""

import numpy as np
import pytest

from padam.audio.resampling import resample
from padam.detection.scorers.base import Scorer
from padam.detection.scorers.srmr import SrmrScorer, modulation_ratio

RATE = 16_000


@pytest.mark.parametrize(
    ("name", "plain", "normalised"),
    [("visqol_CA01_01.wav", 12.902, 9.9444), ("visqol_transcoded_CA01_01.wav", 13.105, 8.8630)],
)
def test_the_values_of_the_reference_implementation(conformance, name, plain, normalised):
    speech = resample(*conformance(name), RATE)[0]
    assert modulation_ratio(speech, RATE) == pytest.approx(plain, rel=1e-4)
    assert modulation_ratio(speech, RATE, normalised=True) == pytest.approx(normalised, rel=1e-4)
    # The filters' own envelopes are smoother or rougher than a spectrogram's, and as a rule close.
    assert modulation_ratio(speech, RATE, fast=False) == pytest.approx(plain, rel=0.1)


def modulated_noise(pace_hz, seconds=4.0, rate=RATE):
    rng = np.random.default_rng(3)
    time = np.arange(round(seconds * rate)) / rate
    envelope = 0.5 * (1 + np.sin(2 * np.pi * pace_hz * time))
    return (0.1 * envelope * rng.standard_normal(time.size)).astype(np.float32)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("normalised", [True, False])
def test_the_pace_of_syllables_is_speech_and_roughness_is_not(fast, normalised):
    slow, rough = (
        modulation_ratio(modulated_noise(pace), RATE, fast=fast, normalised=normalised)
        for pace in (5.0, 70.0)
    )
    assert slow > 2 * rough


@pytest.mark.parametrize("fast", [True, False])
def test_an_echoing_room_lowers_it(fast):
    dry = modulated_noise(5.0)
    rng = np.random.default_rng(4)
    decay = np.exp(-6.9 * np.arange(RATE) / RATE)  # 60 dB in a second
    room = np.convolve(dry, decay * rng.standard_normal(RATE))[: dry.size]
    room = (room * 0.3 / np.abs(room).max()).astype(np.float32)
    echoing = modulation_ratio(room, RATE, fast=fast)
    assert echoing < 0.7 * modulation_ratio(dry, RATE, fast=fast)


@pytest.mark.parametrize("fast", [True, False])
def test_a_ratio_does_not_know_the_level(fast):
    signal = modulated_noise(5.0)
    expected = modulation_ratio(signal, RATE, fast=fast)
    assert modulation_ratio(signal / 8, RATE, fast=fast) == pytest.approx(expected, rel=1e-5)


def test_steady_modulation_is_judged_alike_however_long():
    short, long = (modulation_ratio(modulated_noise(5.0, s), RATE) for s in (4.0, 8.0))
    assert short == pytest.approx(long, rel=0.15)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("rate", [8_000, 96_000])
def test_other_rates_are_judged(fast, rate):
    slow, rough = (
        modulation_ratio(modulated_noise(pace, 2.0, rate), rate, fast=fast) for pace in (5.0, 70.0)
    )
    assert slow > 2 * rough > 0


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize(
    "signal",
    [
        np.zeros(2 * RATE, np.float32),
        np.full(2 * RATE, np.nan, np.float32),
        np.append(modulated_noise(5.0), np.float32(np.inf)),
        modulated_noise(5.0, 0.2),
        np.zeros(0, np.float32),
    ],
    ids=["silence", "nan", "infinity", "0.2 s", "nothing"],
)
def test_what_cannot_be_judged_is_nan(signal, fast):
    assert np.isnan(modulation_ratio(signal, RATE, fast=fast))


def test_the_scorer_gives_the_negated_ratio_of_each_channel():
    scorer = SrmrScorer()
    assert isinstance(scorer, Scorer)
    speech, rough = modulated_noise(5.0, 10.0), modulated_noise(70.0, 10.0)
    broken = speech.copy()
    broken[100] = np.nan
    table = scorer.score([np.stack([speech, rough, broken, 0 * speech])])
    assert table["channel"].tolist() == [0, 1, 2, 3]
    assert table["score"][0] == pytest.approx(-modulation_ratio(speech, RATE))
    assert table["score"][1] > table["score"][0]
    assert table["score"].isna().tolist() == [False, False, True, True]
    assert scorer.score([speech[None, : RATE // 5]]).empty


def test_versions_tell_its_variants_apart():
    variants = [SrmrScorer(normalised=n, fast=f).version for n in (0, 1) for f in (0, 1)]
    assert len(set(variants)) == 4
