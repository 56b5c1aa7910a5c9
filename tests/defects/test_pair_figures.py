"""Pictures of a pair: levels and places that are known."""

import numpy as np
import pytest

from padam.defects.clicks import Click, ClicksParams
from padam.defects.clipping import ClippingParams
from padam.defects.drops import DropsParams
from padam.defects.interval import Interval
from padam.defects.pair_figures import (
    detail_start_s,
    moments,
    plot_detail,
    plot_side,
    plot_spectra,
    spectrogram_db,
)
from padam.defects.quantization import QuantizationParams

RATE = 48_000
WHOLE = Interval(start_s=0.0, duration_s=2.0)


def sine(level: float, hz: float = 1000.0, duration_s: float = 2.0) -> np.ndarray:
    time_s = np.arange(round(duration_s * RATE)) / RATE
    return (level * np.sin(2 * np.pi * hz * time_s)).astype(np.float32)


def row_of(hz: float, rows: int) -> int:
    return int(rows * np.log10(1 + hz / 700) / np.log10(1 + RATE / 2 / 700))


@pytest.mark.parametrize(("level", "db"), [(1.0, 0.0), (0.5, -6.02), (0.01, -40.0)])
def test_a_sine_has_its_level_at_its_frequency(level: float, db: float) -> None:
    level_db, _ = spectrogram_db(sine(level), RATE)
    middle = level_db[:, level_db.shape[1] // 2]
    # a bin of 23 Hz lies up to 1.4 dB beside its centre
    assert middle.max() == pytest.approx(db, abs=1.5)
    assert abs(int(middle.argmax()) - row_of(1000, len(middle))) <= 4


def test_no_frame_is_left_out_of_a_long_clip() -> None:
    audio = np.zeros(60 * RATE, dtype=np.float32)
    audio[31 * RATE] = 1.0
    level_db, _ = spectrogram_db(audio, RATE)
    assert level_db.shape[1] <= 1000
    seen = np.flatnonzero(level_db.max(axis=0) > -100)
    assert len(seen) >= 1
    assert seen.mean() / level_db.shape[1] == pytest.approx(31 / 60, abs=0.005)


def test_silence_and_a_short_clip_can_be_drawn() -> None:
    for samples in (RATE // 2, 3):
        level_db, _ = spectrogram_db(np.zeros(samples, dtype=np.float32), RATE)
        assert np.all(level_db == level_db.min())
    plot_side(np.zeros(RATE // 2, dtype=np.float32), RATE, 1e-6)


def test_both_sides_have_the_same_axes_and_the_interval_is_marked() -> None:
    drop = Interval(start_s=0.7, duration_s=0.02)
    defect = DropsParams(
        interval=Interval(start_s=0.5, duration_s=1.0), channels=(0,), mode="zeros", events=(drop,)
    )
    figures = [plot_side(audio, RATE, 0.9, defect) for audio in (sine(0.8), sine(0.1))]
    first, second = ([axes.axis() for axes in figure.axes[:2]] for figure in figures)
    assert first == second
    waveform, spectrum, scale = figures[0].axes
    assert {line.get_xdata()[0] for line in waveform.lines} == {0.5, 1.5}
    assert {line.get_xdata()[0] for line in spectrum.lines} == {0.5, 1.5}
    assert "dB" in scale.get_ylabel()
    assert figures[0].axes[1].images[0].get_clim() == figures[1].axes[1].images[0].get_clim()


def click(start_s: float, amplitude: float) -> Click:
    return Click(start_s=start_s, duration_s=0.0003, amplitude=amplitude)


def test_the_detail_shows_the_worst_event_from_before_its_start() -> None:
    reference = sine(0.1)
    degraded = reference.copy()
    degraded[round(0.4 * RATE)] += 0.3
    degraded[round(1.2 * RATE)] += 0.9
    defect = ClicksParams(interval=WHOLE, channels=(0,), clicks=(click(0.4, 0.3), click(1.2, 0.9)))
    start_s = detail_start_s(reference, degraded, RATE, defect, 0.05)
    assert start_s < 1.2 < start_s + 0.05
    events = (Interval(start_s=0.3, duration_s=0.08), Interval(start_s=0.9, duration_s=0.08))
    degraded = reference.copy()
    degraded[events[1].slice(RATE, len(reference))] = 0
    gaps = DropsParams(interval=WHOLE, channels=(0,), mode="zeros", events=events)
    start_s = detail_start_s(reference, degraded, RATE, gaps, 0.05)
    assert start_s < 0.9 < start_s + 0.05


def test_the_detail_lies_in_the_interval_at_the_greatest_error() -> None:
    reference = sine(0.5)
    degraded = reference.copy()
    degraded[round(1.0 * RATE) : round(1.05 * RATE)] = 0
    degraded[: RATE // 10] = 0
    interval = Interval(start_s=0.5, duration_s=1.0)
    defect = ClippingParams(
        interval=interval, channels=(0,), percent=10, low=-0.4, high=0.4, regions=(interval,)
    )
    assert detail_start_s(reference, degraded, RATE, defect, 0.05) == pytest.approx(1.0, abs=0.026)


def test_quantization_is_shown_at_a_median_level() -> None:
    loudness = np.repeat([0.9, 0.2, 0.001], RATE // 2).astype(np.float32)
    reference = sine(1.0, duration_s=1.5) * loudness
    interval = Interval(start_s=0.0, duration_s=1.5)
    defect = QuantizationParams(
        interval=interval, channels=(0,), bits=4, dither="none", noise_shaping=False, seed=0
    )
    start_s = detail_start_s(reference, np.round(reference * 4) / 4, RATE, defect, 0.05)
    assert 0.5 <= start_s <= 0.95


def test_an_event_at_the_end_is_shown_whole() -> None:
    reference = sine(0.1)
    defect = ClicksParams(interval=WHOLE, channels=(0,), clicks=(click(1.999, 0.9),))
    start_s = detail_start_s(reference, reference, RATE, defect, 0.05)
    figure = plot_detail(reference, reference, RATE, start_s, 0.05)
    assert len(figure.axes[0].lines[0].get_xdata()) == round(0.05 * RATE)


def test_moments_are_the_single_events() -> None:
    regions = (Interval(start_s=0.1, duration_s=0.5), Interval(start_s=1.0, duration_s=0.6))
    clipped = ClippingParams(
        interval=WHOLE, channels=(0,), percent=10, low=-0.4, high=0.4, regions=regions
    )
    assert moments(clipped) == regions
    hits = ClicksParams(interval=WHOLE, channels=(0,), clicks=(click(0.4, 0.3),))
    assert moments(hits) == (Interval(start_s=0.4, duration_s=0.0003),)


def test_spectra_show_a_hum_at_its_level() -> None:
    hum = sine(0.01, hz=100.0)
    degraded, reference = plot_spectra(np.zeros_like(hum), hum, RATE).axes[0].lines
    frequency, level_db = degraded.get_data()
    assert frequency[level_db.argmax()] == pytest.approx(100, abs=2)
    assert level_db.max() == pytest.approx(-40, abs=1.5)
    assert reference.get_ydata().max() == pytest.approx(-140)
