"""Events: merging of detections over segments and channels."""

import numpy as np
import pandas as pd
import pytest

from padam.detection.events import find_events, flag_segments
from padam.detection.scorers.base import worst_channel


def scores_of(left, right, **probabilities):
    count = len(left)
    starts = np.repeat(np.arange(count) * 10.0, 2)
    return pd.DataFrame(
        {
            "start_s": starts,
            "end_s": starts + 10,
            "channel": np.tile([0, 1], count),
            "score": np.stack([left, right], axis=1).ravel(),
            **{f"p_{name}": np.ravel(values) for name, values in probabilities.items()},
        }
    )


def test_a_segment_is_as_bad_as_its_worst_channel():
    scores = scores_of([0.2, 0.3, np.nan], [0.7, np.nan, np.nan])
    np.testing.assert_array_equal(worst_channel(scores)["score"], [0.7, 0.3, np.nan])


def test_adjacent_detections_of_both_channels_are_one_event():
    scores = scores_of([0.9, 0.1, 0.1, 0.1], [0.1, 0.8, 0.1, 0.7])
    first, second = find_events(scores, 0.5)
    assert (first.start_s, first.end_s, first.channels) == (0, 20, (0, 1))
    assert first.peak_score == 0.9
    assert (second.start_s, second.end_s, second.channels) == (30, 40, (1,))


def test_the_defect_is_the_mean_over_detections_only():
    hum = [[0.9, 0.0], [0.5, 0.0]]
    hiss = [[0.1, 1.0], [0.6, 1.0]]
    (event,) = find_events(scores_of([0.9, 0.8], [0.1, 0.1], hum=hum, hiss=hiss), 0.5)
    assert event.defects[0] == ("hum", pytest.approx(0.7))
    assert event.defects[1] == ("hiss", pytest.approx(0.35))


def test_the_filter_removes_lone_detections_but_they_stay_visible():
    scores = scores_of([0.9, 0.1, 0.1, 0.9, 0.9], [0.1] * 5)
    segments = flag_segments(scores, 0.5, 20, 20)
    assert segments["above_threshold"].tolist() == [True, False, False, True, True]
    assert segments["flagged"].tolist() == [False, False, False, True, True]
    (event,) = find_events(scores, 0.5, 20, 20)
    assert (event.start_s, event.end_s) == (30, 50)
    assert event.defects == ()


def test_no_detection_no_event_whatever_is_unscored():
    assert find_events(scores_of([np.nan, 0.1], [np.nan, 0.2]), 0.5) == []
    assert find_events(scores_of([0.9], [0.9]), float("nan")) == []
    empty = pd.DataFrame(columns=["start_s", "end_s", "channel", "score"])
    assert find_events(empty, 0.5) == []


def with_evidence(scores, evidence):
    """Add evidence, one list per row."""
    columns = {f"e_{n}": values for n, values in enumerate(np.transpose(evidence))}
    return scores.assign(**columns)


def test_an_event_reaches_from_the_first_to_the_last_evidence():
    scores = scores_of([0.9, 0.8, 0.1], [0.1, 0.1, 0.1])
    evidence = np.zeros((6, 25))
    evidence[0, 20:] = 0.9  # left, first segment: from 8 s on
    evidence[2, :4] = 0.7  # left, second segment: until 11.6 s
    evidence[1, :] = 1.0  # right: below the threshold as a whole
    (event,) = find_events(with_evidence(scores, evidence), 0.5)
    assert (event.start_s, event.end_s) == pytest.approx((8.0, 11.6))


def test_a_detection_without_evidence_of_its_own_counts_whole():
    scores = scores_of([0.9, 0.8], [0.1, 0.7])
    evidence = np.zeros((4, 25))
    evidence[0, 10] = 0.9
    (event,) = find_events(with_evidence(scores, evidence), 0.5)
    assert (event.start_s, event.end_s) == pytest.approx((4.0, 20.0))


def test_evidence_beyond_the_end_of_a_title_is_only_its_mirror():
    scores = scores_of([0.9], [0.1]).assign(end_s=5.0)
    evidence = np.zeros((2, 25))
    evidence[0, [11, 13]] = 0.9
    (event,) = find_events(with_evidence(scores, evidence), 0.5)
    assert (event.start_s, event.end_s) == pytest.approx((4.4, 4.8))
    evidence[0, 12] = 0.9
    (event,) = find_events(with_evidence(scores, evidence), 0.5)
    assert (event.start_s, event.end_s) == pytest.approx((4.4, 5.0))
