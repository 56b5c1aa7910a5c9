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


def test_counts_and_lengths_are_the_papers(long_clip):
    rng = np.random.default_rng(0)
    for _ in range(20):
        drawn = Drops().draw(rng, long_clip, RATE, DropsRanges(), WHOLE)
        per_second = np.bincount([int(e.start_s) for e in drawn.events], minlength=10)
        assert per_second.min() >= 1
        assert per_second.max() <= 7
        assert all(0.010 <= e.duration_s <= 0.080 for e in drawn.events)


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


def test_removal_takes_samples_out_and_catches_up_before_the_next(clip):
    degraded = Drops().apply(clip, RATE, params("removal"))
    first, second, end = round(1.2 * RATE), 2 * RATE, 3 * RATE
    assert np.array_equal(degraded[:, first : second - 2400], clip[:, first + 2400 : second])
    assert np.array_equal(degraded[:, second - 2400 : second], clip[:, second - 2400 : second])
    assert np.array_equal(degraded[:, second : end - 960], clip[:, second + 960 : end])
    assert np.array_equal(degraded[:, end - 960 :], clip[:, end - 960 :])


@pytest.mark.parametrize("mode", ["zeros", "hold", "removal"])
def test_every_mode_is_drawn(clip, mode):
    rng = np.random.default_rng(0)
    modes = {Drops().draw(rng, clip, RATE, DropsRanges()).mode for _ in range(30)}
    assert mode in modes
