"""Events: what a person is told, adjacent detections of all channels merged into one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from padam.detection.scorers.base import (
    EVIDENCE_PREFIX,
    EVIDENCE_S,
    PROBABILITY_PREFIX,
    worst_channel,
)
from padam.detection.severity import Severity, SeverityRules
from padam.detection.temporal_filter import filter_segments

# Segments that follow each other meet but for the rounding of their times.
_ADJACENT_S = 1e-3


@dataclass(frozen=True)
class Event:
    """A defective stretch: times in seconds, channels from 0, defects with the likeliest first.

    Where the scorer gives evidence, the times are those of the evidence: from the first to the last
    0.4 s that lie above the threshold by themselves.
    """

    start_s: float
    end_s: float
    channels: tuple[int, ...]
    peak_score: float
    defects: tuple[tuple[str, float], ...]
    severity: Severity


def flag_segments(
    scores: pd.DataFrame, threshold: float, x_s: float = 0.0, y_s: float = 0.0
) -> pd.DataFrame:
    """One row per segment: start_s, end_s, score (worst channel), above_threshold, flagged.

    scores: rows (start_s, end_s, channel, score) of one title; flagged: above the threshold and
    kept by the temporal filter.
    """
    segments = worst_channel(scores).sort_values("start_s").reset_index(drop=True)
    above = segments["score"].to_numpy(dtype=np.float64) >= threshold
    times = segments[["start_s", "end_s"]].to_numpy(dtype=np.float64)
    flagged = filter_segments(above, times, x_s, y_s)
    return segments.assign(above_threshold=above, flagged=flagged)


def find_events(
    scores: pd.DataFrame,
    threshold: float,
    x_s: float = 0.0,
    y_s: float = 0.0,
    rules: SeverityRules | None = None,
) -> list[Event]:
    """Flagged segments merged where they adjoin, in order of time.

    A defect's probability is its mean over the flagged channels and segments of the event; without
    columns `p_<defect>` the events name no defect.
    """
    segments = flag_segments(scores, threshold, x_s, y_s)
    flagged = segments[segments["flagged"]]
    if flagged.empty:
        return []
    gaps = flagged["start_s"].to_numpy()[1:] - flagged["end_s"].to_numpy()[:-1]
    number = np.concatenate([[0], np.cumsum(gaps > _ADJACENT_S)])
    rules = rules or SeverityRules()
    return [
        _event(stretch, scores[scores["score"] >= threshold], threshold, rules)
        for _, stretch in flagged.groupby(number)
    ]


def evidence_columns(scores: pd.DataFrame) -> list[str]:
    """Return the columns of the evidence in order of time; none where the scorer gives none."""
    names = (str(name) for name in scores.columns if str(name).startswith(EVIDENCE_PREFIX))
    return sorted(names, key=lambda name: int(name.removeprefix(EVIDENCE_PREFIX)))


def _event(
    stretch: pd.DataFrame, detections: pd.DataFrame, threshold: float, rules: SeverityRules
) -> Event:
    rows = detections[detections["start_s"].isin(stretch["start_s"])]
    start_s, end_s = _span(rows, threshold)
    peak = float(rows["score"].max())
    columns = [name for name in rows.columns if name.startswith(PROBABILITY_PREFIX)]
    means = rows[columns].mean().sort_values(ascending=False, kind="stable")
    return Event(
        start_s=start_s,
        end_s=end_s,
        channels=tuple(int(channel) for channel in sorted(rows["channel"].unique())),
        peak_score=peak,
        defects=tuple(
            (str(name).removeprefix(PROBABILITY_PREFIX), float(value))
            for name, value in means.items()
        ),
        severity=rules.of(peak, threshold, end_s - start_s),
    )


def _span(rows: pd.DataFrame, threshold: float) -> tuple[float, float]:
    """Return from when to when the detections of an event reach, by the evidence where it tells.

    A detection whose evidence is nowhere above the threshold, as what is heard only over the whole
    segment, counts whole.
    """
    starts, ends = (rows[name].to_numpy(dtype=np.float64) for name in ("start_s", "end_s"))
    columns = evidence_columns(rows)
    evidence = rows[columns].to_numpy(dtype=np.float64).reshape(len(rows), len(columns))
    begun = starts[:, None] + EVIDENCE_S * np.arange(len(columns))
    # the last segment of a title was made longer by mirroring it
    above = (evidence >= threshold) & (begun < ends[:, None] - _ADJACENT_S)
    told = above.any(axis=1)
    first = np.where(above, begun, np.inf).min(axis=1, initial=np.inf)
    last = np.where(above, begun + EVIDENCE_S, -np.inf).max(axis=1, initial=-np.inf)
    return (
        float(np.where(told, first, starts).min()),
        float(np.minimum(np.where(told, last, ends), ends).max()),
    )
