"""Detections documents of titles that never were, as the report formats take them."""

import copy

from padam.detection.reports.timecode import timecode
from padam.detection.severity import SeverityRules

RATE = 48_000

NASTY = "a&b <c> \"d\" 'e' 🎬 |M:x\tü\nz\x07 \udcff.mov"
"""A file name with all that breaks careless writers; the last sign stands for a byte, 0xff."""


def event(number, start_sample, end_sample, severity="issue", defects=None, channels=(0, 1)):
    """An event of the contract; defects: {name: probability}, likeliest first."""
    return {
        "id": number,
        "start_s": round(start_sample / RATE, 6),
        "end_s": round(end_sample / RATE, 6),
        "start_sample": start_sample,
        "end_sample": end_sample,
        "start_timecode": timecode(start_sample / RATE),
        "end_timecode": timecode(end_sample / RATE),
        "channels": list(channels),
        "peak_score": 0.875,
        "severity": severity,
        "defects": [
            {"defect": name, "probability": value} for name, value in (defects or {}).items()
        ],
    }


def document(events=(), file="film.mov", frame_rate=(25, 1), start="01:00:00:00", **changes):
    """A document of a two-hour title; frame_rate: (numerator, denominator) or None."""
    order = ["fyi", "issue", "blocker"]
    severities = [one["severity"] for one in events]
    made = {
        "schema_version": "2.2",
        "tool": {"name": "padam", "version": "0.1.0"},
        "title": {
            "file": file,
            "duration_s": 7300.0,
            "sample_rate": RATE,
            "channels": 2,
            "scored_channels": 2,
            "channel_names": ["FL", "FR"],
            "frame_rate": frame_rate and {"numerator": frame_rate[0], "denominator": frame_rate[1]},
            "start_timecode": start,
            "audio_start_s": 0.0,
        },
        "model": {
            "scorer": "padam",
            "name": "padam-test",
            "sha256": "0123456789abcdef" * 4,
            "version": "3",
            "run_id": None,
            "segment_s": 10.0,
            "threshold": 0.5,
            "filter": {"x_s": 0.0, "y_s": 0.0},
            "operating_point": None,
            "event_gap_s": 4.0,
            "severity_rules": SeverityRules().model_dump(),
        },
        "verdict": "defective" if events else "clean",
        "severity": max(severities, key=order.index, default=None),
        "events": copy.deepcopy(list(events)),
        "segments": [
            {
                "start_s": 0.0,
                "end_s": 10.0,
                "channel_scores": [0.1, None],
                "above_threshold": False,
                "flagged": False,
                "defects": {"hum": 0.1, "clicks": 0.2},
                "evidence": None,
            }
        ],
        "warnings": [],
        "fingerprint": None,
    }
    return made | changes


def three_events():
    """A hum with clicks, a short drop of one channel, and a packet loss of an hour later."""
    return [
        event(1, 96_000, 480_000, "issue", {"hum": 0.9, "clicks": 0.6, "hiss": 0.1}),
        event(2, 960_001, 984_001, "fyi", {"drops": 0.4, "hum": 0.2}, channels=(1,)),
        event(3, 3600 * RATE, 3610 * RATE, "blocker", {"packet_loss": 0.8}, channels=(0,)),
    ]


def unnamed(made):
    """The document as a scorer leaves it that names no kinds of defect."""
    made = copy.deepcopy(made)
    for part in (*made["events"], *made["segments"]):
        part["defects"] = type(part["defects"])()
    return made


def undetermined():
    """A title that nobody could judge."""
    made = unnamed(document())
    return made | {"verdict": "undetermined", "warnings": ["no segment could be scored"]}
