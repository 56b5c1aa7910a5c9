"""Pictures of one clip pair: waveform and spectrogram of a side, and a close view of the damage."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import NullFormatter
from scipy import signal

from padam.defects.base import DefectParams
from padam.defects.clicks import ClicksParams
from padam.defects.clipping import ClippingParams
from padam.defects.drops import DropsParams
from padam.defects.interval import Interval

SPECTROGRAM_DB = (-100.0, -10.0)
"""Ends of the colour scale, in dB relative to a sine of full scale."""

Channel = npt.NDArray[np.float32]

# both are read on a light page and on a dark one; the background is transparent
_INK = "#7d7d7d"
_REFERENCE, _DEGRADED, _DAMAGE = "#3b8fd4", "#e0602a", "#e8a33d"
_WINDOW, _HOP = 2048, 512
_MOST_COLUMNS, _ROWS = 1000, 320
_TICKS_HZ = (100, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)


def moments(defect: DefectParams) -> tuple[Interval, ...]:
    """Where in its interval a defect is audible: each drop, click or clipped region, or all."""
    match defect:
        case DropsParams():
            return defect.events
        case ClippingParams():
            return defect.regions
        case ClicksParams():
            return tuple(
                Interval(start_s=click.start_s, duration_s=click.duration_s)
                for click in defect.clicks
            )
    return (defect.interval,)


def plot_side(
    audio: Channel, sample_rate: int, highest: float, defect: DefectParams | None = None
) -> Figure:
    """Waveform and spectrogram of one channel, ±`highest` high; a defect's interval is marked."""
    figure = _figure(5.2, 3.9)
    waveform, spectrum = figure.subplots(
        2, 1, height_ratios=(1, 1.9), sharex=True, gridspec_kw={"hspace": 0.12}
    )
    figure.subplots_adjust(left=0.135, right=0.81, top=0.97, bottom=0.125)
    duration_s = len(audio) / sample_rate
    _draw_waveform(waveform, audio, duration_s)
    waveform.set(xlim=(0, duration_s), ylim=(-highest, highest), ylabel="amplitude")
    image = _draw_spectrogram(spectrum, audio, sample_rate)
    spectrum.set(xlabel="time in the clip (s)", ylabel="frequency (kHz, mel scale)")
    if defect is not None:
        _mark(waveform, spectrum, defect)
    scale = figure.add_axes((0.83, 0.125, 0.02, 0.54))
    figure.colorbar(image, cax=scale, label="dB re full-scale sine")
    for axes in (waveform, spectrum, scale):
        _ink(axes)
    return figure


def plot_detail(
    reference: Channel, degraded: Channel, sample_rate: int, start_s: float, duration_s: float
) -> Figure:
    """Both waveforms over each other in `duration_s` from `start_s` on, sample by sample."""
    figure = _figure(5.2, 2.1)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.135, right=0.98, top=0.87, bottom=0.235)
    where = Interval(start_s=start_s, duration_s=duration_s).slice(sample_rate, len(reference))
    time_ms = np.arange(where.stop - where.start) / sample_rate * 1000
    axes.plot(time_ms, degraded[where], color=_DEGRADED, lw=1.3, label="degraded")
    axes.plot(time_ms, reference[where], color=_REFERENCE, lw=0.9, label="reference")
    axes.set(
        xlim=(0, duration_s * 1000),
        xlabel=f"ms after {where.start / sample_rate:.3f} s",
        ylabel="amplitude",
    )
    _legend(axes)
    _ink(axes)
    return figure


def plot_spectra(reference: Channel, degraded: Channel, sample_rate: int) -> Figure:
    """Mean power spectra of both over each other, in dB re full-scale sine per bin."""
    figure = _figure(5.2, 2.1)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.135, right=0.98, top=0.87, bottom=0.235)
    for audio, colour, name in (
        (degraded, _DEGRADED, "degraded"),
        (reference, _REFERENCE, "reference"),
    ):
        # a hum's harmonics need a fine resolution
        length = min(2**15, len(audio))
        frequency, power = signal.welch(audio, sample_rate, nperseg=length, scaling="spectrum")
        level_db = 10 * np.log10(np.maximum(2 * power, 1e-14))
        axes.plot(frequency[1:], level_db[1:], color=colour, lw=0.9, label=name)
    axes.set(xscale="log", xlim=(20, sample_rate / 2), ylim=(-120, 0))
    axes.set(xlabel="frequency (kHz)", ylabel="dB re full-scale sine")
    ticks_hz = [20, 50, *_ticks_hz(sample_rate)]
    axes.set_xticks(ticks_hz, _kilohertz(ticks_hz))
    axes.xaxis.set_minor_formatter(NullFormatter())
    _legend(axes)
    _ink(axes)
    return figure


def detail_start_s(
    reference: Channel,
    degraded: Channel,
    sample_rate: int,
    defect: DefectParams,
    duration_s: float,
) -> float:
    """Where `duration_s` of the damage are seen best, in seconds from the clip's start.

    Events are seen at the start of the one with the greatest error; quantization at a median
    level, where the steps are neither all nor nothing; all else where the error is greatest.
    """
    error = np.abs(degraded - reference)
    length = round(duration_s * sample_rate)
    if isinstance(defect, ClicksParams | DropsParams):
        spans = [moment.slice(sample_rate, len(reference)) for moment in moments(defect)]
        worst = max(spans, key=lambda span: float(error[span].max(initial=0)))
        start = worst.start - length // 4
    else:
        where = defect.interval.slice(sample_rate, len(reference))
        level = _block_means(reference[where] ** 2, length)
        loss = _block_means(error[where] ** 2, length)
        by_level = int(np.argsort(level)[len(level) // 2])
        block = by_level if defect.defect == "quantization" else int(np.argmax(loss))
        start = where.start + block * length
    return max(0, min(start, len(reference) - length)) / sample_rate


def spectrogram_db(audio: Channel, sample_rate: int) -> tuple[npt.NDArray[np.float64], float]:
    """Levels (rows on the mel scale, columns) in dB re full-scale sine, and the highest mel.

    A row or column that stands for several bins or frames shows the greatest of them, so that a
    click or a hum is seen at any scale.
    """
    window = signal.windows.hann(_WINDOW, sym=False)
    padded = np.pad(audio, _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    amplitude = np.abs(np.fft.rfft(frames * window, axis=1)) * (2 / window.sum())
    columns = np.unique(np.linspace(0, len(frames), _MOST_COLUMNS, endpoint=False).astype(int))
    amplitude = np.maximum.reduceat(amplitude, columns, axis=0)
    top = float(_mel(sample_rate / 2))
    edges_hz = 700 * (10 ** (np.linspace(0, top, _ROWS, endpoint=False) / 2595) - 1)
    rows = np.minimum((edges_hz * _WINDOW / sample_rate).astype(int), amplitude.shape[1] - 1)
    amplitude = np.maximum.reduceat(amplitude, rows, axis=1)
    return 20 * np.log10(np.maximum(amplitude, 1e-7)).T, top


def _draw_waveform(axes: Axes, audio: Channel, duration_s: float) -> None:
    columns = np.unique(np.linspace(0, len(audio), _MOST_COLUMNS, endpoint=False).astype(int))
    time_s = columns / len(audio) * duration_s
    least = np.minimum.reduceat(audio, columns)
    greatest = np.maximum.reduceat(audio, columns)
    axes.fill_between(time_s, least, greatest, color=_REFERENCE, lw=0.4)
    axes.tick_params(labelbottom=False)


def _draw_spectrogram(axes: Axes, audio: Channel, sample_rate: int) -> AxesImage:
    level_db, top = spectrogram_db(audio, sample_rate)
    ticks_hz = _ticks_hz(sample_rate)
    axes.set_yticks([_mel(hz) for hz in ticks_hz], _kilohertz(ticks_hz))
    return axes.imshow(
        level_db,
        origin="lower",
        aspect="auto",
        extent=(0, len(audio) / sample_rate, 0, top),
        cmap="magma",
        vmin=SPECTROGRAM_DB[0],
        vmax=SPECTROGRAM_DB[1],
        interpolation="nearest",
    )


def _mark(waveform: Axes, spectrum: Axes, defect: DefectParams) -> None:
    """Shade the interval, draw its limits, and point at each moment of it."""
    interval = defect.interval
    waveform.axvspan(interval.start_s, interval.end_s, color=_DAMAGE, alpha=0.22, lw=0, zorder=0)
    for at_s in (interval.start_s, interval.end_s):
        waveform.axvline(at_s, color=_DAMAGE, lw=1.2, ls="--")
        spectrum.axvline(at_s, color="white", lw=1.2, ls="--")
    found = moments(defect)
    if found != (interval,):
        starts = [(moment.start_s, moment.duration_s) for moment in found]
        bottom, top = waveform.get_ylim()
        waveform.broken_barh(
            starts, (top - 0.05 * (top - bottom), 0.05 * (top - bottom)), color=_DEGRADED, lw=0.8
        )


def _block_means(values: Channel, length: int) -> npt.NDArray[np.float32]:
    count = max(1, len(values) // length)
    return np.array([block.mean() for block in np.array_split(values, count)])


def _ticks_hz(sample_rate: int) -> list[int]:
    return [hz for hz in _TICKS_HZ if hz <= sample_rate / 2]


def _kilohertz(frequencies_hz: list[int]) -> list[str]:
    return [f"{hz / 1000:g}" for hz in frequencies_hz]


def _mel(frequency_hz: float) -> float:
    """O'Shaughnessy's mel scale."""
    return 2595 * float(np.log10(1 + frequency_hz / 700))


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), facecolor="none")


def _legend(axes: Axes) -> None:
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1, 0.97),
        frameon=False,
        labelcolor=_INK,
        ncols=2,
        reverse=True,
        fontsize=9,
    )


def _ink(axes: Axes) -> None:
    axes.set_facecolor("none")
    axes.tick_params(colors=_INK, labelsize=9)
    axes.xaxis.label.set_color(_INK)
    axes.yaxis.label.set_color(_INK)
    for spine in axes.spines.values():
        spine.set_color(_INK)
