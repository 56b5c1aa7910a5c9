"""What holds for every report file: any title, any name, always the same."""

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from padam.defects.registry import DEFECT_NAMES
from padam.detection.reports.formats import FORMATS
from padam.detection.reports.html_report import html_report
from padam.detection.reports.labels import LABELS, UNNAMED, description, kinds, kinds_are_named
from padam.detection.reports.options import ReportOptions
from padam.detection.reports.smpte import RATES
from padam.detection.severity import SEVERITIES

from .documents import NASTY, document, event, three_events, undetermined, unnamed

ROOT = Path(__file__).parents[3]

TITLES = {
    "events": document(three_events()),
    "clean": document(),
    "undetermined": undetermined(),
    "unnamed": unnamed(document(three_events())),
    "sound only": document(three_events(), frame_rate=None, start=None),
    "odd rate": document(three_events(), frame_rate=(15, 1)),
    "bad timecode": document(three_events(), start="01:00:00;00"),
    "nasty": document(three_events(), file=NASTY),
}


def of_schema_2_1(made):
    """A document as it was before it told what parted and graded its events."""
    model = {k: v for k, v in made["model"].items() if k not in ("event_gap_s", "severity_rules")}
    return made | {"schema_version": "2.1", "model": model}


@pytest.mark.parametrize("name", FORMATS)
def test_documents_of_an_earlier_schema_are_read_alike(name):
    made = document(three_events())
    options, identifiers = ReportOptions(), r"urn:uuid:[0-9a-f-]+|<LastModified.*"
    texts = [FORMATS[name].text(each, options) for each in (made, of_schema_2_1(made))]
    new, old = (re.sub(identifiers, "", text) for text in texts)
    assert new == old


def test_the_page_of_a_document_of_an_earlier_schema_is_the_same():
    made = document(three_events())
    pages = [html_report(each, lambda _: "no sound") for each in (made, of_schema_2_1(made))]
    new, old = (re.sub(r"\b[0-9a-f]{16}\b", "", page) for page in pages)  # ids are digests
    assert new == old


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("name", FORMATS)
def test_every_title_has_every_file(name, title):
    made = json.loads(json.dumps(TITLES[title]))
    text = FORMATS[name].text(made, ReportOptions())
    assert text.encode("utf-8").decode("utf-8") == text
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f]", text)
    assert made == TITLES[title], "the document is not the format's to change"


def test_every_format_has_a_file_of_its_own():
    names = [one.file_name for one in FORMATS.values()]
    assert len(set(names)) == len(names)
    assert not {"detections.json", "timeline.png", "report.html"} & set(names)


@pytest.mark.parametrize("name", ["edl", "resolve", "xmeml"])
@pytest.mark.parametrize("frame_rate", RATES)
def test_the_frame_rate_of_a_title_without_one_can_be_chosen_and_is_said(name, frame_rate):
    made = TITLES["sound only"]
    text = FORMATS[name].text(made, ReportOptions(frame_rate=frame_rate))
    assert f"no frame rate: frames are counted at {frame_rate} a second" in text
    assert "no frame rate" not in FORMATS[name].text(TITLES["events"], ReportOptions())


def test_options_refuse_what_there_is_not():
    with pytest.raises(ValidationError, match=r"26.*23\.976"):
        ReportOptions(frame_rate="26")
    with pytest.raises(ValidationError, match="fyi"):
        ReportOptions(fail_on="minor")
    with pytest.raises(ValidationError, match="rate"):
        ReportOptions(rate=25)


@pytest.mark.parametrize("least", SEVERITIES)
def test_what_fails_a_check(least):
    failing = [severity for severity in SEVERITIES if ReportOptions(fail_on=least).fails(severity)]
    assert failing == list(SEVERITIES[SEVERITIES.index(least) :])


def test_every_defect_has_a_label():
    assert tuple(LABELS) == DEFECT_NAMES


def test_the_documented_table_is_the_one_in_use():
    text = (ROOT / "docs/report_formats.md").read_text(encoding="utf-8")
    rows = {
        cells[0]: cells[1:3]
        for line in text.splitlines()
        if line.startswith("| ") and (cells := [cell.strip() for cell in line.split("|")[1:-1]])
    }
    for label in LABELS.values():
        item = f"{label.ebu.identifier} {label.ebu.name} {label.ebu.version}" if label.ebu else "–"
        assert rows[label.text] == [item, label.netflix or "–"]


def test_the_documented_files_are_those_there_are():
    text = (ROOT / "docs/report_formats.md").read_text(encoding="utf-8")
    for name, one in FORMATS.items():
        assert f"| `{one.file_name}` | `{name}` |" in text


@pytest.mark.parametrize(
    ("defects", "expected"),
    [
        ({}, ()),
        ({"hum": 0.1, "hiss": 0.05}, ("hum",)),
        ({"hum": 0.9, "clicks": 0.5, "hiss": 0.49}, ("hum", "clicks")),
        ({"hum": None, "hiss": None}, ("hum",)),
    ],
)
def test_an_event_counts_as_its_likeliest_kind_and_the_likely_ones(defects, expected):
    assert kinds(event(1, 0, 10, defects=defects)) == expected


def test_scorers_that_name_no_kinds():
    assert kinds_are_named(TITLES["clean"])
    assert not kinds_are_named(TITLES["unnamed"])


def test_descriptions():
    named, other = event(1, 0, 10, "fyi", {"packet_loss": None, "hum": 0.75}), event(2, 0, 10)
    made = document([named, other])
    made["title"]["channel_names"] = ["FL"]
    assert description(named, made) == "fyi: packet loss, hum 0.75 (FL 2, score 0.88)"
    assert description(other, made) == f"issue: {UNNAMED} (FL 2, score 0.88)"
