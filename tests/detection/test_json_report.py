"""detections.json: its schema, its timecodes, and what it never says."""

import json

import jsonschema
import numpy as np
import pytest

from padam.detection.operating_point import OperatingPoint
from padam.detection.reports.json_report import schema, write_document
from padam.detection.reports.timecode import timecode
from padam.detection.scan import ScanConfig, scan_title
from padam.detection.severity import SeverityRules
from padam.detection.temporal_filter import TemporalFilter

from .conftest import LoudnessScorer


@pytest.fixture
def document(loud_title):
    return scan_title(loud_title, LoudnessScorer(OperatingPoint(0.5, TemporalFilter())))


def test_the_schema_is_a_schema_and_describes_every_field():
    jsonschema.Draft202012Validator.check_schema(schema())

    def undescribed(node, path=""):
        for name, child in node.get("properties", {}).items():
            if "description" not in child:
                yield f"{path}/{name}"
            yield from undescribed(child, f"{path}/{name}")
            yield from undescribed(child.get("items", {}), f"{path}/{name}[]")

    assert list(undescribed(schema())) == []


def test_the_page_of_the_fields_has_each_with_its_description(project):
    page = (project / "docs" / "detections.md").read_text(encoding="utf-8")

    def fields(node, path=""):
        for name, child in node.get("properties", {}).items():
            yield f"| `{path}{name}` |", f"| {child['description']} |"
            yield from fields(child, f"{path}{name}.")
            yield from fields(child.get("items", {}), f"{path}{name}[].")

    lines = page.splitlines()
    for start, end in fields(schema()):
        assert [line for line in lines if line.startswith(start) and line.endswith(end)], start


def test_the_severities_of_the_page_are_the_defaults(project):
    page = (project / "docs" / "detections.md").read_text(encoding="utf-8")
    rules = SeverityRules()
    lengths = (rules.brief_s / 2, rules.brief_s, rules.lasting_s)
    for row, score in (
        (f"under {rules.sure_score}", 0.0),
        (f"{rules.sure_score} and more", rules.sure_score),
        (f"{rules.surest_score} and more", rules.surest_score),
    ):
        cells = " | ".join(f"`{rules.of(score, length_s)}`" for length_s in lengths)
        assert f"| {row} | {cells} |" in page
    heads = (
        f"under {rules.brief_s:g} s | {rules.brief_s:g} s and more | {rules.lasting_s:g} s and more"
    )
    assert heads in page


def test_the_gap_of_the_page_is_the_default(project):
    page = (project / "docs" / "detections.md").read_text(encoding="utf-8")
    assert f"`event_gap_s`, {ScanConfig().event_gap_s:g} s" in page


def test_what_parted_and_graded_the_events_is_told(document):
    assert document["model"]["event_gap_s"] is None  # no event localiser
    assert document["model"]["severity_rules"] == SeverityRules().model_dump()


def test_a_document_follows_the_schema(document):
    jsonschema.validate(document, schema(), jsonschema.Draft202012Validator)


def test_a_document_of_padam_follows_the_schema(tiny_model, loud_title):
    padam = scan_title(loud_title, tiny_model.scorer())
    jsonschema.validate(padam, schema(), jsonschema.Draft202012Validator)
    assert padam["model"]["run_id"] == "0123abcd"
    assert padam["model"]["threshold"] == 0.6
    assert padam["model"]["filter"] == {"x_s": 10, "y_s": 20}
    assert "/" not in padam["title"]["file"]


@pytest.mark.parametrize(
    "break_it",
    [
        lambda d: d.update(verdict="fine"),
        lambda d: d.pop("events"),
        lambda d: d["events"][0].update(start_timecode="1:2:3"),
        lambda d: d["segments"][0].update(extra=1),
    ],
)
def test_the_schema_refuses_what_is_wrong(document, break_it):
    broken = json.loads(json.dumps(document))
    break_it(broken)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, schema())


@pytest.mark.parametrize(
    ("time_s", "expected"),
    [
        (0, "00:00:00.000"),
        (59.9996, "00:01:00.000"),
        (3723.0625, "01:02:03.062"),
        (360_000, "100:00:00.000"),
    ],
)
def test_timecodes(time_s, expected):
    assert timecode(time_s) == expected


def test_a_time_before_the_title_is_refused():
    with pytest.raises(ValueError, match="-1"):
        timecode(-1)


def test_writing_is_whole_and_round_trips(document, tmp_path):
    path = tmp_path / "new" / "detections.json"
    write_document(document, path)
    assert json.loads(path.read_text()) == document
    document["events"][0]["peak_score"] = np.nan
    with pytest.raises(ValueError, match="JSON"):
        write_document(document, path)
    assert json.loads(path.read_text())["events"][0]["peak_score"] is not None
    assert [p.name for p in path.parent.iterdir()] == ["detections.json"]
