"""Matching, filter and joint search against plain loops, on thousands of random titles."""

import numpy as np
import pandas as pd
import pytest

from padam.detection.matching import overlaps, segment_truth
from padam.detection.operating_point import OperatingPoint, TitleScores, title_scores, tune_titles
from padam.detection.segments import segment_times
from padam.detection.temporal_filter import TemporalFilter, filter_segments, fullest_windows
from padam.detection.title_evaluation import EvaluationConfig, evaluate_scorers

FILTERS = [(45, 45), (20, 80), (20, 20), (10, 10), (15, 40), (12.5, 30), (90, 110), (1, 100)]


def random_times(rng):
    """Segments of 10 s, and at times a last one that is shorter."""
    return segment_times(10.0 * rng.integers(1, 14) + rng.choice([0.0, 1.0, 3.0, 7.5]))


def rolled(flags, times, x_s, y_s, step_s=0.5):
    """The filter by its definition: a window moved in steps that divide every time used here."""
    kept = [False] * len(flags)
    onset = -y_s
    while onset <= times[-1][1]:
        inside = [
            max(0.0, min(end, onset + y_s) - max(start, onset)) if flag else 0.0
            for flag, (start, end) in zip(flags, times, strict=True)
        ]
        if sum(inside) >= x_s - 1e-9:
            kept = [k or part > 0 for k, part in zip(kept, inside, strict=True)]
        onset += step_s
    return kept


@pytest.mark.parametrize("seed", range(8))
def test_the_filter_keeps_what_a_rolled_window_keeps(seed):
    rng = np.random.default_rng(seed)
    for _ in range(150):
        times = random_times(rng)
        flags = rng.random(len(times)) < rng.choice([0.1, 0.4, 0.8])
        x_s, y_s = FILTERS[rng.integers(len(FILTERS))]
        found = filter_segments(flags, times, x_s, y_s)
        assert found.tolist() == rolled(flags.tolist(), times.tolist(), x_s, y_s)


@pytest.mark.parametrize("seed", range(10))
def test_what_must_hold_of_any_filter(seed):
    rng = np.random.default_rng(100 + seed)
    for _ in range(300):
        times = random_times(rng)
        flags = rng.random(len(times)) < 0.5
        x_s, y_s = FILTERS[rng.integers(len(FILTERS))]
        kept = filter_segments(flags, times, x_s, y_s)
        assert not (kept & ~flags).any(), "a filter raises nothing"
        more = flags | (rng.random(len(times)) < 0.2)
        assert (filter_segments(more, times, x_s, y_s) >= kept).all(), "more detections keep more"
        assert (filter_segments(flags, times, x_s / 2, y_s) >= kept).all(), "less x keeps more"
        assert (filter_segments(flags, times, x_s, y_s + 20) >= kept).all(), "more y keeps more"
        np.testing.assert_array_equal(filter_segments(kept, times, x_s, y_s), kept)
        backwards = (times[-1, 1] - times)[::-1, ::-1]
        mirrored = filter_segments(flags[::-1], backwards, x_s, y_s)
        np.testing.assert_array_equal(mirrored[::-1], kept)


@pytest.mark.parametrize("seed", range(6))
def test_fullest_windows_say_what_every_filter_keeps(seed):
    rng = np.random.default_rng(200 + seed)
    for _ in range(60):
        times = random_times(rng)
        truth = rng.random(len(times)) < 0.3
        flags = rng.random((4, len(times))) < rng.choice([0.2, 0.6])
        x_s, y_s = FILTERS[rng.integers(len(FILTERS))]
        most, most_true = fullest_windows(flags, times, truth, y_s)
        for row, flagged in enumerate(flags):
            kept = filter_segments(flagged, times, x_s, y_s)
            assert (most[row] >= x_s - 1e-6) == kept.any()
            assert (most_true[row] >= x_s - 1e-6) == (kept & truth).any()


@pytest.mark.parametrize("seed", range(4))
def test_matching_is_what_a_loop_over_every_pair_finds(seed):
    rng = np.random.default_rng(300 + seed)
    for _ in range(150):
        rows, labels = [], []
        for name in "abc"[: rng.integers(1, 4)]:
            times = random_times(rng)
            rows += [(name, start, end) for start, end in times.tolist()]
            for _ in range(rng.integers(0, 3)):
                # on a grid of 2.5 s, so that labels often touch segments only
                start = 2.5 * rng.integers(-2, 60)
                labels.append((name, start, start + 2.5 * rng.integers(0, 6), "hum"))
        labels.append(("elsewhere", 0.0, 500.0, "hiss"))
        segments = pd.DataFrame(rows, columns=["title", "start_s", "end_s"])
        table = pd.DataFrame(labels, columns=["title", "start_s", "end_s", "defect"])
        order = rng.permutation(len(segments))
        found = segment_truth(segments.iloc[order], table)
        expected = [
            any(
                title == label[0] and min(end, label[2]) - max(start, label[1]) > 0
                for label in labels
            )
            for title, start, end in rows
        ]
        assert found.tolist() == [expected[place] for place in order]
        split = TitleScores.of(
            segments.iloc[order].assign(score=0.0), table, {row[0] for row in rows}
        )
        assert split.truth.tolist() == expected


def brute_f1(titles, labels, threshold, x_s, y_s):
    """Title-level F1 by plain loops: titles name → (times, scores)."""
    hit = predicted = 0
    for name, (times, scores) in titles.items():
        flags = [bool(score >= threshold) for score in scores]
        kept = rolled(flags, times.tolist(), x_s, y_s) if x_s else flags
        predicted += any(kept)
        hit += any(
            flag and min(end, to) - max(start, begin) > 0
            for flag, (start, end) in zip(kept, times.tolist(), strict=True)
            for title, begin, to, _ in labels
            if title == name
        )
    actual = len({label[0] for label in labels})
    return 2 * hit / (predicted + actual)


@pytest.mark.parametrize("seed", range(6))
def test_the_joint_search_finds_what_trying_everything_finds(seed):
    rng = np.random.default_rng(400 + seed)
    titles = {}
    for number in range(5):
        times = random_times(rng)
        scores = rng.integers(0, 5, len(times)) / 4
        scores[rng.random(len(times)) < 0.1] = np.nan
        titles[f"t{number}"] = times, scores
    labels = [("t0", 3.0, 14.0, "hum"), ("t1", 0.0, 31.0, "hiss"), ("t1", 20.0, 22.0, "hum")]
    grid = [(0, 0), (10, 20), (20, 20), (20, 40)]
    rows = pd.concat(
        pd.DataFrame({"title": name, "start_s": t[:, 0], "end_s": t[:, 1], "score": s})
        for name, (t, s) in titles.items()
    )
    table = pd.DataFrame(labels, columns=["title", "start_s", "end_s", "defect"])
    split = TitleScores.of(rows, table)
    point = tune_titles(split, [TemporalFilter(x_s=x, y_s=y) for x, y in grid])
    tried = {
        (t, x, y): brute_f1(titles, labels, t, x, y)
        for t in np.unique(rows["score"].dropna())
        for x, y in grid
    }
    chosen = brute_f1(titles, labels, point.threshold, point.filter.x_s, point.filter.y_s)
    assert chosen == pytest.approx(max(tried.values()))
    best = max(tried.values())
    weakest = next(g for g in grid if any(tried[t, *g] == best for t, *_ in tried))
    assert (point.filter.x_s, point.filter.y_s) == weakest


@pytest.mark.parametrize("seed", range(4))
def test_a_titles_score_is_the_highest_threshold_that_still_flags_it(seed):
    rng = np.random.default_rng(500 + seed)
    for _ in range(40):
        times = random_times(rng)
        scores = rng.integers(0, 6, len(times)) / 5
        frame = pd.DataFrame(
            {"title": "a", "start_s": times[:, 0], "end_s": times[:, 1], "score": scores}
        )
        labels = pd.DataFrame([], columns=["title", "start_s", "end_s", "defect"])
        x_s, y_s = FILTERS[rng.integers(len(FILTERS))]
        split = TitleScores.of(frame, labels)
        found = title_scores(split, TemporalFilter(x_s=x_s, y_s=y_s))[0]
        still = [
            t for t in np.unique(scores) if filter_segments(scores >= t, times, x_s, y_s).any()
        ]
        assert np.isnan(found) if not still else found == max(still)


# Titles of 10 s segments: x is flagged. Filter, and which segments survive it, worked by hand.
@pytest.mark.parametrize(
    ("pattern", "point", "survivors"),
    [
        # 45 s of 45 s: 4 in a row are 40 s, 5 are 50 s and hold a whole window.
        ("....xxxx....", (45, 45), ""),
        ("....xxxxx...", (45, 45), "45678"),
        # two runs of 5 with a gap of 10 s: each on its own
        ("xxxxx.xxxxx", (45, 45), "01234678910"),
        # 20 s of 80 s: two single segments whose outer ends are 80 s apart, and 90 s apart
        ("x......x....", (20, 80), "07"),
        ("x.......x...", (20, 80), ""),
        # the third is within 80 s of the second, the first is not
        ("x........x.x", (20, 80), "911"),
        # of neighbours at 70 s each window of 80 s holds 20 s
        ("x......x......x", (20, 80), "0714"),
    ],
)
def test_hand_worked_titles_through_the_whole_evaluation(pattern, point, survivors):
    flags = np.array([mark == "x" for mark in pattern])
    times = segment_times(10.0 * len(pattern))
    frame = pd.DataFrame(
        {"title": "a", "start_s": times[:, 0], "end_s": times[:, 1], "score": flags.astype(float)}
    )
    labels = pd.DataFrame([], columns=["title", "start_s", "end_s", "defect"])
    split = TitleScores.of(frame, labels)
    using = OperatingPoint(0.5, TemporalFilter(x_s=point[0], y_s=point[1]))
    kept = "".join(str(place) for place in np.flatnonzero(split.detections(using)))
    assert kept == survivors


def test_overlap_is_symmetric_and_grows_with_either():
    rng = np.random.default_rng(0)
    for _ in range(2000):
        a, b = (np.sort(rng.integers(0, 20, 2)).astype(float)[None] for _ in range(2))
        assert overlaps(a, b) == overlaps(b, a)
        wider = b + np.array([[-1.0, 1.0]])
        assert overlaps(a, wider) >= overlaps(a, b)


def test_segments_in_any_order_give_the_same_tables():
    rng = np.random.default_rng(7)
    frames = []
    for number in range(12):
        times = random_times(rng)
        frames.append(
            pd.DataFrame(
                {
                    "title": f"t{number:02d}",
                    "split": "test" if number % 2 else "validation",
                    "scorer": "padam",
                    "start_s": times[:, 0],
                    "end_s": times[:, 1],
                    "score": rng.random(len(times)),
                }
            )
        )
    scores = pd.concat(frames, ignore_index=True)
    rows = [(f"t{number:02d}", 1.0, 15.0, "hum") for number in range(6)]
    labels = pd.DataFrame(rows, columns=["title", "start_s", "end_s", "defect"])
    config = EvaluationConfig(bootstrap_rounds=20)
    first = evaluate_scorers(scores, labels, config)
    again = evaluate_scorers(scores.sample(frac=1, random_state=1), labels.iloc[::-1], config)
    pd.testing.assert_frame_equal(first.systems, again.systems)
    pd.testing.assert_frame_equal(first.defects, again.defects)
