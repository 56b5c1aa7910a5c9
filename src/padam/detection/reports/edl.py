"""Edit decision lists: CMX 3600 for Avid and Resolve, and Resolve's list of timeline markers."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath
from typing import Final

from padam.detection.reports.json_report import Document
from padam.detection.reports.labels import UNNAMED, description, kinds, text_of
from padam.detection.reports.options import DEFAULTS, ReportOptions
from padam.detection.reports.smpte import Timebase
from padam.detection.reports.text import one_line
from padam.detection.severity import Severity

_LOCATOR_COLOURS: Final[dict[Severity, str]] = {
    "fyi": "CYAN",
    "issue": "YELLOW",
    "blocker": "RED",
}
_RESOLVE_COLOURS: Final[dict[Severity, str]] = {
    "fyi": "ResolveColorCyan",
    "issue": "ResolveColorYellow",
    "blocker": "ResolveColorRed",
}


def edit_list(document: Document, options: ReportOptions = DEFAULTS) -> str:
    """The events as edits at their own place in the title, each with a locator (`* LOC:`).

    Source and record are the title's timecode, out points exclusive. A title with pictures is cut
    with its first two channels (AA/V), one without is sound (AA). A clean title's list is empty.
    """
    timebase = Timebase.of(document, options.fps)
    channel = "AA" if document["title"]["frame_rate"] is None else "AA/V"
    lines = _head(document, timebase)
    for number, event in enumerate(document["events"], start=1):
        first, last = (timebase.timecode(frame) for frame in timebase.frames(event))
        note = one_line(description(event, document))
        lines += [
            f"{number:03d}  {_reel(document):<8} {channel:<5} C        "
            f"{first} {last} {first} {last}",
            f"* FROM CLIP NAME: {one_line(document['title']['file'])}",
            f"* LOC: {first} {_LOCATOR_COLOURS[event['severity']]:<7} {note}",
            *_notes(number, timebase),
        ]
    return "\n".join(lines) + "\n"


def resolve_markers(document: Document, options: ReportOptions = DEFAULTS) -> str:
    """The events as timeline markers of DaVinci Resolve, `D` their length in frames.

    To import: right-click the timeline in the Media Pool, Timelines, Import, Timeline Markers from
    EDL. The timeline must start at the title's timecode.
    """
    timebase = Timebase.of(document, options.fps)
    lines = _head(document, timebase)
    for number, event in enumerate(document["events"], start=1):
        first, last = timebase.frames(event)
        at, after = timebase.timecode(first), timebase.timecode(first + 1)
        # a bar would end the field
        note = one_line(description(event, document)).replace("|", "/")
        name = ", ".join(map(text_of, kinds(event))) or UNNAMED
        colour = _RESOLVE_COLOURS[event["severity"]]
        lines += [
            f"{number:03d}  001      V     C        {at} {after} {at} {after}",
            f"{note} |C:{colour} |M:{one_line(name)} |D:{last - first}",
            *_notes(number, timebase),
            "",
        ]
    return "\n".join(lines) + "\n"


def _head(document: Document, timebase: Timebase) -> list[str]:
    counted = "DROP FRAME" if timebase.rate.drop_frame else "NON-DROP FRAME"
    return [f"TITLE: {one_line(document['title']['file'])}", f"FCM: {counted}", ""]


def _notes(number: int, timebase: Timebase) -> list[str]:
    """The timebase's notes as comments of the first event: some readers allow none before it."""
    return [f"* COMMENT: {one_line(note)}" for note in timebase.notes if number == 1]


def _reel(document: Document) -> str:
    """At most eight letters and digits, as CMX 3600 has reels; AX where the name has none."""
    stem = unicodedata.normalize("NFKD", PurePath(document["title"]["file"]).stem)
    return re.sub(r"[^A-Z0-9]", "", stem.upper())[:8] or "AX"
