import pytest

from padam.quality.registry import METRIC_NAMES, METRICS, create_metric, higher_is_better


def test_the_four_metrics_of_the_paper() -> None:
    assert set(METRIC_NAMES) == {"cdpam", "dnsmos", "pesq", "visqol"}


def test_every_metric_has_the_interface() -> None:
    for name in METRICS:
        metric = create_metric(name)
        assert metric.name == name
        assert metric.sample_rate > 0
        assert metric.higher_is_better is (name != "cdpam")
        assert metric.needs_reference is (name != "dnsmos")
        assert higher_is_better(name) is metric.higher_is_better


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(ValueError, match="no metric 'stoi'; known: cdpam"):
        create_metric("stoi")
