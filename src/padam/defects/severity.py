"""How bad each defect of a clip is, in one number of what was drawn."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from padam.defects.base import DefectParams
from padam.defects.drawn_clip import read_params

COLUMNS = ("clip_id", "defect", "severity", "label", "low_is_severe")


@dataclass(frozen=True)
class SeverityScale:
    """The drawn number that makes a defect severe, its name with its unit, and which end is bad."""

    label: str
    low_is_severe: bool
    of: Callable[[Any], float]


SEVERITY_SCALES: dict[str, SeverityScale] = {
    "hum": SeverityScale("SNR (dB)", True, lambda d: d.snr_db),
    "hiss": SeverityScale("SNR (dB)", True, lambda d: d.snr_db),
    "drops": SeverityScale(
        "interrupted (% of the time)",
        False,
        lambda d: 100 * _total_s(d.events) / d.interval.duration_s,
    ),
    "clipping": SeverityScale("clipped samples (%)", False, lambda d: d.percent),
    "quantization": SeverityScale("bits", True, lambda d: float(d.bits)),
    "packet_loss": SeverityScale("bytes overwritten (per 1000)", False, lambda d: 1000 / d.amount),
    "clicks": SeverityScale(
        "clicks per second", False, lambda d: len(d.clicks) / d.interval.duration_s
    ),
}
"""One scale for each defect of the registry.

A defect has several parameters, and a scale names one of those that weigh most, as it holds within
the affected interval. How long that is, amplitudes, waveforms, and lost packets beside damaged ones
are spread around it.
"""


def severity(params: DefectParams) -> float:
    """Severity of a drawn defect, on the scale of its kind."""
    return float(SEVERITY_SCALES[params.defect].of(params))


def severity_table(manifest: pd.DataFrame) -> pd.DataFrame:
    """One row for each defect of each clip of a manifest: its severity, and of what scale.

    Columns are `clip_id`, `defect`, `severity`, and `label` and `low_is_severe` of the scale.
    """
    rows = []
    for clip_id, text in zip(manifest["clip_id"], manifest["params"], strict=True):
        for defect in read_params(clip_id, text).defects:
            scale = SEVERITY_SCALES[defect.defect]
            value = severity(defect)
            rows.append((clip_id, defect.defect, value, scale.label, scale.low_is_severe))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _total_s(intervals: Iterable[Any]) -> float:
    return float(sum(interval.duration_s for interval in intervals))
