"""Files of verdicts as the page of a report exports them."""

import csv
from pathlib import Path
from typing import Any

from padam.detection.verdicts import VERDICT_COLUMNS


def row(title: str = "a.mov", number: int = 1, verdict: str = "genuine", **other: Any) -> dict:
    """A row of a file; the title's name stands for its scan."""
    found = {
        "schema_version": "1.0",
        "title": title,
        "title_duration_s": 60.0,
        "document_id": f"{sum(ord(c) * 31**n for n, c in enumerate(title)) % 16**16:016x}",
        "segments_scored": 6,
        "segments_flagged": 2,
        "event_id": number,
        "start_s": 10.0,
        "end_s": 12.0,
        "start_timecode": "00:00:10.000",
        "channels": "FL FR",
        "severity": "issue",
        "defect": "hiss",
        "probability": 0.9,
        "peak_score": 0.8,
        "verdict": verdict,
        "sub_category": "",
        "comment": "",
        "reviewer": "ann",
        "reviewed_at": "2026-01-01T10:00:00.000Z",
    }
    return found | other


def write(path: Path, *rows: dict, columns: tuple[str, ...] = VERDICT_COLUMNS) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path
