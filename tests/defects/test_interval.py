import numpy as np
import pytest
from pydantic import ValidationError

from padam.defects.interval import Interval, draw_events, place


def test_slice_is_in_samples_and_stays_inside():
    assert Interval(start_s=0.5, duration_s=1.0).slice(8000, 20000) == slice(4000, 12000)
    assert Interval(start_s=0.5, duration_s=9.0).slice(8000, 20000) == slice(4000, 20000)


@pytest.mark.parametrize(("start_s", "duration_s"), [(-0.1, 1.0), (0.0, 0.0), (0.0, -1.0)])
def test_impossible_intervals_are_refused(start_s, duration_s):
    with pytest.raises(ValidationError):
        Interval(start_s=start_s, duration_s=duration_s)


def test_placed_events_keep_their_gap():
    rng = np.random.default_rng(0)
    for _ in range(200):
        durations = rng.uniform(0.01, 0.1, 6)
        starts = place(rng, durations, 1.0, 0.02)
        assert (starts[1:] - (starts + durations)[:-1] >= 0.02 - 1e-12).all()
        assert starts[0] >= 0
        assert starts[-1] + durations[-1] <= 1.0


def test_events_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        place(np.random.default_rng(0), np.full(6, 0.2), 1.0, 0.0)


def test_each_second_draws_its_own_number_of_events():
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(50):
        events = draw_events(rng, Interval(start_s=2, duration_s=5), (1, 7), (0.01, 0.08), 0.01)
        seconds, counts = np.unique([int(e.start_s) for e in events], return_counts=True)
        assert seconds.tolist() == [2, 3, 4, 5, 6]
        assert counts.min() >= 1
        assert counts.max() <= 7
        seen.update(counts.tolist())
    assert seen == {1, 2, 3, 4, 5, 6, 7}


def test_a_short_interval_still_holds_an_event_within_it():
    rng = np.random.default_rng(2)
    for duration_s in (0.005, 0.05, 0.5, 1.3):
        interval = Interval(start_s=1.0, duration_s=duration_s)
        events = draw_events(rng, interval, (1, 2), (0.01, 0.08), 0.01)
        assert len(events) >= 1
        assert all(e.start_s >= 1.0 and e.end_s <= interval.end_s + 1e-9 for e in events)
