"""EBU QC reports: by the published schema, and by the rules that a schema cannot express."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from padam.detection.reports.ebu_qc import DECISION, NAMESPACE, TIMING_NAMESPACE, ebu_qc_report
from padam.detection.reports.labels import LABELS
from padam.detection.reports.options import ReportOptions

from .documents import NASTY, document, event, three_events, undetermined, unnamed

DATA = Path(__file__).parent / "data" / "ebu_qc_2026_04"
QC = {"qc": NAMESPACE, "timing": TIMING_NAMESPACE}
TITLES = {
    "events": document(three_events()),
    "clean": document(),
    "undetermined": undetermined(),
    "unnamed": unnamed(document(three_events())),
    "nasty": document(three_events(), file=NASTY),
    "score above 1": document([event(1, 0, 10) | {"peak_score": 1.5}]),
    "no probability": document([event(1, 0, 10, defects={"hum": None})]),
}


def report(made, **options):
    return ElementTree.fromstring(ebu_qc_report(made, ReportOptions(**options)))


def results(root):
    return {
        one.findtext("qc:EBUQCID", namespaces=QC): one
        for one in root.iterfind("qc:ItemResults/qc:ItemResult", QC)
    }


def passed(result):
    return {"true": True, "false": False}[result.findtext("qc:CheckResult", namespaces=QC)]


def spans(result):
    return [
        tuple(
            int(output.findtext(f"qc:{path}", namespaces=QC))
            for path in ("Locator/qc:Start", "Locator/qc:End", "Track")
        )
        for output in result.iterfind("qc:Outputs/qc:Output", QC)
    ]


def schema():
    xmlschema = pytest.importorskip("xmlschema", reason="xmlschema is not installed")
    timing = DATA / "TimingExtensionMediaPlaybackEditUnits.xsd"
    return xmlschema.XMLSchema(
        str(DATA / "qc.xsd"), locations={TIMING_NAMESPACE: str(timing)}, allow="local"
    )


@pytest.mark.parametrize(
    ("name", "sha256"),
    [
        ("qc.xsd", "c9e97492d28d8d80d2a26c657f4207ad951fa30ee50badc6cd4377c788f7298b"),
        (
            "TimingExtensionMediaPlaybackEditUnits.xsd",
            "53622ffd6dfe578e1f297ec9a1d06cf02ec9692fd950f7c24eb0e0c7171077b2",
        ),
    ],
)
def test_the_schemas_are_those_of_the_release(name, sha256):
    assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == sha256


def test_reports_follow_the_published_schema():
    published = schema()
    for name, made in TITLES.items():
        errors = [str(error) for error in published.iter_errors(ebu_qc_report(made))]
        assert errors == [], name


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("<CheckResult>false</CheckResult>", "<CheckResult>no</CheckResult>"),
        ("<EBUQCID>0088B</EBUQCID>", "<EBUQCID>hum & buzz</EBUQCID>".replace("&", "&amp;")),
        ("<Confidence>0.9", "<Confidence>1.9"),
        ("48000/1", "48 kHz"),
        ("  <ItemResults>", "  <Results/><ItemResults>"),
    ],
)
def test_the_schema_refuses_what_is_wrong(good, bad):
    text = ebu_qc_report(TITLES["events"])
    assert good in text
    assert list(schema().iter_errors(text.replace(good, bad))) != []


@pytest.mark.parametrize("title", TITLES)
def test_items_and_results_belong_together(title):
    root = report(TITLES[title])
    identity = ("EBUQCID", "EBUQCName", "EBUQCVersion")
    items, found = (
        [
            [one.findtext(f"qc:{name}", namespaces=QC) for name in identity]
            for one in root.iterfind(path, QC)
        ]
        for path in ("qc:Profile/qc:Items/qc:Item", "qc:ItemResults/qc:ItemResult")
    )
    assert items == found
    assert len({one[0] for one in items}) == len(items)
    contents = [one.text for one in root.iterfind(".//qc:ContentId//qc:ID", QC)]
    assert len(contents) == 2
    assert contents[0] == contents[1]
    every = list(results(root).values())
    assert passed(root) == all(passed(one) for one in every)
    statuses = {one.findtext("qc:ExecutionStatus", namespaces=QC) for one in every}
    assert statuses == {root.findtext("qc:ExecutionStatus", namespaces=QC)}
    for one in every:
        severities = [int(value.text) for value in one.iterfind(".//qc:Severity", QC)]
        most = int(one.findtext("qc:MaxSeverity", namespaces=QC))
        assert most == max(severities, default=0)


def test_events_stand_under_the_items_of_their_kinds():
    found = results(report(TITLES["events"]))
    assert set(found) == {
        DECISION.identifier,
        *(x.ebu.identifier for x in LABELS.values() if x.ebu),
    }
    hum = [(96_000, 480_000, 1), (96_000, 480_000, 2)]
    drop, loss = (960_001, 984_001, 2), (172_800_000, 173_280_000, 1)
    assert spans(found[DECISION.identifier]) == [*hum, drop, loss]
    assert spans(found["0088B"]) == hum
    assert spans(found["0057B"]) == hum
    assert spans(found["0008B"]) == [drop]
    assert spans(found["0086B"]) == []
    assert {one: passed(found[one]) for one in ("0088B", "0008B", "0086B", "0005B")} == {
        "0088B": False,
        "0008B": False,
        "0086B": True,
        "0005B": True,
    }
    confidence = found["0088B"].findtext(".//qc:Confidence", namespaces=QC)
    assert float(confidence) == 0.9


def test_a_defect_without_an_item_fails_the_decision():
    loss = event(1, 0, 480_000, defects={"packet_loss": 0.8})
    found = results(report(document([loss])))
    assert [one for one, result in found.items() if not passed(result)] == [DECISION.identifier]


def test_places_are_samples_of_the_title():
    root = report(TITLES["events"])
    extension = root.find("qc:ExtensionProperties", QC)
    assert extension.findtext(".//timing:EditRate", namespaces=QC) == "48000/1"


@pytest.mark.parametrize(
    ("fail_on", "failed"),
    [
        ("fyi", {DECISION.identifier, "0088B", "0057B", "0008B"}),
        ("issue", {DECISION.identifier, "0088B", "0057B"}),
        ("blocker", {DECISION.identifier}),
    ],
)
def test_a_check_fails_from_a_severity_on(fail_on, failed):
    found = results(report(TITLES["events"], fail_on=fail_on))
    assert {one for one, result in found.items() if not passed(result)} == failed
    assert len(spans(found["0008B"])) == 1, "milder events are told all the same"


def test_a_clean_title_passes_and_one_that_nobody_could_judge_does_not():
    assert passed(report(TITLES["clean"]))
    root = report(TITLES["undetermined"])
    assert not passed(root)
    assert root.findtext("qc:ExecutionStatus", namespaces=QC) == "error"
    assert root.findtext("qc:ErrorDescription", namespaces=QC)


def test_a_scorer_that_names_no_kinds_checks_none():
    assert list(results(report(TITLES["unnamed"]))) == [DECISION.identifier]


def test_the_same_document_is_the_same_report():
    at = datetime(2026, 4, 1, 12, 30, tzinfo=UTC)
    texts = [ebu_qc_report(TITLES[name], modified=at) for name in ("events", "events", "clean")]
    assert texts[0] == texts[1] != texts[2]
    assert "<LastModifiedDateTime>2026-04-01T12:30:00+00:00<" in texts[0]


def test_a_time_needs_its_zone():
    with pytest.raises(ValueError, match="zone"):
        ebu_qc_report(TITLES["clean"], modified=datetime(2026, 4, 1))
