"""When events begin and end: runs against their definition, and evidence of known onset."""

import numpy as np
import pandas as pd
import pytest

from padam.detection.events import find_events
from padam.detection.evidence_runs import maximal_runs, two_levels

WINDOWS = 25


def by_definition(gains, offset=0):
    """The stretch that gathers most, then the same left and right of it."""
    sums = [
        (sum(gains[a:b]), -(b - a), a, b)
        for a in range(len(gains))
        for b in range(a + 1, len(gains) + 1)
    ]
    if not sums or max(sums)[0] <= 0:
        return []
    total, _, first, stop = max(sums)
    return [
        *by_definition(gains[:first], offset),
        (offset + first, offset + stop, total),
        *by_definition(gains[stop:], offset + stop),
    ]


@pytest.mark.parametrize("drift", [-0.4, 0.0, 0.3])
def test_runs_are_those_of_the_definition(drift):
    rng = np.random.default_rng(0)
    for _ in range(100):
        gains = rng.standard_normal(rng.integers(0, 25)) + drift
        found = [(run.first, run.stop) for run in maximal_runs(gains)]
        expected = by_definition(gains.tolist())
        assert found == [(first, stop) for first, stop, _ in expected]
        totals = [run.total for run in maximal_runs(gains)]
        assert totals == pytest.approx([total for *_, total in expected])


def test_two_heaps_have_a_level_between_them_and_one_has_none():
    rng = np.random.default_rng(0)
    low, high = rng.normal(0.2, 0.02, 30), rng.normal(0.4, 0.02, 10)
    assert two_levels(np.append(low, high)) == pytest.approx(0.3, abs=0.01)
    assert two_levels(np.append(low, 0.9)) == pytest.approx(0.55, abs=0.01)
    for one in (low, np.linspace(0, 1, 200), np.full(9, 0.5), np.array([0.3]), np.array([])):
        assert two_levels(one) is None


def scores_of(evidence, scores, end_s=None, channel=0):
    """Rows of one channel whose evidence is given window by window."""
    count = len(scores)
    windows = np.asarray(evidence, dtype=float).reshape(count, WINDOWS)
    starts = np.arange(count) * 10.0
    ends = starts + 10
    ends[-1] = end_s or ends[-1]
    columns = {f"e_{n}": windows[:, n] for n in range(WINDOWS)}
    return pd.DataFrame(
        {"start_s": starts, "end_s": ends, "channel": channel, "score": scores, **columns}
    )


def evidence_of(segments, *stretches, floor=0.1):
    """Evidence at `floor`, but for stretches (from_s, to_s, level)."""
    values = np.full(segments * WINDOWS, floor)
    for from_s, to_s, level in stretches:
        values[round(from_s / 0.4) : round(to_s / 0.4)] = level
    return values


def span(evidence, scores, **options):
    (event,) = find_events(scores_of(evidence, scores, **options), 0.5)
    return event.start_s, event.end_s


def test_it_begins_and_ends_in_the_segments_beside_the_flagged_one():
    evidence = evidence_of(4, (8.4, 22.0, 0.8))
    assert span(evidence, [0.2, 0.9, 0.3, 0.1]) == pytest.approx((8.4, 22.0))


def test_what_does_not_reach_the_flagged_segment_is_not_of_it():
    evidence = evidence_of(3, (2.0, 4.0, 0.9), (12.0, 14.0, 0.9), (26.0, 30.0, 0.9))
    assert span(evidence, [0.2, 0.9, 0.3]) == pytest.approx((12.0, 14.0))


def test_a_window_just_above_the_threshold_is_no_onset_but_a_sure_one_is():
    faint = evidence_of(2, (11.2, 11.6, 0.55), (16.0, 18.0, 0.9))
    assert span(faint, [0.1, 0.9]) == pytest.approx((16.0, 18.0))
    sure = evidence_of(2, (11.2, 11.6, 0.95), (16.0, 18.0, 0.9))
    assert span(sure, [0.1, 0.9]) == pytest.approx((11.2, 18.0))
    lasting = evidence_of(2, (11.2, 12.8, 0.55), (16.0, 18.0, 0.9))
    assert span(lasting, [0.1, 0.9]) == pytest.approx((11.2, 18.0))


def test_faint_windows_are_better_than_none():
    rng = np.random.default_rng(0)
    evidence = rng.uniform(0.1, 0.49, 2 * WINDOWS)
    evidence[[30, 40]] = 0.52
    assert span(evidence, [0.1, 0.9]) == pytest.approx((12.0, 16.4))


def test_a_change_below_the_threshold_is_the_onset_where_it_is_distinct():
    rng = np.random.default_rng(0)
    evidence = evidence_of(3, (8.8, 18.0, 0.4), floor=0.2) + rng.normal(0, 0.02, 3 * WINDOWS)
    assert span(evidence, [0.2, 0.9, 0.2]) == pytest.approx((8.8, 18.0))
    evidence = 0.3 + rng.normal(0, 0.05, 3 * WINDOWS)
    assert span(evidence, [0.2, 0.9, 0.2]) == pytest.approx((10.0, 20.0))


def test_a_localiser_has_the_say_where_it_hears_anything_in_the_event():
    table = scores_of(evidence_of(3, (12.0, 16.0, 0.9)), [0.6, 0.9, 0.6])
    (event,) = find_events(table, 0.5)
    assert (event.start_s, event.end_s) == pytest.approx((0.0, 30.0))
    (event,) = find_events(table, 0.5, localised=True)
    assert (event.start_s, event.end_s) == pytest.approx((12.0, 16.0))
    nothing = scores_of(evidence_of(3), [0.1, 0.9, 0.1])
    (event,) = find_events(nothing, 0.5, localised=True)
    assert (event.start_s, event.end_s) == pytest.approx((10.0, 20.0))


def test_what_was_not_scored_parts_runs():
    evidence = evidence_of(2, (8.0, 14.0, 0.9))
    evidence[:WINDOWS] = np.nan
    assert span(evidence, [np.nan, 0.9]) == pytest.approx((10.0, 14.0))


def test_a_channel_without_detection_has_no_say():
    loud = scores_of(evidence_of(3, (12.0, 16.0, 0.9)), [0.1, 0.9, 0.1])
    quiet = scores_of(evidence_of(3, (5.0, 28.0, 0.9)), [0.1, 0.4, 0.1], channel=1)
    (event,) = find_events(pd.concat([loud, quiet]), 0.5)
    assert (event.start_s, event.end_s) == pytest.approx((12.0, 16.0))


def test_two_events_do_not_overlap_in_the_segment_between_them():
    evidence = evidence_of(3, (4.0, 26.0, 0.9))
    first, second = find_events(scores_of(evidence, [0.9, 0.3, 0.9]), 0.5)
    assert (first.start_s, first.end_s) == pytest.approx((4.0, 20.0))
    assert (second.start_s, second.end_s) == pytest.approx((20.0, 26.0))


def test_the_end_of_a_title_is_the_end_of_its_last_event():
    evidence = evidence_of(2, (12.0, 20.0, 0.9))
    assert span(evidence, [0.1, 0.9], end_s=15.0) == pytest.approx((12.0, 15.0))


def first_window_above(scores, threshold):
    """The simplest rule: the first window of a detection that lies above the threshold."""
    rows = scores[scores["score"] >= threshold]
    above = rows.filter(regex="^e_").to_numpy() >= threshold
    begun = rows["start_s"].to_numpy()[:, None] + 0.4 * np.arange(WINDOWS)
    return float(np.where(above, begun, np.inf).min())


def test_noisy_evidence_of_a_change_gives_its_onset_within_a_window_or_so():
    rng = np.random.default_rng(0)
    errors, simple = [], []
    for _ in range(40):
        onset_s = rng.uniform(12, 36)
        begun = 0.4 * np.arange(5 * WINDOWS)
        filled = np.clip((begun + 0.4 - onset_s) / 0.4, 0, 1)
        evidence = np.clip(rng.normal(0.3 + 0.45 * filled, 0.13), 0, 1)
        means = evidence.reshape(5, WINDOWS).mean(axis=1)
        scores = scores_of(evidence, np.where(means > 0.45, 0.9, 0.1))
        (event,) = find_events(scores, 0.5)
        errors.append(abs(event.start_s - onset_s))
        simple.append(abs(first_window_above(scores, 0.5) - onset_s))
    assert np.median(errors) < 0.25
    assert np.quantile(errors, 0.9) < 0.5
    assert np.quantile(simple, 0.9) > 1.5
