import math

from padam.quality.base import MetricScore


def test_missing_is_nan_with_a_reason() -> None:
    score = MetricScore.missing("too short")
    assert math.isnan(score.value)
    assert score.reason == "too short"
    assert not score.answered


def test_zero_is_an_answer() -> None:
    assert MetricScore(0.0).answered
