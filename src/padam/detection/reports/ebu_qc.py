"""ebu_qc.xml: an EBU QC report (data model 2026-04, github.com/ebu/qc).

One check for the decision of the scorer and one for each defect that has an item in the EBU QC
catalogue. Places are edit units of one sample, by the model's timing extension.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from xml.etree import ElementTree

from padam.detection.reports.json_report import Document
from padam.detection.reports.labels import LABELS, EbuItem, description, kinds, kinds_are_named
from padam.detection.reports.options import DEFAULTS, ReportOptions
from padam.detection.reports.text import child, one_line, xml_text
from padam.detection.severity import SEVERITIES

NAMESPACE: Final = "tag:qc.ebu.ch,2026-04"
TIMING_NAMESPACE: Final = "tag:qc.ebu.ch,2026-04:extensions:timing"

DECISION: Final = EbuItem("PADAM-AudioDefect", "1.0", "Audio Defect", "AudioDefectDetected")
"""Our own item, in no catalogue: any defect, whatever its kind."""

_IDENTIFIERS: Final = uuid.uuid5(uuid.NAMESPACE_URL, NAMESPACE)


@dataclass(frozen=True)
class _Check:
    item: EbuItem
    defect: str | None
    events: tuple[dict[str, Any], ...]


def ebu_qc_report(
    document: Document, options: ReportOptions = DEFAULTS, modified: datetime | None = None
) -> str:
    """The report; modified: the time it names, with its zone, by default now.

    A check is failed by an event of at least `options.fail_on`; milder ones are told all the same.
    Severity is 1 for fyi, 2 for issue, 3 for blocker. A title that could not be judged is an
    execution error and passes no check.
    """
    modified = modified or datetime.now(UTC)
    if modified.tzinfo is None:
        raise ValueError(f"modified is {modified}, a time without a zone; give it one, e.g. UTC")
    judged = document["verdict"] != "undetermined"
    checks = list(_checks(document))
    passed = judged and not any(options.fails(event["severity"]) for event in document["events"])

    root = ElementTree.Element("Report", xmlns=NAMESPACE)
    child(root, "ReportId", _urn("report", document))
    _status(root, judged, passed)
    _content(root, document)
    child(root, "LastModifiedDateTime", modified.isoformat(timespec="seconds"))
    tool = child(root, "ToolInformation")
    child(tool, "ToolID", document["tool"]["name"])
    child(tool, "ToolName", document["tool"]["name"].upper())
    child(tool, "Version", document["tool"]["version"])
    _profile(root, document, checks)
    results = child(root, "ItemResults")
    for check in checks:
        _result(results, check, document, options)
    timing = child(
        child(root, "ExtensionProperties"),
        "TimingExtensionMediaPlaybackEditUnits",
        xmlns=TIMING_NAMESPACE,
    )
    child(timing, "EditRate", f"{document['title']['sample_rate']}/1")
    return xml_text(root)


def _checks(document: Document) -> Iterator[_Check]:
    yield _Check(DECISION, None, tuple(document["events"]))
    if kinds_are_named(document):
        for defect, label in LABELS.items():
            if label.ebu:
                events = (event for event in document["events"] if defect in kinds(event))
                yield _Check(label.ebu, defect, tuple(events))


def _profile(root: ElementTree.Element, document: Document, checks: list[_Check]) -> None:
    model = document["model"]
    profile = child(root, "Profile")
    child(profile, "ID", _urn("profile", [model, [check.item.identifier for check in checks]]))
    child(profile, "Name", "Perceptual audio defects")
    _content(profile, document)
    child(profile, "CheckResultRule", "AND")
    child(
        profile,
        "Description",
        f"Scorer {model['scorer']} {model['version']}, threshold {model['threshold']}, "
        f"{model['filter']['x_s']:g} s of detections within {model['filter']['y_s']:g} s",
    )
    child(profile, "Scopes")
    items = child(profile, "Items")
    for check in checks:
        item = child(items, "Item")
        _identity(item, check.item)
        child(item, "UsedAs", "check")
        child(item, "Scopes")
        child(item, "Inputs")
    child(profile, "ItemDefinitions")


def _result(
    results: ElementTree.Element, check: _Check, document: Document, options: ReportOptions
) -> None:
    judged = document["verdict"] != "undetermined"
    severities = [SEVERITIES.index(event["severity"]) + 1 for event in check.events]
    result = child(results, "ItemResult")
    _identity(result, check.item)
    child(result, "AnalysisMethodUsed", "measurement")
    failed = any(options.fails(event["severity"]) for event in check.events)
    _status(result, judged, judged and not failed)
    if check.defect is None:
        child(
            result,
            "ResultDescription",
            "Any defect, whatever its kind; this item is PADAM's own and in no catalogue",
        )
    child(result, "MaxSeverity", max(severities, default=0))
    child(result, "DetectionMethod", "automatic")
    outputs = child(result, "Outputs")
    for event, severity in zip(check.events, severities, strict=True):
        for channel in event["channels"]:
            output = child(outputs, "Output")
            child(output, "Name", check.item.output)
            locator = child(output, "Locator")
            child(locator, "Start", event["start_sample"])
            child(locator, "End", event["end_sample"])
            child(output, "Track", channel + 1)
            child(output, "Value", True)
            child(child(output, "Annotation"), "Text", one_line(description(event, document)))
            confidence = _confidence(event, check.defect)
            if confidence is not None:
                child(output, "Confidence", f"{confidence:.6f}")
            child(output, "Severity", severity)


def _confidence(event: dict[str, Any], defect: str | None) -> float | None:
    """The kind's probability; of the decision itself, the score."""
    if defect is None:
        return min(1.0, max(0.0, float(event["peak_score"])))
    found: float | None = next(
        one["probability"] for one in event["defects"] if one["defect"] == defect
    )
    return found


def _status(parent: ElementTree.Element, judged: bool, passed: bool) -> None:
    child(parent, "ExecutionStatus", "complete" if judged else "error")
    if not judged:
        child(parent, "ErrorDescription", "The title could not be judged")
    child(parent, "CheckResult", passed)


def _content(parent: ElementTree.Element, document: Document) -> None:
    identifier = child(child(parent, "ContentId"), "ContentIdentifier")
    child(identifier, "ID", one_line(document["title"]["file"]))


def _identity(parent: ElementTree.Element, item: EbuItem) -> None:
    child(parent, "EBUQCID", item.identifier)
    child(parent, "EBUQCName", item.name)
    child(parent, "EBUQCVersion", item.version)


def _urn(kind: str, content: object) -> str:
    """An identifier that is the same whenever the content is."""
    return uuid.uuid5(_IDENTIFIERS, kind + json.dumps(content, sort_keys=True)).urn
