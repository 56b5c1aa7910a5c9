"""Temporal filter against hand-worked examples and a brute-force roll of the window."""

import numpy as np
import pytest
from pydantic import ValidationError

from padam.detection.segments import segment_times
from padam.detection.temporal_filter import (
    TemporalFilter,
    filter_segments,
    fullest_windows,
    title_decision,
)


def flags_of(pattern):
    return np.array([c == "x" for c in pattern])


def filtered(pattern, x_s, y_s):
    times = segment_times(10.0 * len(pattern))
    kept = filter_segments(flags_of(pattern), times, x_s, y_s)
    return "".join("x" if k else "." for k in kept)


@pytest.mark.parametrize(
    ("pattern", "x_s", "y_s", "expected"),
    [
        # 45 s of 45 s: a whole window of detections needs a run of five segments.
        (".xxxx.", 45, 45, "......"),
        (".xxxxx.", 45, 45, ".xxxxx."),
        ("xxxxx", 45, 45, "xxxxx"),
        ("xx.xxxxx.xx", 45, 45, "...xxxxx..."),
        # 20 s within 80 s: [0, 10] and [70, 80] just share a window; one segment later they do not.
        ("x......x", 20, 80, "x......x"),
        ("x.......x", 20, 80, "........."),
        # … but a window of 85 s holds 15 s: all of the one, half of the other.
        ("x.......x", 15, 85, "x.......x"),
        ("x.......x", 16, 85, "........."),
        # A single detection in its own segment; and a window shorter than a segment.
        ("..x..", 10, 10, "..x.."),
        ("..x..", 11, 20, "....."),
        ("..x..", 5, 5, "..x.."),
        # A chain: windows [0, 50] and [40, 90] both hold 20 s, the last is alone.
        ("x...x...x......x", 20, 50, "x...x...x......."),
        # No filter keeps all; a title shorter than x keeps nothing.
        ("x.x", 0, 0, "x.x"),
        ("xxx", 40, 120, "..."),
        ("...", 20, 20, "..."),
        ("", 20, 20, ""),
    ],
)
def test_hand_worked_examples(pattern, x_s, y_s, expected):
    assert filtered(pattern, x_s, y_s) == expected


def test_a_short_last_segment_counts_with_its_own_duration():
    times = segment_times(24.0)
    assert not title_decision(flags_of(".xx"), times, 15, 15)
    assert title_decision(flags_of(".xx"), times, 14, 14)


def brute_force(flags, times, x_s, y_s, step_s=0.5):
    """Roll the window in steps that divide every time used here."""
    kept = np.zeros(len(flags), dtype=bool)
    for start in np.arange(-y_s, times[-1, 1] + step_s, step_s):
        shared = np.minimum(times[:, 1], start + y_s) - np.maximum(times[:, 0], start)
        if np.where(flags, shared.clip(0), 0).sum() >= x_s - 1e-9:
            kept |= flags & (shared > 0)
    return kept


@pytest.mark.parametrize("seed", range(12))
def test_equals_a_window_rolled_by_brute_force(seed):
    rng = np.random.default_rng(seed)
    times = segment_times(10.0 * rng.integers(5, 25) + rng.choice([0, 3, 7.5]))
    flags = rng.random(len(times)) < 0.4
    for x_s, y_s in [(5, 10), (20, 20), (15, 40), (45, 45), (25, 80), (32.5, 60)]:
        np.testing.assert_array_equal(
            filter_segments(flags, times, x_s, y_s), brute_force(flags, times, x_s, y_s)
        )


@pytest.mark.parametrize("seed", range(6))
def test_fullest_windows_agree_with_the_filter_for_every_x(seed):
    rng = np.random.default_rng(seed)
    times = segment_times(10.0 * 17 + 4)
    truth = rng.random(len(times)) < 0.2
    flags = rng.random(len(times))[None] >= np.linspace(0, 1, 8)[:, None]
    for y_s in (0, 20, 45, 80):
        most, most_true = fullest_windows(flags, times, truth, y_s)
        for x_s in {0, min(y_s, 10), min(y_s, 20), min(y_s, 35), y_s}:
            for row in range(len(flags)):
                kept = filter_segments(flags[row], times, x_s, y_s)
                assert (most[row] >= x_s - 1e-6) == kept.any()
                assert (most_true[row] >= x_s - 1e-6) == (kept & truth).any()


def test_a_window_that_cannot_hold_x_is_refused():
    with pytest.raises(ValidationError, match="cannot hold x_s=30"):
        TemporalFilter(x_s=30, y_s=20)
    with pytest.raises(ValidationError):
        filter_segments(flags_of("x"), segment_times(10), -1, 20)
