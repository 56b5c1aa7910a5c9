"""events.csv: one row an event, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

from padam.detection.reports.json_report import Document
from padam.detection.reports.labels import LABELS, channels, kinds
from padam.detection.reports.options import DEFAULTS, ReportOptions
from padam.detection.reports.smpte import Timebase
from padam.detection.reports.text import one_line

COLUMNS: Final = (
    "title",
    "event",
    "severity",
    "start_s",
    "end_s",
    "duration_s",
    "start_timecode",
    "end_timecode",
    "smpte_in",
    "smpte_out",
    "start_sample",
    "end_sample",
    "sample_rate",
    "channels",
    "peak_score",
    "defect",
    "probability",
    "defects",
    "ebu_qc",
    "netflix",
)


def csv_table(document: Document, options: ReportOptions = DEFAULTS) -> str:
    """The events as CSV (RFC 4180, comma, decimal point); a clean title is the header alone.

    Times are seconds from the title's start; `smpte_in` and `smpte_out` (exclusive) are empty where
    the title has no frame rate. Lists within a cell are parted by spaces. `defect` is the likeliest
    kind, `defects` all that the event counts as.
    """
    timebase = Timebase.of(document, options.fps)
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for event in document["events"]:
        row = _row(event, document, timebase)
        writer.writerow([row[name] for name in COLUMNS])
    return lines.getvalue()


def _row(event: dict[str, Any], document: Document, timebase: Timebase) -> dict[str, object]:
    title = document["title"]
    first, last = timebase.frames(event)
    has_frames = title["frame_rate"] is not None
    likeliest = event["defects"][0] if event["defects"] else {}
    labels = [LABELS[kind] for kind in kinds(event) if kind in LABELS]
    return {
        "title": one_line(title["file"]),
        "event": event["id"],
        "severity": event["severity"],
        "start_s": event["start_s"],
        "end_s": event["end_s"],
        "duration_s": round(event["end_s"] - event["start_s"], 6),
        "start_timecode": event["start_timecode"],
        "end_timecode": event["end_timecode"],
        "smpte_in": timebase.timecode(first) if has_frames else "",
        "smpte_out": timebase.timecode(last) if has_frames else "",
        "start_sample": event["start_sample"],
        "end_sample": event["end_sample"],
        "sample_rate": title["sample_rate"],
        "channels": " ".join(channels(event, document)),
        "peak_score": event["peak_score"],
        "defect": likeliest.get("defect", ""),
        "probability": likeliest.get("probability", ""),
        "defects": " ".join(kinds(event)),
        "ebu_qc": " ".join(label.ebu.identifier for label in labels if label.ebu),
        "netflix": "; ".join(dict.fromkeys(label.netflix for label in labels if label.netflix)),
    }
