"""Severity: its table, and that nothing longer or surer is milder."""

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from padam.detection.severity import SEVERITIES, SeverityRules, worst


@pytest.mark.parametrize(
    ("peak", "length_s", "severity"),
    [
        (0.5, 0.8, "fyi"),
        (0.72, 14.8, "fyi"),
        (0.72, 15.0, "issue"),
        (0.73, 0.8, "fyi"),
        (0.73, 1.2, "issue"),
        (0.87, 14.8, "issue"),
        (0.73, 15.0, "blocker"),
        (0.88, 0.4, "issue"),
        (0.88, 1.2, "blocker"),
        (1.0, 600.0, "blocker"),
    ],
)
def test_how_sure_and_how_long_add_up(peak, length_s, severity):
    assert SeverityRules().of(peak, length_s) == severity


def test_longer_or_surer_is_never_milder():
    rules = SeverityRules()
    scores, lengths = np.linspace(0, 1, 51), np.linspace(0, 40, 81)
    grades = np.array([[SEVERITIES.index(rules.of(p, s)) for s in lengths] for p in scores])
    assert (np.diff(grades, axis=0) >= 0).all()
    assert (np.diff(grades, axis=1) >= 0).all()
    assert set(grades.ravel().tolist()) == {0, 1, 2}


def test_lengths_that_rounding_made_shorter_count_as_what_they_are():
    rules = SeverityRules(brief_s=0.4, lasting_s=0.8)
    assert 20.4 - 20.0 < 0.4
    assert rules.of(0.8, 20.4 - 20.0) == "issue"


def test_scores_of_the_rules_are_those_of_one_and_two_sigma():
    rules = SeverityRules()
    for sigmas, score in ((1, rules.sure_score), (2, rules.surest_score)):
        assert score == pytest.approx(1 / (1 + np.exp(-sigmas)), abs=0.002)


def test_rules_out_of_order_are_refused():
    for wrong in ({"sure_score": 0.9}, {"brief_s": 30.0}):
        with pytest.raises(ValidationError, match="must not be below"):
            SeverityRules(**wrong)
    with pytest.raises(ValidationError, match="extra"):
        SeverityRules(issue_margin=0.2)


def test_the_worst_of_several():
    for order in itertools.permutations(SEVERITIES):
        assert worst(list(order)) == "blocker"
    assert worst([]) is None
