"""Versions of a title: drawn once, the same in pieces, and labelled only where they differ."""

import numpy as np
import pytest

from padam.defects.audio_artifacts.clicks import AdditiveClick
from padam.defects.audio_artifacts.config import METHODS, SAMPLE_RATE, SimulationConfig
from padam.defects.audio_artifacts.tracks import Track, draw_track, lookahead, render
from padam.defects.base import UndrawableDefectError
from tests.archive import sound

CONFIG = SimulationConfig()
SECONDS = 40


@pytest.fixture(scope="module")
def title():
    return np.rint(32_000 * sound(SECONDS, seed=3)[0]).astype(np.int16)


def track(method, title, seed=0, **changes):
    rng = np.random.default_rng(seed)
    peak = int(np.abs(title.astype(int)).max())
    return draw_track(rng, method, len(title), peak, SimulationConfig(**changes))


def chunks(version, title, length=SAMPLE_RATE):
    for start in range(0, len(title) - length + 1, length):
        signal = title[start : start + length + lookahead(CONFIG)]
        yield start, title[start : start + length], signal


@pytest.mark.parametrize("method", METHODS)
def test_a_chunk_is_given_only_where_it_differs_from_the_clean_one(method, title):
    version = track(method, title)
    found = 0
    for start, clean, signal in chunks(version, title):
        made = render(version, signal, start, SAMPLE_RATE, 0, CONFIG)
        inside = any(low < start + SAMPLE_RATE and start < high for low, high in version.intervals)
        if made is None:
            continue
        found += 1
        assert inside or method == "additive_click"
        assert made.samples.dtype == np.int16
        assert made.samples.shape == clean.shape
        assert not np.array_equal(made.samples, clean)
    assert found > 3


@pytest.mark.parametrize("method", METHODS)
def test_what_is_near_sounds_as_the_whole_does(method, title):
    version = track(method, title)
    near = version.near(10 * SAMPLE_RATE, 20 * SAMPLE_RATE)
    for start, _, signal in list(chunks(version, title))[10:20]:
        whole, part = (render(v, signal, start, SAMPLE_RATE, 1, CONFIG) for v in (version, near))
        assert (whole is None) == (part is None)
        assert whole is None or np.array_equal(whole.samples, part.samples)


def test_hum_is_in_the_interval_and_nowhere_else(title):
    version = track("hum", title)
    low, high = version.intervals[0]
    start = low // SAMPLE_RATE * SAMPLE_RATE
    clean = title[start : start + SAMPLE_RATE]
    made = render(version, clean, start, SAMPLE_RATE, 0, CONFIG)
    changed = np.flatnonzero(made.samples != clean) + start
    assert low <= changed[0] < low + 3000
    assert changed[-1] < high


def test_silence_is_not_distorted_and_holds_no_cut(title):
    silence = np.zeros(2 * SAMPLE_RATE, dtype=np.int16)
    for method in ("distortion", "reductive_click"):
        version = track(method, title)
        assert version.intervals
        start = version.intervals[0][0]
        assert render(version, silence, start, SAMPLE_RATE, 0, CONFIG) is None


def test_a_chunk_with_a_cut_steps_once_and_is_filled_with_what_follows(title):
    version = track("reductive_click", title)
    made, clean, signal = next(
        (made, clean, signal)
        for start, clean, signal in chunks(version, title)
        if (made := render(version, signal, start, SAMPLE_RATE, 0, CONFIG)) is not None
    )
    first = np.flatnonzero(made.samples != clean)[0]
    step = abs(int(made.samples[first]) - int(made.samples[first - 1]))
    assert step >= 3277
    # the end of the chunk is clean sound from after it
    tail = made.samples[-100:]
    later = np.lib.stride_tricks.sliding_window_view(signal[SAMPLE_RATE - 100 :], 100)
    assert (later == tail).all(axis=1).any()


def test_the_parameters_are_drawn_by_interval_or_once_for_the_title(title):
    by_interval, once = (
        {each.frequency_hz for each in track("hum", title, 5, draw_per=per).params}
        for per in ("interval", "title")
    )
    assert len(by_interval) > 1
    assert len(once) == 1
    cutoffs = {click.cutoff for click in track("additive_click", title, draw_per="title").clicks}
    assert len(cutoffs) == 1


def test_a_click_from_the_chunk_before_counts_where_it_is_heard():
    clean = np.zeros(SAMPLE_RATE, dtype=np.int16)
    version = Track(
        "additive_click",
        ((0, SAMPLE_RATE),),
        clicks=(AdditiveClick(SAMPLE_RATE - 2, 0.05),),
    )
    made = render(version, clean, SAMPLE_RATE, SAMPLE_RATE, 0, CONFIG)
    assert made.step > 1000
    assert not made.samples[250:].any()


def test_a_title_at_full_scale_has_no_hum(title):
    loud = np.where(np.arange(len(title)) == 5, -32_768, title).astype(np.int16)
    with pytest.raises(UndrawableDefectError):
        track("hum", loud)
    assert track("distortion", loud).params[0].level > 3000
