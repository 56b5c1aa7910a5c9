"""markers.xml: a sequence with markers in Final Cut Pro 7's interchange format (xmeml 5).

Premiere Pro and DaVinci Resolve import it.
"""

from __future__ import annotations

from xml.etree import ElementTree

from padam.detection.reports.json_report import Document
from padam.detection.reports.labels import UNNAMED, description, kinds, text_of
from padam.detection.reports.options import DEFAULTS, ReportOptions
from padam.detection.reports.smpte import Timebase
from padam.detection.reports.text import child, one_line, xml_text


def xmeml_markers(document: Document, options: ReportOptions = DEFAULTS) -> str:
    """The title as a sequence of its own length, start timecode and sound, a marker an event.

    `in` and `out` (exclusive) are frames from the sequence's start. The clip names the title's file
    without its folder: the editing program asks where it is.
    """
    timebase = Timebase.of(document, options.fps)
    root = ElementTree.Element("xmeml", version="5")
    sequence = child(root, "sequence", id="sequence-1")
    name = one_line(document["title"]["file"])
    length = timebase.title_frames(document)
    child(sequence, "name", name)
    child(sequence, "duration", length)
    _rate(sequence, timebase)
    _timecode(sequence, timebase)
    media = child(sequence, "media")
    child(child(media, "video"), "track")
    _clip(child(child(media, "audio"), "track"), document, timebase, length)
    for note in timebase.notes:
        _marker(sequence, "Frame rate", note, 0, -1)
    for event in document["events"]:
        kind = ", ".join(map(text_of, kinds(event))) or UNNAMED
        _marker(
            sequence,
            f"{event['severity']}: {kind}",
            description(event, document),
            *timebase.frames(event),
        )
    return xml_text(root, doctype="xmeml")


def _clip(track: ElementTree.Element, document: Document, timebase: Timebase, length: int) -> None:
    title = document["title"]
    clip = child(track, "clipitem", id="clipitem-1")
    child(clip, "name", one_line(title["file"]))
    child(clip, "duration", length)
    _rate(clip, timebase)
    for name, frame in (("start", 0), ("end", length), ("in", 0), ("out", length)):
        child(clip, name, frame)
    file = child(clip, "file", id="file-1")
    child(file, "name", one_line(title["file"]))
    child(file, "duration", length)
    _rate(file, timebase)
    _timecode(file, timebase)
    audio = child(child(file, "media"), "audio")
    child(child(audio, "samplecharacteristics"), "samplerate", title["sample_rate"])
    child(audio, "channelcount", title["channels"])
    source = child(clip, "sourcetrack")
    child(source, "mediatype", "audio")
    child(source, "trackindex", 1)


def _marker(sequence: ElementTree.Element, name: str, comment: str, first: int, last: int) -> None:
    marker = child(sequence, "marker")
    child(marker, "name", one_line(name))
    child(marker, "comment", one_line(comment))
    child(marker, "in", first)
    child(marker, "out", last)


def _rate(parent: ElementTree.Element, timebase: Timebase) -> None:
    rate = child(parent, "rate")
    child(rate, "timebase", timebase.rate.base)
    child(rate, "ntsc", "TRUE" if timebase.rate.fps.denominator == 1001 else "FALSE")


def _timecode(parent: ElementTree.Element, timebase: Timebase) -> None:
    timecode = child(parent, "timecode")
    _rate(timecode, timebase)
    child(timecode, "string", timebase.timecode(0))
    child(timecode, "frame", timebase.start_frame)
    child(timecode, "displayformat", "DF" if timebase.rate.drop_frame else "NDF")
