"""Algorithm 1: intervals take turns, last as long as drawn, and end with the title."""

import numpy as np
import pytest

from padam.defects.audio_artifacts.config import SAMPLE_RATE, SimulationConfig
from padam.defects.audio_artifacts.intervals import draw_intervals

HOUR = 3600 * SAMPLE_RATE


def drawn(seed, samples=HOUR, **changes):
    rng = np.random.default_rng(seed)
    return draw_intervals(rng, samples, SimulationConfig(**changes))


def test_intervals_are_in_order_apart_and_within_the_title():
    spans = drawn(0)
    edges = np.array(spans).ravel()
    assert (np.diff(edges) >= round(0.5 * SAMPLE_RATE) - 1)[:-1].all()
    assert edges[0] >= 0
    assert edges[-1] <= HOUR


def test_a_duration_is_half_a_second_and_an_exponential_of_ten():
    lengths = np.concatenate([np.diff(drawn(seed))[:-1, 0] for seed in range(20)]) / SAMPLE_RATE
    assert lengths.min() >= 0.5 - 1 / SAMPLE_RATE
    assert lengths.mean() == pytest.approx(10.5, rel=0.05)
    # of an exponential, the share beyond its mean is 1/e
    assert np.mean(lengths - 0.5 > 10) == pytest.approx(np.exp(-1), abs=0.03)


def test_half_of_a_long_title_is_defective_and_half_of_the_titles_begin_so():
    shares = [np.diff(drawn(seed)).sum() / HOUR for seed in range(20)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)
    begins = [drawn(seed, SAMPLE_RATE)[:1] == [(0, SAMPLE_RATE)] for seed in range(400)]
    # the first interval of a second may end in it, and a clean one begin it
    assert 0.3 < np.mean(begins) < 0.6


def test_the_last_interval_is_cut_at_the_end_where_the_printed_max_would_fill_the_title():
    spans = [drawn(seed, 3 * SAMPLE_RATE, gamma_scale_s=0.5) for seed in range(50)]
    ends = [each[-1][1] for each in spans if each]
    assert max(ends) == 3 * SAMPLE_RATE
    assert any(len(each) > 1 for each in spans)
    assert drawn(0, 0) == []
