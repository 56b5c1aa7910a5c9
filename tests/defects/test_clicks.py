import numpy as np

from padam.defects.base import WHOLE
from padam.defects.clicks import Click, Clicks, ClicksParams, ClicksRanges
from padam.defects.interval import Interval
from tests.defects.conftest import RATE


def test_counts_durations_and_amplitudes_are_the_papers(long_clip):
    rng = np.random.default_rng(0)
    for _ in range(20):
        drawn = Clicks().draw(rng, long_clip, RATE, ClicksRanges(), WHOLE)
        per_second = np.bincount([int(c.start_s) for c in drawn.clicks], minlength=10)
        assert per_second.min() >= 2
        assert per_second.max() <= 8
        assert all(0.00006 <= c.duration_s <= 0.0006 for c in drawn.clicks)
        assert all(0.3 <= abs(c.amplitude) <= 1 for c in drawn.clicks)


def test_clicks_are_counted_back_from_the_error(clip):
    drawn = Clicks().draw(np.random.default_rng(3), clip, RATE, ClicksRanges(), WHOLE)
    error = np.abs(Clicks().apply(clip, RATE, drawn) - clip)[0] > 1e-4
    edges = np.flatnonzero(np.diff(error, prepend=False, append=False))
    lengths = edges[1::2] - edges[::2]
    assert len(lengths) == len(drawn.clicks)
    assert lengths.max() <= round(0.0006 * RATE)
    assert lengths.min() >= round(0.00006 * RATE)


def test_the_sign_is_the_one_that_clips_less(clip):
    drawn = Clicks().draw(np.random.default_rng(3), clip, RATE, ClicksRanges(), WHOLE)
    flipped = drawn.model_copy(
        update={
            "clicks": tuple(c.model_copy(update={"amplitude": -c.amplitude}) for c in drawn.clicks)
        }
    )
    chosen, other = (Clicks().apply(clip, RATE, p) for p in (drawn, flipped))
    for click in drawn.clicks:
        at = round(click.start_s * RATE)
        here = slice(at, at + len(click.shape(RATE)))
        assert np.abs(chosen[:, here]).max() <= np.abs(other[:, here]).max()
    assert {np.sign(c.amplitude) for c in drawn.clicks} == {-1.0, 1.0}


def test_the_peak_is_the_amplitude_even_at_one_sample():
    for rate in (8000, 48000):
        shape = Click(start_s=0, duration_s=0.00006, amplitude=-0.5).shape(rate)
        assert shape.min() == -0.5


def test_a_click_at_the_end_is_cut_off(clip):
    drawn = ClicksParams(
        interval=Interval(start_s=0, duration_s=4),
        channels=(0,),
        clicks=(Click(start_s=3.9999, duration_s=0.0006, amplitude=0.5),),
    )
    assert Clicks().apply(clip, RATE, drawn).shape == clip.shape
