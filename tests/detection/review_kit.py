"""A scanned title of known content: its sound, and a document about it as a scan would write it."""

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from padam.detection.reports.timecode import timecode
from padam.detection.severity import SeverityRules

RATE = 48_000
SEGMENT_S = 10.0
EVIDENCE_S = 0.4
SEVERITIES = ("blocker", "issue", "fyi")


def event(
    number: int, start_s: float, end_s: float, channels: list[int], **defects: float
) -> dict[str, Any]:
    return {
        "id": number,
        "start_s": start_s,
        "end_s": end_s,
        "start_sample": round(start_s * RATE),
        "end_sample": round(end_s * RATE),
        "start_timecode": timecode(start_s),
        "end_timecode": timecode(end_s),
        "channels": channels,
        "peak_score": 0.9,
        "severity": SEVERITIES[(number - 1) % 3],
        "defects": [{"defect": name, "probability": p} for name, p in defects.items()],
    }


def document_of(
    events: list[dict[str, Any]],
    duration_s: float = 60.0,
    names: tuple[str, ...] = ("FL", "FR"),
    file: str = "title.wav",
    channels: int | None = None,
    threshold: float | None = 0.5,
) -> dict[str, Any]:
    """Scores are 0.9 in the channels of an event while it lasts, and 0.1 elsewhere."""

    def score(start_s: float, end_s: float, channel: int) -> float:
        return max(
            [0.1]
            + [
                each["peak_score"]
                for each in events
                if channel in each["channels"] and each["start_s"] < end_s > start_s < each["end_s"]
            ]
        )

    segments = []
    for start_s in np.arange(0, duration_s, SEGMENT_S).tolist():
        end_s = min(start_s + SEGMENT_S, duration_s)
        scores = [score(start_s, end_s, channel) for channel in range(len(names))]
        flagged = threshold is not None and max(scores) >= threshold
        pieces = np.arange(start_s, end_s, EVIDENCE_S).tolist()
        evidence = [
            [score(at, at + EVIDENCE_S, channel) for at in pieces] for channel in range(len(names))
        ]
        segments.append(
            {
                "start_s": start_s,
                "end_s": end_s,
                "channel_scores": scores,
                "above_threshold": flagged,
                "flagged": flagged,
                "defects": {},
                "evidence": evidence if flagged else None,
            }
        )
    severities = [name for name in SEVERITIES if any(e["severity"] == name for e in events)]
    return {
        "schema_version": "2.2",
        "fingerprint": "0" * 64,
        "tool": {"name": "padam", "version": "0.1.0"},
        "title": {
            "file": file,
            "duration_s": duration_s,
            "sample_rate": RATE,
            "channels": channels or len(names),
            "scored_channels": len(names),
            "channel_names": list(names),
            "frame_rate": {"numerator": 30000, "denominator": 1001},
            "start_timecode": "01:00:00;00",
            "audio_start_s": 0.0,
        },
        "model": {
            "scorer": "padam",
            "name": None,
            "sha256": None,
            "version": "1",
            "run_id": "0123abcd",
            "segment_s": SEGMENT_S,
            "threshold": threshold,
            "filter": {"x_s": 10, "y_s": 20},
            "operating_point": None,
            "event_gap_s": None,
            "severity_rules": SeverityRules().model_dump(),
        },
        "verdict": "defective" if events else "clean",
        "severity": severities[0] if severities else None,
        "events": events,
        "segments": segments,
        "warnings": [],
    }


def three_events() -> list[dict[str, Any]]:
    return [
        event(1, 12.0, 15.5, [1], hiss=0.93, hum=0.12),
        event(2, 33.25, 33.75, [0, 1], clicks=0.71),
        event(3, 41.0, 58.0, [0]),
    ]


def sound_of(events: list[dict[str, Any]], duration_s: float = 60.0, channels: int = 2):
    """A tone of 220 Hz throughout; white noise over it in the channels of an event."""
    rng = np.random.default_rng(0)
    time_s = np.arange(round(duration_s * RATE)) / RATE
    audio = np.tile(0.05 * np.sin(2 * np.pi * 220 * time_s), (channels, 1)).astype(np.float32)
    for each in events:
        where = slice(each["start_sample"], each["end_sample"])
        for channel in each["channels"]:
            noise = 0.2 * rng.standard_normal(each["end_sample"] - each["start_sample"])
            audio[channel, where] += noise.astype(np.float32)
    return audio


def write_title(path: Path, events: list[dict[str, Any]], **sound: Any) -> Path:
    soundfile.write(path, sound_of(events, **sound).T, RATE, subtype="PCM_16")
    return path
