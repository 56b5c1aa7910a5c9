import numpy as np
import pytest

from padam.defects.registry import DEFECT_NAMES
from padam.training.degradations import (
    Degradation,
    DegradationWorkflow,
    degraded_versions,
)

RATE = 48_000
NO_CODEC = {"source_encode_probability": 0.0, "transcode_probability": 0.0}
CLEAN = Degradation((), (0,))


def content(seed=0, seconds=1.6):
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    tones = sum(np.sin(2 * np.pi * f * time + f) for f in rng.uniform(80, 6000, 12))
    return (0.03 * tones * (1.1 + np.sin(2 * np.pi * 3 * time)))[None].astype(np.float32)


def versions(audio, *degradations, seed=0, **changes):
    workflow = DegradationWorkflow(**(NO_CODEC | changes))
    return degraded_versions(audio, degradations, np.random.default_rng(seed), workflow)


def test_a_clean_version_has_no_truth_and_the_drawn_level():
    clean, again = versions(content(), CLEAN, CLEAN, peak_db=(-20.0, -20.0))
    assert clean.audio.shape == (25_600,)
    assert clean.truth.shape == (4, 7)
    assert not clean.truth.any()
    assert 20 * np.log10(np.abs(clean.audio).max()) == pytest.approx(-20, abs=1.0)  # resampled
    np.testing.assert_array_equal(clean.audio, again.audio)


@pytest.mark.parametrize("name", DEFECT_NAMES)
def test_every_defect_is_heard_where_it_is_and_nowhere_else(name):
    heard = 0
    for seed in range(6):
        clean, bad = versions(content(seed), CLEAN, Degradation((name,), (seed,)), seed=seed)
        number = DEFECT_NAMES.index(name)
        assert not np.delete(bad.truth, number, axis=1).any()
        difference = (bad.audio - clean.audio).reshape(4, -1)
        level = np.abs(clean.audio).max()
        for window, truth in zip(difference, bad.truth[:, number], strict=True):
            heard += truth
            # -30 dB of a frame is heard; the resampling filter spreads a little to its neighbours
            assert truth or np.abs(window).max() < 0.3 * level
            assert not truth or np.abs(window).max() > 1e-4
    assert heard >= 6


def test_one_seed_is_one_kind_strength_and_place_over_any_content():
    place = {"whole_probability": 0.0, "min_duration_s": 0.4, "min_sustained_s": 0.4}
    for seed in range(8):
        degradation = Degradation(("hiss",), (seed,))
        (first,) = versions(content(1), degradation, seed=1, placement=place)
        (second,) = versions(content(2), degradation, seed=2, placement=place)
        np.testing.assert_array_equal(first.truth, second.truth)


def test_noise_of_one_seed_differs_from_content_to_content():
    whole = {"whole_probability": 1.0}
    degradation, noises = Degradation(("hiss",), (3,)), []
    for seed in (1, 2):
        clean, noisy = versions(content(), CLEAN, degradation, seed=seed, placement=whole)
        noises.append(
            noisy.audio / np.abs(noisy.audio).max() - clean.audio / np.abs(clean.audio).max()
        )
    assert abs(np.corrcoef(noises)[0, 1]) < 0.9


def test_codecs_belong_to_the_content_not_to_the_degradation():
    # packet loss needs a stream, through which the clean version of the content goes as well
    clean, lost = versions(content(), CLEAN, Degradation(("packet_loss",), (1,)))
    (plain,) = versions(content(), CLEAN)
    scale = np.abs(clean.audio).max() / np.abs(plain.audio).max()
    assert np.abs(clean.audio - scale * plain.audio).max() > 1e-4
    before = np.flatnonzero(lost.truth.any(1))[:1]
    assert before.size == 1


def test_silence_stays_clean():
    silent = np.zeros((1, RATE), dtype=np.float32)
    (found,) = versions(silent, Degradation(("hum", "clicks"), (0,)))
    assert not found.truth.any()
    assert not found.audio.any()


def test_what_lies_above_8_khz_is_not_heard():
    ranges = {"hiss": {"highpass": (0.49, 0.5), "beta": (-2.0, -2.0), "snr_db": (50.0, 55.0)}}
    (found,) = versions(content(), Degradation(("hiss",), (0,)), ranges=ranges)
    assert not found.truth.any()


def test_nothing_leaves_full_scale():
    for seed in range(4):
        both = versions(
            content(seed), Degradation(("hum", "hiss"), (seed,)), CLEAN, peak_db=(-1.0, -1.0)
        )
        assert all(np.abs(version.audio).max() <= 1.0 for version in both)
