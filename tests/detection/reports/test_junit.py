"""junit.xml, read back as XML and by the reader of another project."""

from xml.etree import ElementTree

import pytest

from padam.detection.reports.junit import junit_of_titles, junit_report
from padam.detection.reports.labels import LABELS, UNNAMED
from padam.detection.reports.options import ReportOptions

from .documents import NASTY, document, three_events, undetermined, unnamed

CASES = [UNNAMED, *(label.text for label in LABELS.values())]


def outcomes(text):
    """The outcome of each case of a report's only suite: failure, error, skipped or passed."""
    (suite,) = ElementTree.fromstring(text)
    return {
        case.get("name"): next(
            (part.tag for part in case if part.tag in ("failure", "error", "skipped")), "passed"
        )
        for case in suite
    }


@pytest.mark.parametrize(
    ("fail_on", "failed"),
    [
        ("fyi", {"hum", "clicks", "drops", "packet loss"}),
        ("issue", {"hum", "clicks", "packet loss"}),
        ("blocker", {"packet loss"}),
    ],
)
def test_kinds_fail_from_a_severity_on(fail_on, failed):
    text = junit_report(document(three_events()), ReportOptions(fail_on=fail_on))
    found = outcomes(text)
    assert list(found) == CASES
    assert {name for name, outcome in found.items() if outcome == "failure"} == failed
    assert set(found.values()) == {"failure", "passed"}


def test_failures_tell_where():
    root = ElementTree.fromstring(junit_report(document(three_events())))
    failure = root.find(".//testcase[@name='hum']/failure")
    assert failure.get("type") == "issue"
    assert failure.get("message") == "1 event, worst: issue"
    assert failure.text.startswith("00:00:02.000 to 00:00:10.000 issue: hum 0.90")


def test_milder_events_are_told_without_failing():
    text = junit_report(document(three_events()), ReportOptions(fail_on="blocker"))
    hum = ElementTree.fromstring(text).find(".//testcase[@name='hum']")
    assert [part.tag for part in hum] == ["system-out"]
    assert "00:00:02.000" in hum.findtext("system-out")


def test_clean_titles_pass():
    assert outcomes(junit_report(document())) == dict.fromkeys(CASES, "passed")


def test_events_of_no_named_kind_fail_the_first_case():
    found = outcomes(junit_report(unnamed(document(three_events()))))
    assert found == dict.fromkeys(CASES, "skipped") | {UNNAMED: "failure"}


def test_what_nobody_could_judge_is_an_error():
    text = junit_report(undetermined())
    assert outcomes(text) == dict.fromkeys(CASES, "skipped") | {UNNAMED: "error"}
    assert "no segment could be scored" in text


def test_counts_add_up_over_titles():
    titles = [document(three_events(), file=NASTY), document(), undetermined()]
    root = ElementTree.fromstring(junit_of_titles(titles))
    assert len(root) == 3
    assert root[0].get("name").startswith("a&b <c> \"d\" 'e' 🎬")
    for counted, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        for node in (root, *root):
            assert int(node.get(counted)) == len(list(node.iter(tag)))


def test_another_reader_counts_the_same():
    junitparser = pytest.importorskip("junitparser", reason="junitparser is not installed")
    titles = [document(three_events(), file=NASTY), document(), undetermined()]
    suites = junitparser.JUnitXml.fromstring(junit_of_titles(titles).encode("utf-8"))
    assert (suites.tests, suites.failures, suites.errors) == (24, 4, 1)
    results = [
        (case.name, result.type)
        for suite in suites
        for case in suite
        for result in case.result
        if isinstance(result, junitparser.Failure)
    ]
    assert results == [
        ("hum", "issue"),
        ("drops", "fyi"),
        ("packet loss", "blocker"),
        ("clicks", "issue"),
    ]
