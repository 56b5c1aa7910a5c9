"""Thresholds by review volume against quantiles that are counted by hand."""

import numpy as np
import pytest
from pydantic import ValidationError

from padam.detection.review_volume import (
    REVIEW_VOLUMES,
    ReviewPoint,
    review_points,
    review_threshold,
)
from padam.detection.temporal_filter import WHOLE_SEGMENT, filter_segments

SHUFFLED = np.random.default_rng(0).permutation(np.arange(1000) / 1000)  # 0.000 … 0.999


def test_the_named_volumes_are_those_that_are_promised():
    assert REVIEW_VOLUMES == {"strict": 0.001, "balanced": 0.005, "sensitive": 0.01}


def test_of_a_thousand_scores_the_first_the_fifth_and_the_tenth_decide():
    points = review_points(SHUFFLED)
    assert {name: point.threshold for name, point in points.items()} == {
        "strict": 0.999,
        "balanced": 0.995,
        "sensitive": 0.99,
    }
    for name, point in points.items():
        assert point.review_volume == REVIEW_VOLUMES[name]
        assert (point.segments, point.filter, point.reason) == (1000, WHOLE_SEGMENT, "")
        assert (point.threshold <= SHUFFLED).mean() == pytest.approx(REVIEW_VOLUMES[name])


@pytest.mark.parametrize(
    ("scores", "volume", "threshold"),
    [
        ([0.1, 0.2, 0.3, 0.4], 0.25, 0.4),
        ([0.1, 0.2, 0.3, 0.4], 0.49, 0.4),  # half would be two of four
        ([0.1, 0.2, 0.3, 0.4], 0.5, 0.3),
        ([0.4, 0.4, 0.1, 0.1], 0.5, 0.4),
        ([0.1, 0.1, 0.2, 0.4], 0.74, 0.2),
        ([0.1, 0.3, 0.3, 0.4], 0.5, 0.4),  # 0.3 would flag three
        (np.arange(100.0), 0.07, 93.0),  # 0.07 · 100 is 7.000000000000001
        (np.arange(100.0), 0.29, 71.0),  # 0.29 · 100 is 28.999999999999996
    ],
)
def test_a_threshold_flags_no_more_than_its_share(scores, volume, threshold):
    scores = np.asarray(scores)
    assert review_threshold(scores, volume) == threshold
    assert 0 < (scores >= threshold).mean() <= volume + 1e-9


def test_it_is_the_lowest_score_that_does_on_any_scores():
    rng = np.random.default_rng(1)
    for _ in range(200):
        scores = rng.integers(0, 40, rng.integers(20, 200)) / 40
        volume = float(rng.uniform(0.02, 0.6))
        fits = [s for s in np.unique(scores) if (scores >= s).sum() <= volume * len(scores)]
        if fits and volume * len(scores) >= 1:
            assert review_threshold(scores, volume) == min(fits)
        else:
            with pytest.raises(ValueError, match="clean validation segments"):
                review_threshold(scores, volume)


def test_too_few_segments_are_told_with_the_number_that_it_takes():
    points = review_points(SHUFFLED[:250])
    assert points["strict"].threshold is None
    assert points["strict"].segments == 250
    assert points["strict"].reason == (
        "250 clean validation segments are too few for a review volume of 0.1 %, which takes 1000"
    )
    assert points["balanced"].threshold == np.sort(SHUFFLED[:250])[-1]
    assert points["sensitive"].threshold == np.sort(SHUFFLED[:250])[-2]
    assert "0 clean validation segments" in review_points(np.zeros(0))["sensitive"].reason


def test_a_highest_score_that_too_many_share_is_told():
    scores = np.where(np.arange(2000) < 30, 1.0, 0.5)
    point = review_points(scores)["sensitive"]
    assert point.threshold is None
    assert point.reason.startswith("30 of 2000 clean validation segments share the highest score")


def test_what_was_not_scored_counts_on_no_side():
    with_gaps = np.concatenate([SHUFFLED, np.full(5000, np.nan)])
    assert review_points(with_gaps) == review_points(SHUFFLED)


@pytest.mark.parametrize(
    "fields",
    [
        {"review_volume": 0.01, "segments": 5},
        {"review_volume": 0.01, "segments": 5, "threshold": 0.5, "reason": "none"},
        {"review_volume": 0.0, "segments": 5, "threshold": 0.5},
        {"review_volume": 0.01, "segments": 5, "threshold": 0.5, "volume": 1},
    ],
)
def test_a_point_has_a_threshold_or_a_reason(fields):
    with pytest.raises(ValidationError):
        ReviewPoint.model_validate(fields)


def test_a_point_keeps_whole_segments_and_the_end_only_with_the_one_before_it():
    points = review_points(np.arange(1000.0) / 1000)
    used = points["balanced"].filter
    times = np.array([[0.0, 10.0], [10.0, 20.0], [20.0, 23.0]])
    for flags, kept in (((1, 0, 0), (1, 0, 0)), ((0, 0, 1), (0, 0, 0)), ((0, 1, 1), (0, 1, 1))):
        found = filter_segments(np.array(flags, bool), times, used.x_s, used.y_s)
        assert found.tolist() == [bool(flag) for flag in kept]
