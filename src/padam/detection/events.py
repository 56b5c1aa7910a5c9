"""Events: what a person is told, adjacent detections of all channels merged into one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from padam.detection.event_times import EventSpan, event_spans
from padam.detection.evidence_runs import ADJACENT_S
from padam.detection.scorers.base import PROBABILITY_PREFIX, worst_channel
from padam.detection.severity import Severity, SeverityRules
from padam.detection.temporal_filter import filter_segments


@dataclass(frozen=True)
class Event:
    """A defective stretch: times in seconds, channels from 0, defects with the likeliest first.

    Where the scorer gives evidence, the times are those of the evidence; see `event_spans`.
    Channels, score and defects are those of its segments: two events in one segment share them.
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
    *,
    localised: bool = False,
    gap_s: float | None = None,
) -> list[Event]:
    """Flagged segments merged where they adjoin, parted where nothing is heard; in order of time.

    A defect's probability is its mean over the flagged channels and segments of the event; without
    columns `p_<defect>` the events name no defect. `localised` says that the evidence is that of an
    event localiser, which parts events by `gap_s` seconds; see `event_spans`. The temporal filter
    decides on segments before that.
    """
    segments = flag_segments(scores, threshold, x_s, y_s)
    flagged = segments[segments["flagged"]]
    if flagged.empty:
        return []
    gaps = flagged["start_s"].to_numpy()[1:] - flagged["end_s"].to_numpy()[:-1]
    number = np.concatenate([[0], np.cumsum(gaps > ADJACENT_S)])
    events: list[Event] = []
    ended_s = -np.inf
    for _, stretch in flagged.groupby(number):
        first_s, last_s = float(stretch["start_s"].min()), float(stretch["end_s"].max())
        for span in event_spans(
            scores, first_s, last_s, threshold, localised=localised, gap_s=gap_s
        ):
            # The evidence of a segment between two events may belong to both.
            begun = replace(span, start_s=max(span.start_s, ended_s))
            events.append(_event(scores.iloc[list(span.rows)], begun, rules or SeverityRules()))
            ended_s = span.end_s
    return events


def _event(rows: pd.DataFrame, span: EventSpan, rules: SeverityRules) -> Event:
    peak = float(rows["score"].max())
    columns = [name for name in rows.columns if name.startswith(PROBABILITY_PREFIX)]
    means = rows[columns].mean().sort_values(ascending=False, kind="stable")
    return Event(
        start_s=span.start_s,
        end_s=span.end_s,
        channels=tuple(int(channel) for channel in sorted(rows["channel"].unique())),
        peak_score=peak,
        defects=tuple(
            (str(name).removeprefix(PROBABILITY_PREFIX), float(value))
            for name, value in means.items()
        ),
        severity=rules.of(peak, span.end_s - span.start_s),
    )
