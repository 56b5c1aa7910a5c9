"""junit.xml: titles as test suites, for the pages and gates of build servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from xml.etree import ElementTree

from padam.detection.reports.json_report import Document
from padam.detection.reports.labels import LABELS, UNNAMED, description, kinds, kinds_are_named
from padam.detection.reports.options import DEFAULTS, ReportOptions
from padam.detection.reports.text import child, one_line, xml_text
from padam.detection.severity import worst

_CLASS: Final = "padam"


def junit_report(document: Document, options: ReportOptions = DEFAULTS) -> str:
    """One title; see `junit_of_titles`."""
    return junit_of_titles([document], options)


def junit_of_titles(documents: Sequence[Document], options: ReportOptions = DEFAULTS) -> str:
    """A test suite a title, a test case a kind of defect and one for events of no named kind.

    A case fails by an event of at least `options.fail_on`; milder events are in its system-out. The
    kinds are skipped where the scorer names none, and all of them where the title could not be
    judged, which is an error of the case `audio defect`.
    """
    root = ElementTree.Element("testsuites", name=_CLASS)
    for document in documents:
        _suite(root, document, options)
    for counted in ("tests", "failures", "errors"):
        root.set(counted, str(sum(int(suite.attrib[counted]) for suite in root)))
    return xml_text(root)


def _suite(root: ElementTree.Element, document: Document, options: ReportOptions) -> None:
    suite = child(root, "testsuite", name=one_line(document["title"]["file"]))
    judged = document["verdict"] != "undetermined"
    named = kinds_are_named(document)
    case = _case(suite, UNNAMED, document)
    if judged:
        _events(
            case, [event for event in document["events"] if not kinds(event)], document, options
        )
    else:
        child(
            case, "error", message="The title could not be judged", type="undetermined"
        ).text = "\n".join(one_line(warning) for warning in document["warnings"])
    for defect, label in LABELS.items():
        case = _case(suite, label.text, document)
        if not judged:
            child(case, "skipped", message="The title could not be judged")
        elif not named:
            child(case, "skipped", message="The scorer names no kinds of defect")
        else:
            events = [event for event in document["events"] if defect in kinds(event)]
            _events(case, events, document, options)
    for counted, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(counted, str(sum(case.find(tag) is not None for case in suite)))
    suite.set("tests", str(len(suite)))


def _case(suite: ElementTree.Element, name: str, document: Document) -> ElementTree.Element:
    # readers take what stands before the last dot for a package
    group = f"{_CLASS}.{one_line(document['title']['file']).replace('.', '_')}"
    return child(suite, "testcase", name=name, classname=group)


def _events(
    case: ElementTree.Element,
    events: list[dict[str, Any]],
    document: Document,
    options: ReportOptions,
) -> None:
    failing = [event for event in events if options.fails(event["severity"])]
    if failing:
        severity = worst([event["severity"] for event in failing])
        noun = "event" if len(failing) == 1 else "events"
        message = f"{len(failing)} {noun}, worst: {severity}"
        child(case, "failure", _lines(failing, document), message=message, type=severity)
    if mild := [event for event in events if event not in failing]:
        child(case, "system-out", _lines(mild, document))


def _lines(events: list[dict[str, Any]], document: Document) -> str:
    return "\n".join(
        f"{event['start_timecode']} to {event['end_timecode']} "
        f"{one_line(description(event, document))}"
        for event in events
    )
