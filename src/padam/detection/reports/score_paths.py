"""The scores of a title against time, as SVG paths on `WIDTH` by `HEIGHT` units."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from padam.detection.reports.timecode import timecode

WIDTH, HEIGHT = 1000, 100

Document = dict[str, Any]
Steps = list[tuple[float, float, float | None]]
Axis = Callable[[float], float]

_STEPS_S = (0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_MOST_TICKS = 6
# a text further right would stand out of the page
_LAST_TICK = 0.97
_EVIDENCE_S = 0.4


def timeline(document: Document, names: Sequence[str], end_s: float) -> Document:
    """Paths of each channel's scores; the vertical axis holds 0 to 1 at least."""
    segments, threshold = document["segments"], document["model"]["threshold"]
    values = [
        value for segment in segments for value in segment["channel_scores"] if value is not None
    ]
    low, high = min([0.0, *values]), max([1.0, *values])

    def y(value: float) -> float:
        return round(HEIGHT * (high - value) / (high - low), 2)

    def x(time_s: float) -> float:
        return round(WIDTH * time_s / end_s, 3)

    channels = []
    for number, name in enumerate(names):
        coarse = [
            (segment["start_s"], segment["end_s"], segment["channel_scores"][number])
            for segment in segments
        ]
        spans = [
            {"id": event["id"], "severity": event["severity"], "x": x(event["start_s"])}
            | {"width": max(0.0, round(x(event["end_s"]) - x(event["start_s"]), 3))}
            for event in document["events"]
            if number in event["channels"]
        ]
        judged = [value for _, _, value in coarse if value is not None]
        channels.append(
            {
                "name": name,
                "scores": _stairs(coarse, x, y),
                "evidence": _stairs(_evidence(segments, number), x, y),
                "spans": spans,
                "highest": f"{max(judged):.2f}" if judged else "none",
            }
        )
    return {
        "channels": channels,
        "threshold": None if threshold is None else y(threshold),
        "low": f"{low:g}",
        "high": f"{high:g}",
        "flagged": [
            {"x": x(segment["start_s"]), "width": x(segment["end_s"]) - x(segment["start_s"])}
            for segment in segments
            if segment["flagged"]
        ],
    }


def _evidence(segments: list[Document], channel: int) -> Steps:
    return [
        (start_s, min(start_s + _EVIDENCE_S, segment["end_s"]), value)
        for segment in segments
        if segment["evidence"] is not None
        for number, value in enumerate(segment["evidence"][channel])
        if (start_s := segment["start_s"] + _EVIDENCE_S * number) < segment["end_s"]
    ]


def _stairs(steps: Steps, x: Axis, y: Axis) -> str:
    """SVG path of values that hold for a while; what was not scored leaves a gap."""
    path = []
    at_s = -1.0
    for start_s, end_s, value in steps:
        if value is None:
            at_s = -1.0
            continue
        adjoins = abs(start_s - at_s) < 1e-3
        path.append(f"V{y(value)}" if adjoins else f"M{x(start_s)} {y(value)}")
        path.append(f"H{x(end_s)}")
        at_s = end_s
    return "".join(path)


def time_ticks(start_s: float, end_s: float) -> list[tuple[float, str]]:
    """Places, as shares of the width, and texts of a time axis' ticks."""
    span_s = end_s - start_s
    step_s = next((step for step in _STEPS_S if span_s / step <= _MOST_TICKS), span_s / _MOST_TICKS)
    numbers = range(math.ceil(start_s / step_s), math.floor(end_s / step_s) + 1)
    ticks = [((n * step_s - start_s) / span_s, _clock(n * step_s, step_s)) for n in numbers]
    return [tick for tick in ticks if tick[0] <= _LAST_TICK]


def _clock(time_s: float, step_s: float) -> str:
    text = timecode(time_s)
    text = text.removeprefix("00:").removeprefix("0")
    return text[:-4] if step_s >= 1 else text[:-2]


def end_of(document: Document) -> float:
    """Where the time axis of a title ends, in seconds; never 0."""
    ends = [document["title"]["duration_s"], *(part["end_s"] for part in document["segments"])]
    return max([*ends, 1e-3])
