"""Edit lists and marker files: read back by a parser of their own grammar and by OpenTimelineIO."""

import re
from fractions import Fraction
from xml.etree import ElementTree

import pytest

from padam.detection.reports.edl import edit_list, resolve_markers
from padam.detection.reports.markers import xmeml_markers
from padam.detection.reports.smpte import FrameRate

from .documents import NASTY, RATE, document, event, three_events

EDIT = re.compile(
    r"(?P<number>\d{3,})  (?P<reel>\w{1,8}) +(?P<channel>AA/V|AA|V) +C +"
    r"(?P<source_in>\S{11}) (?P<source_out>\S{11}) (?P<record_in>\S{11}) (?P<record_out>\S{11})"
)
LOCATOR = re.compile(r"\* LOC: (?P<at>\S{11}) (?P<colour>[A-Z]+) +(?P<text>.+)")
MARKER = re.compile(
    r"(?P<note>[^|]*) \|C:(?P<colour>ResolveColor\w+) \|M:(?P<name>[^|]*) \|D:(?P<length>\d+)"
)
LONG = [
    ((24000, 1001), "01:00:00:00"),
    ((25, 1), "10:00:00:00"),
    ((30000, 1001), "01:00:00;00"),
    ((30000, 1001), "00:59:58:00"),
]
AFTER_TWO_HOURS = [
    event(1, 7200 * RATE + 7, 7203 * RATE + 11, "blocker", {"hum": 0.9}),
    event(2, 7205 * RATE, 7205 * RATE + 1, "fyi", {"clicks": 0.9}),
]


def frames(rate, event):
    """In and out (exclusive) of an event by fractions: no frame of it missing, none too many."""
    exact = [
        Fraction(event[name], RATE) * Fraction(*rate) for name in ("start_sample", "end_sample")
    ]
    return exact[0].__floor__(), exact[1].__ceil__()


def edits(text):
    return [found for line in text.splitlines() if (found := EDIT.fullmatch(line))]


@pytest.mark.parametrize(("rate", "start"), LONG)
def test_edits_after_two_hours_lie_where_their_samples_do(rate, start):
    text = edit_list(document(AFTER_TWO_HOURS, frame_rate=rate, start=start))
    drop = ";" in start
    lines = text.splitlines()
    assert lines[:2] == ["TITLE: film.mov", f"FCM: {'DROP' if drop else 'NON-DROP'} FRAME"]
    counted = FrameRate(Fraction(*rate), drop)
    found = edits(text)
    assert [one["number"] for one in found] == ["001", "002"]
    for one, expected in zip(found, AFTER_TWO_HOURS, strict=True):
        assert one["channel"] == "AA/V"
        assert (one["source_in"], one["source_out"]) == (one["record_in"], one["record_out"])
        read = tuple(
            counted.frame(one[name]) - counted.frame(start) for name in ("source_in", "source_out")
        )
        assert read == frames(rate, expected)
    locators = [one for line in lines if (one := LOCATOR.fullmatch(line))]
    assert [one["at"] for one in locators] == [one["record_in"] for one in found]
    assert [one["colour"] for one in locators] == ["RED", "CYAN"]
    assert locators[0]["text"] == "blocker: hum 0.90 (FL FR, score 0.88)"


@pytest.mark.parametrize(("rate", "start"), LONG)
def test_another_reader_finds_the_same_edits(rate, start):
    otio = pytest.importorskip("opentimelineio", reason="opentimelineio is not installed")
    pytest.importorskip("otio_cmx3600_adapter", reason="otio-cmx3600-adapter is not installed")
    fps = float(Fraction(*rate))
    text = edit_list(document(AFTER_TWO_HOURS, frame_rate=rate, start=start))
    timeline = otio.adapters.read_from_string(text, "cmx_3600", rate=fps)
    assert [track.kind for track in timeline.tracks] == ["Video", "Audio", "Audio"]
    offset = otio.opentime.from_timecode(start, fps).value
    for track in timeline.tracks:
        clips = list(track.find_clips())
        assert [clip.name for clip in clips] == ["film.mov", "film.mov"]
        for clip, expected in zip(clips, AFTER_TWO_HOURS, strict=True):
            first = clip.source_range.start_time.value - offset
            last = first + clip.source_range.duration.value
            assert (first, last) == frames(rate, expected)
        if ";" not in start:  # this reader takes no locators with drop-frame timecode
            assert [clip.markers[0].color for clip in clips] == ["RED", "CYAN"]


def test_another_reader_takes_sound_without_pictures_and_a_clean_title():
    otio = pytest.importorskip("opentimelineio", reason="opentimelineio is not installed")
    pytest.importorskip("otio_cmx3600_adapter", reason="otio-cmx3600-adapter is not installed")
    sound = edit_list(document(three_events(), frame_rate=None, start=None))
    timeline = otio.adapters.read_from_string(sound, "cmx_3600", rate=25)
    assert [len(list(track.find_clips())) for track in timeline.tracks] == [3, 3]
    clean = otio.adapters.read_from_string(edit_list(document()), "cmx_3600", rate=25)
    assert list(clean.find_clips()) == []


@pytest.mark.parametrize(
    ("file", "reel"),
    [
        ("Überfahrt, Rolle 3.mov", "UBERFAHR"),
        ("🎬.mov", "AX"),
        ("a.b.mxf", "AB"),
        (NASTY, "ABCDEMXU"),
    ],
)
def test_reels_are_what_the_format_allows(file, reel):
    text = edit_list(document(three_events(), file=file))
    assert {one["reel"] for one in edits(text)} == {reel}
    assert len(edits(text)) == 3


def test_an_event_over_midnight_wraps():
    made = document([event(1, RATE, 3 * RATE)], start="23:59:58:00")
    (one,) = edits(edit_list(made))
    assert (one["record_in"], one["record_out"]) == ("23:59:59:00", "00:00:01:00")


@pytest.mark.parametrize(("rate", "start"), LONG)
def test_resolve_s_markers_begin_and_last_as_the_events(rate, start):
    text = resolve_markers(document(AFTER_TWO_HOURS, frame_rate=rate, start=start))
    counted = FrameRate(Fraction(*rate), ";" in start)
    markers = [found for line in text.splitlines() if (found := MARKER.fullmatch(line))]
    assert [one["colour"] for one in markers] == ["ResolveColorRed", "ResolveColorCyan"]
    assert [one["name"] for one in markers] == ["hum", "clicks"]
    for edit, marker, expected in zip(edits(text), markers, AFTER_TWO_HOURS, strict=True):
        first, last = frames(rate, expected)
        assert counted.frame(edit["record_in"]) - counted.frame(start) == first
        assert counted.frame(edit["record_out"]) - counted.frame(start) == first + 1
        assert int(marker["length"]) == last - first


def test_a_bar_does_not_end_resolve_s_note():
    made = document(three_events())
    made["title"]["channel_names"] = ["L|C:ResolveColorPink", "R"]
    markers = [MARKER.fullmatch(line) for line in resolve_markers(made).splitlines()]
    assert [one["colour"] for one in markers if one] == [
        "ResolveColorYellow",
        "ResolveColorCyan",
        "ResolveColorRed",
    ]


def sequence(made):
    return ElementTree.fromstring(xmeml_markers(made)).find("sequence")


@pytest.mark.parametrize(("rate", "start"), LONG)
def test_xmeml_has_the_title_s_rate_start_and_markers(rate, start):
    made = document(AFTER_TWO_HOURS, frame_rate=rate, start=start)
    found = sequence(made)
    assert found.findtext("rate/timebase") == str(round(rate[0] / rate[1]))
    assert found.findtext("rate/ntsc") == ("TRUE" if rate[1] == 1001 else "FALSE")
    assert found.findtext("timecode/string") == start
    assert found.findtext("timecode/displayformat") == ("DF" if ";" in start else "NDF")
    spans = [
        (int(marker.findtext("in")), int(marker.findtext("out"))) for marker in found.iter("marker")
    ]
    assert spans == [frames(rate, one) for one in AFTER_TWO_HOURS]
    length = Fraction(7300) * Fraction(*rate)
    assert int(found.findtext("duration")) == length.__ceil__()


@pytest.mark.parametrize(("rate", "start"), LONG)
def test_another_reader_finds_the_same_markers(rate, start):
    otio = pytest.importorskip("opentimelineio", reason="opentimelineio is not installed")
    pytest.importorskip("otio_fcp_adapter", reason="otio-fcp-adapter is not installed")
    text = xmeml_markers(document(AFTER_TWO_HOURS, frame_rate=rate, start=start, file=NASTY))
    timeline = otio.adapters.read_from_string(text, "fcp_xml")
    assert timeline.name.startswith("a&b <c> \"d\" 'e' 🎬")
    spans = [
        (marker.marked_range.start_time.value, marker.marked_range.end_time_exclusive().value)
        for marker in timeline.tracks.markers
    ]
    assert spans == [frames(rate, one) for one in AFTER_TWO_HOURS]
    assert [marker.name for marker in timeline.tracks.markers] == ["blocker: hum", "fyi: clicks"]
    (clip,) = timeline.find_clips()
    assert clip.name == timeline.name


def test_xmeml_of_a_title_whose_events_outlast_its_declared_duration():
    made = document([event(1, 0, 7400 * RATE)])
    assert int(sequence(made).findtext("duration")) == 7400 * 25
