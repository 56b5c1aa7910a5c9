import numpy as np
import pytest

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


def test_counts_durations_and_amplitudes_are_uniform():
    audio = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 10_000)).astype(np.float32)
    rng = np.random.default_rng(0)
    drawn = [Clicks().draw(rng, audio, 1000, ClicksRanges(), WHOLE) for _ in range(100)]
    counts = np.array(
        [np.bincount([int(c.start_s) for c in d.clicks], minlength=10) for d in drawn]
    )
    clicks = [c for d in drawn for c in d.clicks]
    assert np.bincount(counts.ravel())[2:] / counts.size == pytest.approx(
        np.full(7, 1 / 7), abs=0.04
    )
    amplitudes = np.abs([c.amplitude for c in clicks])
    assert amplitudes.mean() == pytest.approx(0.65, abs=0.01)
    assert amplitudes.std() == pytest.approx(0.7 / np.sqrt(12), rel=0.03)
    durations = np.array([c.duration_s for c in clicks])
    assert durations.mean() == pytest.approx(0.00033, rel=0.02)
    assert durations.std() == pytest.approx(0.00054 / np.sqrt(12), rel=0.03)


@pytest.mark.parametrize("rate", [44100, 48000, 192000])
def test_each_click_is_read_back_from_the_error(rate):
    """Onset, duration and height, on digital silence but for a quiet channel to draw on."""
    audio = np.zeros((2, 4 * rate), dtype=np.float32)
    audio[1, ::2] = 0.01
    drawn = Clicks().draw(np.random.default_rng(5), audio, rate, ClicksRanges(), WHOLE)
    silent = np.zeros_like(audio)
    error = Clicks().apply(silent, rate, drawn)
    assert np.array_equal(error[0], error[1])
    edges = np.flatnonzero(np.diff(error[0] != 0, prepend=False, append=False))
    spans = list(zip(edges[::2], edges[1::2], strict=True))
    assert len(spans) == len(drawn.clicks)
    for (start, stop), click in zip(spans, drawn.clicks, strict=True):
        assert start / rate == pytest.approx(click.start_s, abs=0.51 / rate)
        assert (stop - start) / rate == pytest.approx(click.duration_s, abs=0.51 / rate)
        height = error[0, start:stop]
        assert height[np.argmax(np.abs(height))] == pytest.approx(click.amplitude, rel=1e-6)
        assert (np.sign(height) == np.sign(click.amplitude)).all(), "one polarity"


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


@pytest.mark.parametrize("level", [-0.6, 0.6])
def test_a_click_goes_against_the_signal_under_it(level):
    audio = np.full((2, 2 * RATE), level, dtype=np.float32)
    drawn = Clicks().draw(np.random.default_rng(0), audio, RATE, ClicksRanges(), WHOLE)
    assert all(np.sign(c.amplitude) == -np.sign(level) for c in drawn.clicks)
    assert np.abs(Clicks().apply(audio, RATE, drawn)).max() <= np.float32(0.6)


def test_the_loudest_channel_decides_the_sign():
    audio = np.stack([np.full(2 * RATE, 0.1), np.full(2 * RATE, -0.7)]).astype(np.float32)
    drawn = Clicks().draw(np.random.default_rng(0), audio, RATE, ClicksRanges(), WHOLE)
    assert all(c.amplitude > 0 for c in drawn.clicks)


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
