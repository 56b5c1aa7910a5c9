"""detections.json: the verdict on one title for people and machines.

The document follows `detections.schema.json` beside this module. The schema's version grows in its
second number when fields are added, in its first when a reader must change.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import padam
from padam.audio.media import MediaInfo
from padam.audio.storage import written_whole
from padam.detection.events import Event
from padam.detection.operating_point import OperatingPoint
from padam.detection.reports.timecode import timecode
from padam.detection.scorers.base import (
    EVIDENCE_S,
    PROBABILITY_PREFIX,
    PackagedScorer,
    Scorer,
    evidence_columns,
)
from padam.detection.severity import SeverityRules, worst

SCHEMA_VERSION = "2.2"

Document = dict[str, Any]


def detections_document(
    info: MediaInfo,
    channels: Sequence[str],
    scorer: Scorer,
    point: OperatingPoint,
    scores: pd.DataFrame,
    segments: pd.DataFrame,
    events: Sequence[Event],
    warnings: Sequence[str] = (),
    fingerprint: str | None = None,
    *,
    rules: SeverityRules | None = None,
    event_gap_s: float | None = None,
) -> Document:
    """The document of a scanned title, ready for `json.dumps`.

    scores: rows per segment and channel (`Scorer.score`); segments: the table of `flag_segments`;
    channels: names of those that were scored, after any downmix. rules and event_gap_s: what events
    were graded and parted by. Scores that could not be given are null. Samples are counted at the
    file's rate.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "padam", "version": padam.__version__},
        "title": {
            "file": Path(info.path).name,
            "duration_s": _rounded(info.duration_s),
            "sample_rate": info.sample_rate,
            "channels": info.channels,
            "scored_channels": len(channels),
            "channel_names": list(channels),
            "frame_rate": _fraction(info.frame_rate),
            "start_timecode": info.start_timecode,
            "audio_start_s": _rounded(info.audio_start_s),
        },
        "model": {
            "scorer": scorer.name,
            **_packaged(scorer),
            "version": scorer.version,
            "run_id": scorer.run_id,
            "segment_s": scorer.segment_s,
            "threshold": _rounded(point.threshold),
            "filter": {"x_s": point.filter.x_s, "y_s": point.filter.y_s},
            "operating_point": point.name,
            "event_gap_s": event_gap_s,
            "severity_rules": (rules or SeverityRules()).model_dump(),
        },
        "verdict": _verdict(segments, point.threshold),
        "severity": worst([event.severity for event in events]),
        "events": [_event(event, n, info.sample_rate) for n, event in enumerate(events, 1)],
        "segments": _segments(scores, segments),
        "warnings": list(warnings),
        "fingerprint": fingerprint,
    }


def schema() -> Document:
    """The JSON Schema (draft 2020-12) of the document."""
    text = files(__package__).joinpath("detections.schema.json").read_text(encoding="utf-8")
    loaded: Document = json.loads(text)
    return loaded


def write_document(document: Document, path: str | Path) -> None:
    """Write detections.json whole or not at all; the folder is made where it is missing."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    with written_whole(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def _packaged(scorer: Scorer) -> Document:
    if not isinstance(scorer, PackagedScorer):
        return {"name": None, "sha256": None}
    return {"name": scorer.model_name, "sha256": scorer.model_sha256}


def _verdict(segments: pd.DataFrame, threshold: float) -> str:
    if segments["flagged"].any():
        return "defective"
    # A title that nobody could judge must not read as a clean one.
    judged = math.isfinite(threshold) and segments["score"].notna().any()
    return "clean" if judged else "undetermined"


def _segments(scores: pd.DataFrame, segments: pd.DataFrame) -> list[Document]:
    by_start = {start: rows.sort_values("channel") for start, rows in scores.groupby("start_s")}
    columns = evidence_columns(scores)
    return [
        {
            "start_s": _rounded(row["start_s"]),
            "end_s": _rounded(row["end_s"]),
            "channel_scores": [_rounded(value) for value in by_start[row["start_s"]]["score"]],
            "above_threshold": bool(row["above_threshold"]),
            "flagged": bool(row["flagged"]),
            "defects": _defects(by_start[row["start_s"]]),
            "evidence": _evidence(by_start[row["start_s"]], columns) if row["flagged"] else None,
        }
        for row in segments.to_dict("records")
    ]


def _evidence(channels: pd.DataFrame, columns: list[str]) -> list[list[float | None]] | None:
    """Scores of each 0.4 s that lies in the segment, a list a channel; None without evidence."""
    length_s = float(channels["end_s"].iloc[0] - channels["start_s"].iloc[0])
    within = columns[: math.ceil(length_s / EVIDENCE_S - 1e-6)]
    if not within:
        return None
    return [[_rounded(value) for value in row] for row in channels[within].to_numpy(np.float64)]


def _defects(channels: pd.DataFrame) -> Document:
    """Probability of each defect in the worst of a segment's channels."""
    judged = channels[channels["score"].notna()].to_dict("records")
    worst = max(judged, key=lambda row: float(row["score"]), default={})
    return {
        str(name).removeprefix(PROBABILITY_PREFIX): _rounded(value)
        for name, value in worst.items()
        if str(name).startswith(PROBABILITY_PREFIX)
    }


def _event(event: Event, number: int, sample_rate: int) -> Document:
    return {
        "id": number,
        "start_s": _rounded(event.start_s),
        "end_s": _rounded(event.end_s),
        "start_sample": round(event.start_s * sample_rate),
        "end_sample": round(event.end_s * sample_rate),
        "start_timecode": timecode(event.start_s),
        "end_timecode": timecode(event.end_s),
        "channels": list(event.channels),
        "peak_score": _rounded(event.peak_score),
        "severity": event.severity,
        "defects": [
            {"defect": name, "probability": _rounded(value)} for name, value in event.defects
        ],
    }


def _fraction(rate: Fraction | None) -> Document | None:
    return {"numerator": rate.numerator, "denominator": rate.denominator} if rate else None


def _rounded(value: float) -> float | None:
    return round(float(value), 6) if math.isfinite(value) else None
