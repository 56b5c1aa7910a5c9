"""Localisation: the right windows are measured once, in the streaming order, and no others."""

import numpy as np
import pandas as pd
import pytest

from padam.detection import localisation
from padam.detection.localisation import COLUMNS, Localisation
from padam.models.native_evidence.windows import evidence_windows

RATE = 4_000
LENGTH = 10 * RATE
THRESHOLD = 0.6


class Stub:
    """Stands for a localiser: tells the loudness, and which windows it was shown."""

    def __init__(self):
        self.heard = []

    def probabilities(self, windows, heard):
        self.heard.append(heard.reshape(len(heard), 3, 25).all(axis=2))
        return np.where(heard, np.clip(1 + windows[:, :, -1] / 100, 0, 1), np.nan)


def localised(audio, scores, stub=None, threshold=THRESHOLD):
    """audio (S, C, samples), scores (S, C) → evidence (S, C, 25)."""
    run = Localisation(stub or Stub(), threshold, RATE)
    for samples, values in zip(audio, scores, strict=True):
        run.add(samples, values)
    scores = np.asarray(scores, dtype=float)
    table = pd.DataFrame({"score": scores.ravel()}, index=np.arange(scores.size))
    found = run.finish(table)
    assert list(found.columns) == ["score", *COLUMNS]
    return found[COLUMNS].to_numpy().reshape(*scores.shape, 25)


def noise(segments, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    level = 10 ** rng.uniform(-3, -1, (segments, channels, 25, 1))
    audio = level * rng.uniform(-1, 1, (segments, channels, 25, LENGTH // 25))
    return audio.reshape(segments, channels, LENGTH).astype(np.float32)


def test_flagged_segments_and_those_beside_them_are_looked_at_each_channel_by_itself():
    scores = np.array([[0.1, 0.9, 0.1, 0.1, 0.1, 0.7], [0.1, 0.1, 0.1, 0.1, 0.6, 0.1]]).T
    stub = Stub()
    found = localised(noise(6, 2), scores, stub)
    np.testing.assert_array_equal(
        np.isfinite(found).all(axis=2).T,
        [[True, True, True, False, True, True], [False, False, False, True, True, True]],
    )
    np.testing.assert_array_equal(np.isfinite(found).any(axis=2), np.isfinite(found).all(axis=2))
    shown = np.concatenate(stub.heard)
    # beside the first, the third (its right is not measured) and the last there is nothing
    assert shown.tolist()[:3] == [[False, True, True], [True, True, True], [True, True, False]]


def test_evidence_is_that_of_the_whole_title_on_the_scale_of_the_score():
    audio = noise(4)
    found = localised(audio, np.full((4, 1), 0.9), threshold=0.6)
    title = audio[:, 0].reshape(1, -1)
    loudness = np.clip(1 + evidence_windows(title, RATE)[0, :, -1] / 100, 0, 1)
    # 0 on 0, 0.6 on the threshold, which is 0.6 here, and 1 on 1
    expected = loudness
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-6)


def test_the_threshold_is_reached_where_the_localiser_decides():
    audio = noise(2)
    loudness = localised(audio, np.full((2, 1), 0.9), threshold=0.6)
    found = localised(audio, np.full((2, 1), 0.9), threshold=0.3)
    above = loudness >= 0.6
    np.testing.assert_allclose(found[~above], loudness[~above] / 2)
    np.testing.assert_allclose(1 - found[above], (1 - loudness[above]) * 0.7 / 0.4)
    assert above.any()
    assert not above.all()


@pytest.mark.parametrize("threshold", [0.0, 1.0, np.nan])
def test_thresholds_that_flag_all_or_nothing(threshold):
    found = localised(noise(3), [[0.2], [1.0], [0.0]], threshold=threshold)
    assert np.isfinite(found).all(axis=(1, 2)).tolist() == {
        0.0: [True] * 3,
        1.0: [True] * 3,  # beside the one
    }.get(threshold, [False] * 3)


def test_segments_that_could_not_be_judged_are_left_out_and_part_the_others():
    stub = Stub()
    found = localised(noise(3), [[0.9], [np.nan], [0.9]], stub)
    assert np.isfinite(found).all(axis=(1, 2)).tolist() == [True, False, True]
    assert np.concatenate(stub.heard).tolist() == [[False, True, False]] * 2
    assert np.isnan(localised(noise(2), [[np.nan], [np.nan]])).all()


def test_a_title_of_one_segment_or_none():
    assert np.isfinite(localised(noise(1), [[0.9]])).all()
    assert np.isnan(localised(noise(1), [[0.1]])).all()
    run = Localisation(Stub(), THRESHOLD, RATE)
    empty = run.finish(pd.DataFrame({"score": []}))
    assert list(empty.columns) == ["score", *COLUMNS]
    assert empty.empty


def test_only_what_is_looked_at_is_measured_and_no_audio_is_kept(monkeypatch):
    measured = []

    def counted(audio, *others):
        measured.append(len(audio))
        return evidence_windows(audio, *others)

    monkeypatch.setattr(localisation, "evidence_windows", counted)
    scores = np.zeros((12, 2))
    scores[5, 1] = 1
    run = Localisation(Stub(), THRESHOLD, RATE)
    for samples, values in zip(noise(12, 2), scores, strict=True):
        run.add(samples, values)
        kept = sum(each.audio.shape[1] for each in run._near if each is not None)
        assert kept <= 2 * LENGTH + 1.3 * RATE
    assert measured == [1, 1, 1]
