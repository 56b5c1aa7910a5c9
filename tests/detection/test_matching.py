"""Matching: truth, thresholds and areas, against hand-worked numbers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from padam.detection.matching import (
    average_precision,
    best_threshold,
    longest_overlaps,
    overlaps,
    segment_truth,
)

NAN = float("nan")


def test_overlap_needs_more_than_a_shared_point():
    times = np.array([[0, 10], [10, 20], [20, 30]], dtype=float)
    found = overlaps(times, np.array([[10, 20.001]]))
    assert found.tolist() == [False, True, True]
    assert not overlaps(times, np.empty((0, 2))).any()


def test_the_longest_overlap_counts_not_the_sum():
    times = np.array([[0, 10], [10, 20], [20, 30]], dtype=float)
    found = longest_overlaps(times, np.array([[1.0, 2.5], [9.0, 12.0], [11.0, 15.0], [20.0, 20.0]]))
    assert found.tolist() == [1.5, 4.0, 0.0]
    assert longest_overlaps(times, np.empty((0, 2))).tolist() == [0, 0, 0]
    broken = np.array([[np.nan, 5.0], [11.0, 15.0], [np.nan, np.nan]])
    assert longest_overlaps(times, broken).tolist() == [0.0, 4.0, 0.0]
    assert longest_overlaps(np.empty((0, 2)), times).shape == (0,)


def test_labels_belong_to_their_title():
    segments = pd.DataFrame(
        {"title": ["a", "a", "b", "b"], "start_s": [0, 10, 0, 10], "end_s": [10, 20, 10, 20]}
    )
    labels = pd.DataFrame(
        [("b", 12.0, 13.0, "hum"), ("c", 0.0, 20.0, "hiss")],
        columns=["title", "start_s", "end_s", "defect"],
    )
    assert segment_truth(segments, labels).tolist() == [False, False, False, True]
    assert not segment_truth(segments, labels.iloc[:0]).any()


def test_best_threshold_of_a_worked_example():
    # At 0.7: two of three hits are right, all of two defects found: F1 = 0.8.
    scores = np.array([0.9, 0.8, 0.7, 0.2])
    assert best_threshold(scores, np.array([1, 0, 1, 0], bool)) == 0.7


def test_of_equal_thresholds_the_highest_is_taken():
    # 0.9 → P 1, R ½ → ⅔; 0.6 → P ½, R 1 → ⅔.
    assert best_threshold(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 0, 0, 1], bool)) == 0.9


@pytest.mark.parametrize("seed", range(8))
def test_best_threshold_is_the_best_of_all_by_sklearn(seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 12, 60) / 4.0  # with ties
    truth = rng.random(60) < 0.25
    best = max(f1_score(truth, scores >= t) for t in np.unique(scores))
    assert f1_score(truth, scores >= best_threshold(scores, truth)) == pytest.approx(best)


def test_threshold_without_anything_to_tune_on_flags_nothing():
    scores = np.array([0.1, 0.9])
    for truth, values in (([False, False], scores), ([True, False], np.array([NAN, 0.5]))):
        threshold = best_threshold(values, np.array(truth))
        assert np.isnan(threshold)
        assert not (scores >= threshold).any()


def test_an_unscored_defect_counts_as_missed():
    # Alone, 0.9 would be perfect; with the missed one recall is ½ and so the best F1 is ⅔.
    scores, truth = np.array([0.9, NAN, 0.1]), np.array([1, 1, 0], bool)
    threshold = best_threshold(scores, truth)
    assert threshold == 0.9
    assert f1_score(truth, scores >= threshold) == pytest.approx(2 / 3)


def test_average_precision_of_a_worked_example():
    # Ranks of the defects: 1, 3 → (1/1 + 2/3) / 2.
    scores, truth = np.array([4.0, 3.0, 2.0, 1.0]), np.array([1, 0, 1, 0], bool)
    assert average_precision(scores, truth) == pytest.approx((1 + 2 / 3) / 2)


def test_average_precision_ranks_the_unscored_last():
    scores, truth = np.array([4.0, NAN, 3.0, 2.0]), np.array([1, 1, 0, 0], bool)
    assert average_precision(scores, truth) == pytest.approx((1 + 2 / 4) / 2)
    assert average_precision(np.full(4, NAN), truth) == pytest.approx(0.5)


@pytest.mark.parametrize("truth", [[True, True], [False, False]])
def test_average_precision_of_one_class_is_nan(truth):
    assert np.isnan(average_precision(np.array([0.1, 0.2]), np.array(truth)))
