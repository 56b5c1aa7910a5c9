"""The metrics by name. Adding one is its module and a line here."""

from typing import Any

from padam.quality.base import Metric
from padam.quality.cdpam import Cdpam
from padam.quality.dnsmos import Dnsmos
from padam.quality.visqol_v3 import VisqolV3
from padam.quality.wideband_pesq import WidebandPesq

METRICS: dict[str, type[Any]] = {
    metric.name: metric for metric in (Cdpam, Dnsmos, WidebandPesq, VisqolV3)
}
METRIC_NAMES: tuple[str, ...] = tuple(METRICS)


def create_metric(name: str, **options: Any) -> Metric:
    """Create a metric by name. Raises ValueError naming the known ones."""
    if name not in METRICS:
        raise ValueError(f"no metric {name!r}; known: {', '.join(METRIC_NAMES)}")
    metric: Metric = METRICS[name](**options)
    return metric


def higher_is_better(name: str) -> bool:
    """Whether a higher value of the metric is better; false for distances."""
    return bool(METRICS[name].higher_is_better)
