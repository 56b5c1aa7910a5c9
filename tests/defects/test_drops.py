import numpy as np
import pytest

from padam.defects.base import WHOLE
from padam.defects.drops import Drops, DropsParams, DropsRanges
from padam.defects.interval import Interval
from tests.defects.conftest import RATE


def params(mode):
    return DropsParams(
        interval=Interval(start_s=1, duration_s=2),
        channels=(0, 1),
        mode=mode,
        events=(Interval(start_s=1.2, duration_s=0.05), Interval(start_s=2.0, duration_s=0.02)),
    )


def ramp(seconds=10):
    """A signal whose value tells the time: what plays early or late is read off from it."""
    time = np.arange(round(seconds * RATE)) / RATE
    return np.tile(0.05 + 0.09 * time, (2, 1)).astype(np.float32)


def test_counts_and_lengths_are_the_papers(long_clip):
    rng = np.random.default_rng(0)
    for _ in range(20):
        drawn = Drops().draw(rng, long_clip, RATE, DropsRanges(), WHOLE)
        per_second = np.bincount([int(e.start_s) for e in drawn.events], minlength=10)
        assert per_second.min() >= 1
        assert per_second.max() <= 7
        assert all(0.010 <= e.duration_s <= 0.080 for e in drawn.events)


def test_counts_and_lengths_are_uniform_and_independent():
    """1 to 7 a second, each as often: mean 4, variance (7² - 1)/12. Lengths uniform in 10-80 ms."""
    audio, rng = ramp()[:, ::48], np.random.default_rng(0)
    drawn = [Drops().draw(rng, audio, 1000, DropsRanges(), WHOLE) for _ in range(150)]
    counts = np.array(
        [np.bincount([int(e.start_s) for e in d.events], minlength=10) for d in drawn]
    )
    lengths = np.array([e.duration_s for d in drawn for e in d.events])
    shares = np.bincount(counts.ravel(), minlength=8)[1:8] / counts.size
    assert shares == pytest.approx(np.full(7, 1 / 7), abs=0.035)
    assert counts.var() == pytest.approx(4, rel=0.1)
    # clip means vary as those of ten independent draws do
    assert counts.mean(axis=1).var() == pytest.approx(4 / 10, rel=0.3)
    assert abs(np.corrcoef(counts[:, :-1].ravel(), counts[:, 1:].ravel())[0, 1]) < 0.08
    assert lengths.mean() == pytest.approx(0.045, rel=0.02)
    assert lengths.std() == pytest.approx(0.070 / np.sqrt(12), rel=0.03)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mode", ["zeros", "hold", "removal"])
def test_number_and_lengths_are_read_back_from_the_samples(mode, seed):
    audio = ramp()
    rng = np.random.default_rng(seed)
    drawn = Drops().draw(rng, audio, RATE, DropsRanges(modes=(mode,)), WHOLE)
    degraded = Drops().apply(audio, RATE, drawn)[1].astype(np.float64)
    if mode == "removal":
        # a hard cut forward by the length of what is gone; the way back is no cut
        steps = np.diff(degraded) / 0.09
        cuts = np.flatnonzero(steps > 0.005)
        starts_s, lengths_s = (cuts + 1) / RATE, steps[cuts]
        assert steps.min() > -0.002
    else:
        stopped = degraded[1:] == 0 if mode == "zeros" else np.diff(degraded) == 0
        edges = np.flatnonzero(np.diff(stopped, prepend=False, append=False))
        starts_s, lengths_s = (edges[::2] + 1) / RATE, (edges[1::2] - edges[::2]) / RATE
        # of single precision's steps some are level by chance
        starts_s, lengths_s = starts_s[lengths_s > 0.005], lengths_s[lengths_s > 0.005]
    assert len(starts_s) == len(drawn.events)
    assert starts_s == pytest.approx([e.start_s for e in drawn.events], abs=2 / RATE)
    assert lengths_s == pytest.approx([e.duration_s for e in drawn.events], abs=2 / RATE)


def test_zeros_are_counted_back_from_the_samples(clip):
    drawn = Drops().draw(np.random.default_rng(1), clip, RATE, DropsRanges(modes=("zeros",)), WHOLE)
    silent = (Drops().apply(clip, RATE, drawn) == 0).all(axis=0)
    edges = np.flatnonzero(np.diff(silent, prepend=False, append=False))
    lengths = edges[1::2] - edges[::2]
    gaps = lengths[lengths > 10]
    assert len(gaps) == len(drawn.events)
    assert gaps.min() >= 0.010 * RATE - 1
    assert gaps.max() <= 0.080 * RATE + 1


def test_hold_repeats_the_last_sample(clip):
    degraded = Drops().apply(clip, RATE, params("hold"))
    start = round(1.2 * RATE)
    assert (degraded[:, start : start + 2400] == clip[:, start - 1, None]).all()
    assert np.array_equal(degraded[:, start + 2400], clip[:, start + 2400])


def test_removal_takes_samples_out_and_is_back_in_step_before_the_next(clip):
    degraded = Drops().apply(clip, RATE, params("removal"))
    first, second, end, fade = round(1.2 * RATE), 2 * RATE, 3 * RATE, 240
    assert np.array_equal(degraded[:, :first], clip[:, :first])
    for start, stop, removed in ((first, second, 2400), (second, end, 960)):
        hard = slice(start, stop - removed - fade)
        assert np.array_equal(degraded[:, hard], clip[:, start + removed : stop - fade])
        after = slice(stop - removed, stop)
        assert np.array_equal(degraded[:, after], clip[:, after])
    assert np.array_equal(degraded[:, end:], clip[:, end:])


def test_a_removal_is_one_cut_and_no_second_one(clip):
    """The way back into step adds no jump over those that the signal itself has."""
    degraded = Drops().apply(clip, RATE, params("removal"))
    for stop, removed in ((2 * RATE, 2400), (3 * RATE, 960)):
        around = slice(stop - removed - 300, stop - removed + 60)
        steps = np.abs(np.diff(degraded[:, around], axis=1)).max()
        assert steps < 1.2 * np.abs(np.diff(clip, axis=1)).max()


def test_a_gap_too_short_for_the_fade_still_comes_back():
    audio = ramp(1)
    drawn = DropsParams(
        interval=Interval(start_s=0, duration_s=1), channels=(0, 1), mode="removal",
        events=(Interval(start_s=0.5, duration_s=0.08), Interval(start_s=0.582, duration_s=0.4)),
    )  # fmt: skip
    degraded = Drops().apply(audio, RATE, drawn)
    second = round(0.582 * RATE)
    assert np.isfinite(degraded).all()
    assert np.array_equal(degraded[:, second - 3840 : second], audio[:, second - 3840 : second])


@pytest.mark.parametrize("mode", ["zeros", "hold", "removal"])
def test_every_mode_is_drawn(clip, mode):
    rng = np.random.default_rng(0)
    modes = {Drops().draw(rng, clip, RATE, DropsRanges()).mode for _ in range(30)}
    assert mode in modes
