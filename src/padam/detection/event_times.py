"""From when to when an event reaches, by the evidence of each 0.4 s: sharper than segments.

What evidence counts, and what parts it, is by its runs; see `padam.detection.evidence_runs`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from padam.detection.evidence_runs import ADJACENT_S, Run, Windows, gathers_enough
from padam.detection.scorers.base import EVIDENCE_S, evidence_columns


@dataclass(frozen=True)
class Span:
    """From when to when detection `row` of a table reaches, in seconds.

    `sure`: by runs that gather enough.
    """

    start_s: float
    end_s: float
    row: int
    sure: bool = False


@dataclass(frozen=True)
class EventSpan:
    """From when to when an event reaches, in seconds; `rows`: its detections, by position."""

    start_s: float
    end_s: float
    rows: tuple[int, ...]


def event_spans(
    scores: pd.DataFrame,
    start_s: float,
    end_s: float,
    threshold: float,
    *,
    localised: bool = False,
    gap_s: float | None = None,
) -> list[EventSpan]:
    """Events in the adjoining flagged segments from `start_s` to `end_s`, in order of time.

    scores: rows (start_s, end_s, channel, score, e_0, …) of the title. What counts are runs that
    touch a detection (a channel's segment at or above the threshold) and gather at least a quarter
    of the way from the threshold to 1. They may begin or end in the segment beside the flagged
    ones, of which the defect fills too little to flag it. A detection without such a run reaches
    over its higher windows, where these and the lower ones are two distinct levels; else over what
    there is above the threshold; and counts whole without that, as what is heard only over 10 s.

    Where the evidence is that of an event localiser, `localised`, such a detection counts only in
    an event in which there is no other: most are segments beside the defect that were taken for it.
    There also is more than one event where the evidence of all channels stays low for longer than
    `gap_s` seconds; None: never. That does not part what lies before and after a whole flagged
    segment in which nothing is heard, which would be in neither. Events do not overlap. Each
    detection is of those events that it has evidence of, and without any of the nearest.
    """
    starts, ends, values = (
        scores[name].to_numpy(dtype=np.float64) for name in ("start_s", "end_s", "score")
    )
    inside = (starts >= start_s - ADJACENT_S) & (ends <= end_s + ADJACENT_S)
    beside = (np.abs(ends - start_s) <= ADJACENT_S) | (np.abs(starts - end_s) <= ADJACENT_S)
    detected = inside & (values >= threshold)
    parted_s = gap_s if localised else None
    spans: list[Span] = []
    channels = scores["channel"].to_numpy()
    for channel in np.unique(channels[detected]):
        own = np.flatnonzero((inside | beside) & (channels == channel))
        own = own[np.argsort(starts[own])]
        found = _channel_spans(scores.iloc[own], detected[own], threshold, parted_s)
        if not any(span.sure for span in found):  # too faint to be parted
            found = _channel_spans(scores.iloc[own], detected[own], threshold, None)
        spans += [replace(span, row=int(own[span.row])) for span in found]
    sure = [span for span in spans if span.sure]
    whole = list(zip(starts[detected], ends[detected], strict=True))
    groups = _parted(sure, parted_s, whole) if localised and sure else [spans]
    events = [
        EventSpan(
            min(span.start_s for span in group),
            max(span.end_s for span in group),
            tuple(sorted({span.row for span in group})),
        )
        for group in groups
    ]
    silent = set(np.flatnonzero(detected).tolist()).difference(*(event.rows for event in events))
    for row in sorted(silent):
        nearest = _nearest(events, starts[row], ends[row])
        rows = tuple(sorted((*events[nearest].rows, row)))
        events[nearest] = replace(events[nearest], rows=rows)
    return events


def _nearest(events: list[EventSpan], start_s: float, end_s: float) -> int:
    """Which event is nearest to a stretch; of equally near ones the first."""
    away_s = [max(event.start_s - end_s, start_s - event.end_s, 0.0) for event in events]
    return away_s.index(min(away_s))


def _parted(
    spans: list[Span], gap_s: float | None, segments: list[tuple[float, float]]
) -> list[list[Span]]:
    """Spans in groups, in order: parted by more than `gap_s` that hold none of the segments."""
    groups: list[list[Span]] = []
    reached_s = -math.inf
    for span in sorted(spans, key=lambda each: each.start_s):
        parted = gap_s is not None and span.start_s - reached_s > gap_s + ADJACENT_S
        if not groups or (parted and not _holds_any(reached_s, span.start_s, segments)):
            groups.append([])
        groups[-1].append(span)
        reached_s = max(reached_s, span.end_s)
    return groups


def _holds_any(from_s: float, to_s: float, segments: list[tuple[float, float]]) -> bool:
    return any(
        start_s >= from_s - ADJACENT_S and end_s <= to_s + ADJACENT_S for start_s, end_s in segments
    )


def _channel_spans(
    rows: pd.DataFrame,
    detected: npt.NDArray[np.bool_],
    threshold: float,
    gap_s: float | None,
) -> list[Span]:
    """Spans of the detections among the rows of one channel, which follow each other."""
    starts, ends = (rows[name].to_numpy(dtype=np.float64) for name in ("start_s", "end_s"))
    columns = evidence_columns(rows)
    evidence = rows[columns].to_numpy(dtype=np.float64).reshape(len(rows), len(columns))
    begun = starts[:, None] + EVIDENCE_S * np.arange(len(columns))
    # The last segment of a title was made longer by mirroring it.
    heard = begun < ends[:, None] - ADJACENT_S
    windows = Windows(
        values=evidence[heard],
        starts_s=begun[heard],
        ends_s=np.minimum(begun + EVIDENCE_S, ends[:, None])[heard],
        rows=np.nonzero(heard)[0],
    )
    touching: dict[int, list[Run]] = {}
    for run in windows.runs(threshold, gap_s):
        for row in range(windows.rows[run.first], windows.rows[run.stop - 1] + 1):
            touching.setdefault(row, []).append(run)
    spans: list[Span] = []
    for row in np.flatnonzero(detected).tolist():
        runs = touching.get(row, [])
        enough = [run for run in runs if gathers_enough(run, threshold)]
        spans += (
            [Span(*windows.times(run), row, sure=True) for run in enough]
            or [Span(*windows.times(run), row) for run in windows.higher(row) or runs]
            or [Span(starts[row], ends[row], row)]
        )
    return spans
