"""Where flagged segments that adjoin are more than one event: hand-made gaps, and invariants."""

import itertools

import numpy as np
import pandas as pd
import pytest

from padam.detection.event_times import event_spans
from padam.detection.events import find_events, flag_segments
from padam.detection.evidence_runs import Windows, maximal_runs

from .test_event_times import WINDOWS, evidence_of, scores_of

GAP_S = 4.0


def events_of(table, gap_s=GAP_S, *, localised=True, filtered=(0.0, 0.0)):
    return find_events(table, 0.5, *filtered, localised=localised, gap_s=gap_s)


def times_of(*arguments, **options):
    return [(event.start_s, event.end_s) for event in events_of(*arguments, **options)]


def approximately(*times):
    return [pytest.approx(pair) for pair in times]


def test_two_defects_with_clean_sound_between_them_are_two_events():
    table = scores_of(evidence_of(2, (2.0, 4.0, 0.9), (14.0, 16.0, 0.9)), [0.9, 0.8])
    table = table.assign(p_hum=[0.7, 0.1], p_clicks=[0.2, 0.6])
    first, second = events_of(table)
    assert (first.start_s, first.end_s) == pytest.approx((2.0, 4.0))
    assert (second.start_s, second.end_s) == pytest.approx((14.0, 16.0))
    assert (first.peak_score, second.peak_score) == (0.9, 0.8)
    assert first.defects[0] == ("hum", 0.7)
    assert second.defects[0] == ("clicks", 0.6)
    assert (first.severity, second.severity) == ("blocker", "issue")
    for whole in (events_of(table, None), events_of(table, localised=False)):
        assert [(event.start_s, event.end_s) for event in whole] == approximately((2.0, 16.0))


def test_a_gap_has_to_last_longer_than_the_parameter():
    # 8.0 gathered before and 8.8 after, -5.2 between: one run, were it not for the gap
    evidence = evidence_of(3, (2.0, 10.0, 0.9), (15.2, 24.0, 0.9))
    assert len(maximal_runs(evidence - 0.5)) == 1
    table = scores_of(evidence, [0.9, 0.9, 0.9])
    apart = approximately((2.0, 10.0), (15.2, 24.0))
    assert times_of(table, 4.0) == apart
    assert times_of(table, 5.1) == apart
    assert times_of(table, 5.2) == approximately((2.0, 24.0))


def test_clean_sound_around_a_run_hides_no_gap_in_it():
    # the clean sound around lacks more than all of it gathers
    evidence = evidence_of(6, (22.0, 28.0, 0.9), (32.4, 38.4, 0.9))
    assert len(maximal_runs(evidence - 0.5)) == 1
    assert len(maximal_runs(0.5 - evidence)) == 1
    table = scores_of(evidence, [0.1, 0.1, 0.9, 0.9, 0.1, 0.1])
    assert times_of(table) == approximately((22.0, 28.0), (32.4, 38.4))


def test_a_chance_window_bridges_no_gap_and_a_sure_one_does():
    faint = evidence_of(2, (2.0, 4.0, 0.9), (8.0, 8.4, 0.55), (12.0, 14.0, 0.9))
    table = scores_of(faint, [0.9, 0.9])
    assert times_of(table) == approximately((2.0, 4.0), (12.0, 14.0))
    sure = evidence_of(2, (2.0, 4.0, 0.9), (8.0, 8.4, 0.95), (12.0, 14.0, 0.9))
    assert times_of(scores_of(sure, [0.9, 0.9])) == approximately((2.0, 14.0))


def test_a_run_whose_parts_are_too_faint_to_count_stays_whole():
    # 0.1 each; together, less the gap's 0.011, enough
    evidence = evidence_of(2, (2.0, 4.0, 0.52), (4.0, 8.4, 0.499), (8.4, 10.4, 0.52))
    table = scores_of(evidence, [0.9, 0.9])
    assert times_of(table) == times_of(table, None) == approximately((2.0, 10.4))


def test_a_faint_run_stays_whole_whatever_is_elsewhere_in_the_stretch():
    evidence = evidence_of(
        6, (2.0, 4.0, 0.52), (4.0, 8.4, 0.499), (8.4, 10.4, 0.52), (50.0, 54.0, 0.9)
    )
    # whole flagged segments without evidence lie between: one event, as of one that is never parted
    table = scores_of(evidence, [0.9] * 6)
    assert times_of(table) == times_of(table, None) == approximately((2.0, 54.0))


def test_sure_evidence_beside_the_flagged_segment_does_not_outweigh_what_is_in_it():
    # parted, only what does not reach the flagged segment would be sure
    evidence = evidence_of(2, (0.0, 4.0, 0.9), (4.0, 10.4, 0.45), (10.4, 11.6, 0.53), floor=0.49)
    table = scores_of(evidence, [0.1, 0.9])
    assert times_of(table) == times_of(table, None)


def test_three_events_may_lie_in_two_segments_and_share_their_scores():
    evidence = evidence_of(2, (0.4, 1.2, 0.9), (8.0, 12.0, 0.9), (18.0, 19.6, 0.9))
    events = events_of(scores_of(evidence, [0.7, 0.9]))
    assert [(event.start_s, event.end_s) for event in events] == approximately(
        (0.4, 1.2), (8.0, 12.0), (18.0, 19.6)
    )
    assert [event.peak_score for event in events] == [0.7, 0.9, 0.9]


def test_a_flagged_segment_in_which_nothing_is_heard_is_of_the_nearest_event():
    evidence = evidence_of(3, (2.0, 4.0, 0.9), (14.0, 16.0, 0.9))
    first, second = events_of(scores_of(evidence, [0.7, 0.8, 0.95]))
    assert (second.start_s, second.end_s) == pytest.approx((14.0, 16.0))
    assert (first.peak_score, second.peak_score) == (0.7, 0.95)


def test_a_flagged_segment_in_which_nothing_is_heard_is_not_left_between_two_events():
    evidence = evidence_of(3, (2.0, 4.0, 0.9), (24.0, 26.0, 0.9))
    assert times_of(scores_of(evidence, [0.9, 0.6, 0.9])) == approximately((2.0, 26.0))
    # not flagged: two stretches, as ever
    assert times_of(scores_of(evidence, [0.9, 0.4, 0.9])) == approximately((2.0, 4.0), (24.0, 26.0))


def test_without_any_sure_evidence_nothing_is_parted():
    rng = np.random.default_rng(0)
    evidence = rng.uniform(0.1, 0.49, 2 * WINDOWS)
    evidence[[5, 40]] = 0.52
    table = scores_of(evidence, [0.9, 0.9])
    assert times_of(table) == times_of(table, None) == approximately((2.0, 16.4))


def test_channels_part_together_and_each_event_has_its_own():
    left = scores_of(evidence_of(2, (2.0, 4.0, 0.9)), [0.9, 0.2])
    right = scores_of(evidence_of(2, (14.0, 16.0, 0.9)), [0.2, 0.9], channel=1)
    first, second = events_of(pd.concat([left, right], ignore_index=True))
    assert (first.start_s, first.end_s, first.channels) == (
        pytest.approx(2),
        pytest.approx(4),
        (0,),
    )
    assert (second.start_s, second.channels) == (pytest.approx(14.0), (1,))
    filling = scores_of(evidence_of(2, (4.0, 14.0, 0.9)), [0.9, 0.9], channel=2)
    (event,) = events_of(pd.concat([left, right, filling], ignore_index=True))
    assert (event.start_s, event.end_s, event.channels) == (
        pytest.approx(2.0),
        pytest.approx(16.0),
        (0, 1, 2),
    )


def test_the_temporal_filter_counts_segments_and_not_events():
    evidence = evidence_of(4, (2.0, 4.0, 0.9), (14.0, 16.0, 0.9), (34.0, 36.0, 0.9))
    table = scores_of(evidence, [0.9, 0.9, 0.1, 0.9])
    assert times_of(table, filtered=(20.0, 20.0)) == approximately((2.0, 4.0), (14.0, 16.0))


def test_runs_are_parted_at_every_gap_and_nowhere_else():
    rng = np.random.default_rng(1)
    for _ in range(100):
        values = levels(rng, 120)
        begun = 0.4 * np.arange(len(values))
        windows = Windows(values, begun, begun + 0.4, np.zeros(len(values), dtype=np.intp))
        whole, parted = windows.runs(0.5), windows.runs(0.5, GAP_S)
        assert windows.runs(0.5, 1e9) == whole
        for run in parted:
            assert any(w.first <= run.first and run.stop <= w.stop for w in whole)
        for first, second in itertools.pairwise(parted):
            assert first.stop <= second.first
        # what is parted is not parted again
        for run in parted:
            own = slice(run.first, run.stop)
            part = Windows(values[own], begun[own], begun[own] + 0.4, windows.rows[own])
            assert [(r.first, r.stop) for r in part.runs(0.5, GAP_S)] == [(0, run.stop - run.first)]


def levels(rng, count):
    """Evidence that stays high or low for a while, with noise."""
    high = np.repeat(rng.random(count) < 0.5, rng.integers(1, 30, count))[:count]
    return np.clip(np.where(high, 0.75, 0.2) + rng.normal(0, 0.2, count), 0, 1)


def random_title(rng):
    """A title of 12 segments and two channels, of which some are not scored."""
    parts = []
    for channel in (0, 1):
        scores = rng.uniform(0.2, 1, 12)
        scores[rng.random(12) < 0.1] = np.nan
        evidence = levels(rng, 12 * WINDOWS)
        evidence[np.repeat(~(scores > 0.3), WINDOWS)] = np.nan
        parts.append(scores_of(evidence, scores, end_s=116.0, channel=channel))
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["start_s", "channel"], ignore_index=True)


def test_nothing_is_lost_nothing_overlaps_and_all_is_in_order():
    rng = np.random.default_rng(2)
    parted = 0
    for _ in range(40):
        table = random_title(rng)
        segments = flag_segments(table, 0.5, 20, 30)
        flagged = segments[segments["flagged"]]
        events = events_of(table, filtered=(20, 30))
        assert events_of(table, filtered=(20, 30)) == events
        bounds = np.array([(event.start_s, event.end_s) for event in events]).reshape(-1, 2)
        assert (bounds[:, 0] < bounds[:, 1]).all()
        assert (bounds[1:, 0] >= bounds[:-1, 1]).all()
        whole = events_of(table, None, filtered=(20, 30))
        parted += len(events) > len(whole)
        for event in events:
            assert any(one.start_s <= event.start_s and event.end_s <= one.end_s for one in whole)
        assert max((e.peak_score for e in events), default=0) == pytest.approx(
            flagged["score"].max() if len(flagged) else 0
        )
    assert parted > 5


def test_every_detection_is_of_an_event_and_gaps_are_longer_than_asked():
    rng = np.random.default_rng(3)
    for _ in range(40):
        table = random_title(rng)
        flagged = flag_segments(table, 0.5).query("flagged")
        stretch = (flagged["start_s"].diff().fillna(10) > 10.5).cumsum()
        for _, own in flagged.groupby(stretch):
            start_s, end_s = own["start_s"].min(), own["end_s"].max()
            spans = event_spans(table, start_s, end_s, 0.5, localised=True, gap_s=GAP_S)
            rows = table.index[
                (table["score"] >= 0.5) & (table["start_s"] >= start_s) & (table["end_s"] <= end_s)
            ]
            assert set().union(*(span.rows for span in spans)) == set(rows)
            for first, second in itertools.pairwise(spans):
                assert second.start_s - first.end_s > GAP_S
