"""The localiser's network: what it may look at, and what it keeps."""

import numpy as np
import pytest
import torch

from padam.models.event_localiser import EventLocaliser, EventLocaliserConfig
from padam.models.native_evidence.windows import WINDOW_NAMES

RNG = np.random.default_rng(0)
WINDOWS = RNG.standard_normal((3, 75, len(WINDOW_NAMES))).astype(np.float32)


@pytest.fixture
def localiser():
    torch.manual_seed(0)
    return EventLocaliser(EventLocaliserConfig(width=8)).eval()


def test_probabilities_are_given_where_something_was_heard(localiser):
    heard = RNG.random((3, 75)) < 0.7
    found = localiser.probabilities(WINDOWS, heard)
    assert found.shape == (3, 75)
    np.testing.assert_array_equal(np.isfinite(found), heard)
    assert ((found[heard] > 0) & (found[heard] < 1)).all()


def test_what_was_not_heard_does_not_matter(localiser):
    heard = np.ones((3, 75), dtype=bool)
    heard[:, :25] = False
    other = WINDOWS.copy()
    other[:, :25] = 1e6
    before, after = (localiser.probabilities(each, heard) for each in (WINDOWS, other))
    np.testing.assert_array_equal(before, after)


def test_a_window_is_judged_by_those_around_it_as_far_as_the_dilations_reach(localiser):
    heard = np.ones((1, 75), dtype=bool)
    windows = WINDOWS[:1].copy()
    # an even number of equal values on either side: the median stays where it is
    windows[0, :37], windows[0, 38:] = -1, 1
    moved = windows.copy()
    moved[0, 0] = -2
    change = localiser.probabilities(moved, heard) != localiser.probabilities(windows, heard)
    assert change[0, :16].any()
    assert not change[0, 16:].any()  # 1 + 2 + 4 + 8


def test_extreme_values_count_no_more_than_far_ones(localiser):
    heard = np.ones((3, 75), dtype=bool)
    found = [localiser.probabilities(WINDOWS * 0 + level, heard) for level in (1e3, 1e30)]
    np.testing.assert_array_equal(*found)
    assert np.isfinite(found[1]).all()


def test_no_segments_and_silence_alone(localiser):
    assert localiser.probabilities(WINDOWS[:0], np.zeros((0, 75), bool)).shape == (0, 75)
    nothing = localiser.probabilities(WINDOWS, np.zeros((3, 75), bool))
    assert np.isnan(nothing).all()


def test_the_standardisation_is_kept_with_the_weights(localiser):
    localiser.mean.fill_(0.3)
    other = EventLocaliser(localiser.config).eval()
    other.load_state_dict(localiser.state_dict())
    heard = np.ones((3, 75), dtype=bool)
    np.testing.assert_array_equal(
        other.probabilities(WINDOWS, heard), localiser.probabilities(WINDOWS, heard)
    )
