import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from padam.training import source_bootstrap
from padam.training.head_validation import similarity_correlation
from padam.training.source_bootstrap import SourceBootstrap

ROUNDS = 400


def clips(per_source: int, sources: int = 12, seed: int = 0) -> dict[str, np.ndarray]:
    """Scores that differ by source more than by clip."""
    rng = np.random.default_rng(seed)
    source = np.repeat(np.arange(sources), per_source)
    positive = rng.random(len(source)) < 0.5
    score = 0.7 * positive + np.repeat(rng.normal(size=sources), per_source)
    score = np.round(score + 0.3 * rng.normal(size=len(source)), 1)  # with ties
    return {"source": source, "positive": positive, "score": score}


def drawn(bootstrap: SourceBootstrap, round_: int, source: np.ndarray) -> np.ndarray:
    """Rows of a round, as often as their source was drawn."""
    return np.repeat(np.arange(len(source)), bootstrap._times[round_][source].astype(int))


def test_auc_and_its_rounds_equal_those_of_scikit_learn():
    data = clips(6)
    bootstrap = SourceBootstrap(data["source"], 50, seed=1)
    estimate = bootstrap.auc(data["score"], data["positive"])
    assert estimate.value == pytest.approx(roc_auc_score(data["positive"], data["score"]))
    again = [
        roc_auc_score(data["positive"][rows], data["score"][rows])
        for rows in (drawn(bootstrap, n, data["source"]) for n in range(50))
    ]
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.percentile(again, [2.5, 97.5])))


def test_rounds_draw_as_many_sources_as_there_are():
    bootstrap = SourceBootstrap(np.array([5, 5, 9, 2]), 30, seed=0)
    assert bootstrap.count == 3
    assert set(bootstrap._times.sum(axis=1)) == {3}


def test_more_clips_of_the_same_sources_do_not_make_it_surer():
    few, many = clips(4, seed=3), clips(4, seed=3)
    many = {name: np.repeat(column, 25) for name, column in many.items()}
    widths = []
    for data in (few, many):
        estimate = SourceBootstrap(data["source"], ROUNDS, 0).auc(data["score"], data["positive"])
        widths.append(estimate.high - estimate.low)
    assert widths[1] == pytest.approx(widths[0], rel=1e-6)
    as_if_alone = SourceBootstrap(np.arange(len(many["source"])), ROUNDS, 0)
    estimate = as_if_alone.auc(many["score"], many["positive"])
    assert estimate.high - estimate.low < widths[0] / 2


def test_a_clip_whose_score_is_missing_takes_no_part():
    data = clips(6)
    kept = np.arange(len(data["score"])) % 5 > 0
    score = np.where(kept, data["score"], np.nan)
    estimate = SourceBootstrap(data["source"], 50, 0).auc(score, data["positive"])
    expected = roc_auc_score(data["positive"][kept], data["score"][kept])
    assert estimate.value == pytest.approx(expected)
    assert estimate.low < expected < estimate.high


def test_one_class_has_no_area_and_one_source_no_interval():
    data = clips(6)
    bootstrap = SourceBootstrap(data["source"], 50, 0)
    assert np.isnan(bootstrap.auc(data["score"], np.zeros(72, bool))).all()
    alone = SourceBootstrap(np.zeros(72, int), 50, 0).auc(data["score"], data["positive"])
    assert alone.value == pytest.approx(roc_auc_score(data["positive"], data["score"]))
    assert np.isnan([alone.low, alone.high]).all()


def vectors(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    q = rng.random(count).astype(np.float32)
    z = np.stack([np.cos(2 * q), np.sin(2 * q)], axis=1) + 0.5 * rng.normal(size=(count, 2))
    return 3 * z.astype(np.float32), q


def test_correlation_is_that_over_all_pairs_of_clips():
    z, q = vectors(40)
    q[3] = np.nan
    source = np.random.default_rng(0).permutation(40) % 7
    found = SourceBootstrap(source, ROUNDS, 0).similarity_correlation(z, q)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    assert found.value == pytest.approx(similarity_correlation(unit, q), abs=1e-5)
    assert found.low < found.value < found.high


def test_rounds_of_the_correlation_pair_the_drawn_clips_but_none_with_itself():
    z, q = vectors(20)
    source = np.arange(20) // 4
    bootstrap = SourceBootstrap(source, 20, seed=2)
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    expected = []
    for n in range(20):
        rows = drawn(bootstrap, n, source)
        cells = [(unit[i] @ unit[j], -abs(q[i] - q[j])) for i in rows for j in rows if i != j]
        expected.append(np.corrcoef(np.array(cells).T)[0, 1])
    found = bootstrap.similarity_correlation(z, q)
    assert (found.low, found.high) == pytest.approx(
        tuple(np.percentile(expected, [2.5, 97.5])), abs=1e-5
    )


def test_a_collapsed_z_has_no_correlation():
    _, q = vectors(20)
    found = SourceBootstrap(np.arange(20), 20, 0).similarity_correlation(np.ones((20, 2)), q)
    assert np.isnan(found).all()


@pytest.mark.parametrize("held", [1, 2**22])
def test_average_precision_and_its_rounds_equal_those_of_scikit_learn(held, monkeypatch):
    monkeypatch.setattr(source_bootstrap, "HELD_VALUES", held)
    data = clips(6)
    bootstrap = SourceBootstrap(data["source"], 50, seed=1)
    value, rounds = bootstrap.resampled_average_precision(data["score"], data["positive"])
    expected = average_precision_score(data["positive"], data["score"])
    assert value == pytest.approx(expected)
    again = [
        average_precision_score(data["positive"][rows], data["score"][rows])
        for rows in (drawn(bootstrap, n, data["source"]) for n in range(50))
    ]
    np.testing.assert_allclose(rounds, again)


def test_average_precision_of_hand_counted_ranks():
    # falling: hit, miss, then a hit and a miss of equal scores: 1/2 · 1 + 1/2 · 2/4
    score = np.array([0.9, 0.7, 0.4, 0.4, np.nan])
    positive = np.array([True, False, True, False, True])
    bootstrap = SourceBootstrap(np.arange(5), 20, seed=0)
    assert bootstrap.resampled_average_precision(score, positive).value == pytest.approx(0.75)
    for nothing in (np.full(5, np.nan), np.where(positive, np.nan, score)):
        value, rounds = bootstrap.resampled_average_precision(nothing, positive)
        assert np.isnan(value)
        assert np.isnan(rounds).all()
