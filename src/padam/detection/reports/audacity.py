"""audacity_labels.txt: a label track, which Audacity and Tenacity import beside the sound."""

from __future__ import annotations

from padam.detection.reports.json_report import Document
from padam.detection.reports.labels import description
from padam.detection.reports.options import DEFAULTS, ReportOptions
from padam.detection.reports.text import one_line


def audacity_labels(document: Document, options: ReportOptions = DEFAULTS) -> str:
    """Start, end (seconds from the title's start, to the microsecond) and label, tab-separated."""
    return "".join(
        f"{event['start_s']:.6f}\t{event['end_s']:.6f}\t{one_line(description(event, document))}\n"
        for event in document["events"]
    )
