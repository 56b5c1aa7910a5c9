"""Augmentation of spectrograms: what it adds, where it stops, and what it leaves alone."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from padam.models.cnn6 import Cnn6LogMel
from padam.training.artifact_augmentation import LOWEST_DB, AugmentationConfig, augment, mix

SHAPE = (40, 101, 64)


@pytest.fixture
def spectrograms():
    return np.random.default_rng(3).normal(-40, 6, SHAPE).astype(np.float32)


def changed(spectrograms, seed=0, **options):
    return augment(spectrograms, AugmentationConfig(**options), np.random.default_rng(seed))


def test_nothing_is_changed_unless_asked(spectrograms):
    assert np.array_equal(changed(spectrograms), spectrograms)


def test_a_level_is_one_number_for_a_chunk_within_its_range(spectrograms):
    added = changed(spectrograms, gain_db=10.0) - spectrograms
    assert np.ptp(added, axis=(1, 2)).max() < 1e-4
    levels = added.mean(axis=(1, 2))
    assert np.abs(levels).max() <= 10.0
    assert levels.min() < -7 < 7 < levels.max()


def test_a_level_is_what_a_gain_on_the_samples_gives():
    samples = torch.from_numpy(
        0.1 * np.random.default_rng(1).standard_normal((1, 32_000)).astype(np.float32)
    )
    front_end = Cnn6LogMel()
    log_mel = front_end(samples).numpy()
    louder = changed(log_mel, gain_db=6.0)
    gain = 10 ** (float((louder - log_mel).mean()) / 20)
    np.testing.assert_allclose(front_end(gain * samples).numpy(), louder, atol=1e-3)


def test_an_equaliser_is_the_same_at_all_times_and_smooth_over_bands(spectrograms):
    added = changed(spectrograms, equaliser_db=4.0, equaliser_points=5) - spectrograms
    assert np.ptp(added, axis=1).max() < 1e-4
    response = added.mean(axis=1)
    assert response[:, 0].std() == pytest.approx(4.0, rel=0.35)
    # straight lines between five bands 15.75 apart: at most three bends
    bends = np.abs(np.diff(response, 2, axis=1)) > 1e-3
    assert 1 <= bends.sum(axis=1).max() <= 6


def test_nothing_falls_below_the_floor_of_the_front_end():
    silence = np.full(SHAPE, LOWEST_DB, dtype=np.float32)
    softer = changed(silence, gain_db=20.0, equaliser_db=5.0)
    assert softer.min() == LOWEST_DB
    assert softer.dtype == np.float32


def test_masks_are_stripes_of_the_chunks_mean(spectrograms):
    masked = changed(
        spectrograms, time_masks=1, time_mask_frames=9, frequency_masks=2, frequency_mask_bands=4
    )
    differs = masked != spectrograms
    rows, columns = differs.all(axis=2), differs.all(axis=1)
    assert np.array_equal(differs, rows[:, :, None] | columns[:, None, :])
    assert rows.sum(axis=1).max() <= 9
    assert columns.sum(axis=1).max() <= 8
    assert rows.any()
    assert columns.any()
    for before, after, there in zip(spectrograms, masked, differs, strict=True):
        assert np.allclose(after[there], before.mean())


def test_a_mask_wider_than_the_chunk_is_as_wide_as_the_chunk(spectrograms):
    masked = changed(spectrograms[:, :16], time_masks=1, time_mask_frames=1000)
    assert (masked != spectrograms[:, :16]).all(axis=(1, 2)).mean() < 0.5


def test_what_is_drawn_depends_on_the_generator_alone(spectrograms):
    options = {"gain_db": 3.0, "equaliser_db": 2.0, "time_masks": 2, "frequency_masks": 1}
    first = changed(spectrograms, **options)
    assert np.array_equal(first, changed(spectrograms, **options))
    assert not np.array_equal(first, changed(spectrograms, seed=1, **options))


def test_a_mixture_has_the_shares_of_its_label():
    label = np.arange(5)
    # each class has its own level, so that the mean of a mixture tells what is in it
    spectrograms = np.broadcast_to(10.0 * label[:, None, None], (5, 4, 64)).astype(np.float32)
    mixed, shares = mix(spectrograms, label, 5, 1.0, np.random.default_rng(2))
    assert shares.sum(axis=1) == pytest.approx(np.ones(5))
    assert shares.min() >= 0
    np.testing.assert_allclose(mixed.mean(axis=(1, 2)), shares @ (10.0 * label), rtol=1e-5)
    assert (shares > 0).sum(axis=1).max() == 2


@pytest.mark.parametrize(
    "wrong", [{"gain_db": -1}, {"equaliser_points": 1}, {"time_masks": -1}, {"mixup_alpha": -0.1}]
)
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ValidationError):
        AugmentationConfig(**wrong)
