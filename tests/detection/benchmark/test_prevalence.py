"""How rare defects are: counted by brute force, planned towards the target."""

import numpy as np
import pandas as pd
import pytest

from padam.detection.benchmark.config import BenchmarkConfig
from padam.detection.benchmark.prevalence import draw_durations, prevalence


def test_prevalence_is_what_counting_segment_by_segment_gives() -> None:
    rng = np.random.default_rng(0)
    titles = pd.DataFrame(
        {"title": [f"t{n}" for n in range(40)], "duration_s": rng.uniform(3, 95, 40)}
    )
    rows = []
    for title, duration_s in titles.itertuples(index=False):
        for _ in range(rng.integers(0, 4)):
            start_s, end_s = np.sort(rng.uniform(0, duration_s, 2))
            rows.append((title, start_s, end_s, "hum"))
    labels = pd.DataFrame(rows, columns=["title", "start_s", "end_s", "defect"])
    hit = total = 0
    for title, duration_s in titles.itertuples(index=False):
        first = 0.0
        # a rest of less than a second is no segment
        while duration_s - first >= 1:
            last = min(first + 10, duration_s)
            total += 1
            hit += any(t == title and s < last and e > first for t, s, e, _ in rows)
            first += 10
    assert prevalence(titles, labels) == (hit, total)
    assert prevalence(titles, labels.iloc[:0]) == (0, total)


def placed(rng: np.random.Generator, title_s: float, durations_s: tuple[float, ...]) -> int:
    """Segments hit by intervals laid anywhere (in a long title they hardly meet)."""
    hit: set[int] = set()
    for duration_s in durations_s:
        start_s = rng.uniform(0, title_s - duration_s)
        hit |= set(range(int(start_s // 10), int((start_s + duration_s) // 10) + 1))
    return len(hit)


@pytest.mark.parametrize("target", [0.005, 0.01, 0.02])
def test_a_target_within_reach_is_met(target: float) -> None:
    rng = np.random.default_rng(1)
    config = BenchmarkConfig(duration_s=(1200, 3600), segment_prevalence=target)
    all_s = rng.uniform(1200, 3600, 300)
    drawn = draw_durations(rng, all_s, all_s[:100], config)
    assert min(map(len, drawn)) >= 1
    hit = sum(placed(rng, title_s, each) for title_s, each in zip(all_s, drawn, strict=False))
    assert hit / (all_s.sum() / 10) == pytest.approx(target, rel=0.1)
    seconds = [duration_s for each in drawn for duration_s in each]
    assert min(seconds) >= 2
    assert max(seconds) <= 20


def test_out_of_reach_there_is_one_interval_a_title_of_a_segment_at_most() -> None:
    rng = np.random.default_rng(2)
    all_s = rng.uniform(60, 180, 300)
    drawn = draw_durations(rng, all_s, all_s[:100], BenchmarkConfig())
    assert {len(each) for each in drawn} == {1}
    seconds = np.array(drawn)
    assert seconds.min() >= 2
    assert 8 < seconds.max() <= 10


def test_no_title_is_filled() -> None:
    rng = np.random.default_rng(3)
    config = BenchmarkConfig(duration_s=(20, 30), segment_prevalence=0.5, defect_s=(2, 20))
    all_s = rng.uniform(20, 30, 20)
    for title_s, each in zip(all_s, draw_durations(rng, all_s, all_s, config), strict=True):
        assert len(each) >= 1
        assert sum(each) <= title_s / 2 + 1e-9
    assert draw_durations(rng, all_s, all_s[:0], config) == []
