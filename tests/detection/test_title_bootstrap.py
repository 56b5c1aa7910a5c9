"""The bootstrap over titles, against scikit-learn on titles that are really repeated."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from padam.detection.title_bootstrap import Ranking, TitleDraws, interval, two_sided_p

NAN = float("nan")


def some(seed, titles=9, segments=60, unscored=0.0):
    """Scores with ties, truth, and the title of each segment; one title has no segment."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 9, segments) / 4.0
    scores[rng.random(segments) < unscored] = NAN
    return scores, rng.random(segments) < 0.3, rng.integers(0, titles - 1, segments)


def repeated(draws, number, title):
    """Segments as they would lie there, had the titles of this round been copied."""
    return np.repeat(np.arange(len(title)), draws.counts[number].astype(int)[title])


@pytest.mark.parametrize("seed", range(10))
def test_every_round_is_what_scikit_learn_says_of_repeated_titles(seed):
    scores, truth, title = some(seed)
    draws = TitleDraws.of(9, 40, seed)
    ranking = Ranking.of(scores, truth, ~truth, title, 9)
    area, auc = ranking.average_precision(draws), ranking.auc(draws)
    for number in range(41):
        rows = repeated(draws, number, title)
        if truth[rows].all() or not truth[rows].any():
            assert np.isnan(area[number])
            assert np.isnan(auc[number])
            continue
        assert area[number] == pytest.approx(average_precision_score(truth[rows], scores[rows]))
        assert auc[number] == pytest.approx(roc_auc_score(truth[rows], scores[rows]))


@pytest.mark.parametrize("seed", range(6))
def test_an_unscored_positive_ranks_last_and_an_unscored_negative_proves_nothing(seed):
    scores, truth, title = some(seed, unscored=0.2)
    draws = TitleDraws.of(9, 1, seed)
    ranking = Ranking.of(scores, truth, ~truth, title, 9)
    floored = np.where(np.isnan(scores), -1.0, scores)
    expected = average_precision_score(truth, floored)
    assert ranking.average_precision(draws)[0] == pytest.approx(expected)
    counts = truth | ~np.isnan(scores)
    assert ranking.auc(draws)[0] == pytest.approx(roc_auc_score(truth[counts], floored[counts]))


def test_a_scorer_that_scored_no_clean_segment_has_no_auc():
    scores, truth = np.array([0.5, NAN, NAN]), np.array([True, False, False])
    ranking = Ranking.of(scores, truth, ~truth, np.array([0, 1, 1]), 2)
    assert np.isnan(ranking.auc(TitleDraws.of(2, 3, 0))).all()


@pytest.mark.parametrize("seed", range(4))
def test_some_of_the_positives_against_all_negatives(seed):
    scores, truth, title = some(seed)
    chosen = np.arange(truth.sum()) % 2 == 0
    ranking = Ranking.of(scores, truth, ~truth, title, 9).only(chosen)
    kept = ~truth
    kept[np.flatnonzero(truth)[chosen]] = True
    expected = roc_auc_score(truth[kept], scores[kept])
    assert ranking.auc(TitleDraws.of(9, 1, 0))[0] == pytest.approx(expected)


def test_negatives_that_weigh_more_are_negatives_that_are_there_more_often():
    scores, truth, title = some(3)
    ranking = Ranking.of(scores, truth, ~truth, title, 9)
    rows = np.concatenate([np.flatnonzero(truth), np.repeat(np.flatnonzero(~truth), 5)])
    expected = average_precision_score(truth[rows], scores[rows])
    assert ranking.average_precision(TitleDraws.of(9, 1, 0), 5.0)[0] == pytest.approx(expected)


def test_draws_are_titles_with_replacement_and_the_first_row_is_each_once():
    draws = TitleDraws.of(7, 500, 1)
    assert (draws.counts[0] == 1).all()
    assert (draws.counts.sum(axis=1) == 7).all()
    assert draws.counts[1:].mean(axis=0) == pytest.approx(np.ones(7), abs=0.2)
    np.testing.assert_array_equal(draws.counts, TitleDraws.of(7, 500, 1).counts)
    few = draws.among(np.arange(7) < 2)
    assert few.totals(np.ones(7))[0] == 2


def test_the_interval_of_a_mean_is_about_that_of_its_standard_error():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(400)
    draws = TitleDraws.of(400, 2000, 0)
    low, high = interval(draws.totals(values) / 400)
    assert (high - low) / 2 == pytest.approx(1.96 / 20, rel=0.1)


def test_p_is_small_where_all_rounds_agree_and_1_where_they_are_even():
    assert two_sided_p(np.append(0.5, np.full(999, 0.5))) == pytest.approx(0.002)
    assert two_sided_p(np.append(0.0, np.tile([-1.0, 1.0], 500))) == 1.0
    assert two_sided_p(np.zeros(100)) == 1.0
    assert np.isnan(two_sided_p(np.array([NAN, NAN])))


def test_rounds_without_the_measure_are_left_out():
    assert interval(np.array([0.0, 1.0, NAN, 1.0])) == (1.0, 1.0)
    assert np.isnan(interval(np.array([0.0, NAN]))).all()
