"""Draw figure 1 of the AA paper on sample media: `python docs/draw_audio_artifacts.py [PNG]`."""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from draw_defects import MEDIA, save
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from padam.audio.media import read_audio
from padam.audio.resampling import resample
from padam.defects.audio_artifacts.clicks import (
    AdditiveClick,
    ReductiveClick,
    add_clicks,
    cut_clicks,
)
from padam.defects.audio_artifacts.config import SAMPLE_RATE, SimulationConfig
from padam.defects.audio_artifacts.tones import (
    DistortionParams,
    HissParams,
    HumParams,
    Pcm,
    add_hiss,
    add_hum,
    distort,
)
from padam.models import cnn6
from padam.models.cnn6 import Cnn6LogMel

DOCS = Path(__file__).parent
SOURCE, START_S, DURATION_S = "music/folk_town_theme.opus", 12.0, 10.0
PEAK = 20_000
INTERVAL_S = (2.0, 8.0)
CLICKS_S, CUTS_S = (2.5, 5.0, 7.5), (2.5, 7.5)
MARK_S = 0.15
COLUMNS, FRAMES = 800, 180

Spans = list[tuple[float, float]]


def main() -> None:
    """Draw it."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "images" / "audio_artifacts.png"
    save(figure(), path)
    print(path)


def figure() -> Figure:
    """Waveforms over mel spectrograms of the clean audio and of each defect."""
    clean = base_audio()
    low, high = (round(each * SAMPLE_RATE) for each in INTERVAL_S)

    def within(degraded: Pcm) -> Pcm:
        return np.concatenate([clean[:low], degraded, clean[high:]])

    part = clean[low:high]
    added = tuple(AdditiveClick(round(at * SAMPLE_RATE), 0.2) for at in CLICKS_S)
    wanted = tuple(ReductiveClick(round(at * SAMPLE_RATE), 0.5) for at in CUTS_S)
    shortened, cuts = cut_clicks(clean, 0, wanted, SimulationConfig())
    removed = np.cumsum([0, *(cut.stop - cut.start for cut in cuts)])
    joints = [(cut.start - gone) / SAMPLE_RATE for cut, gone in zip(cuts, removed, strict=False)]
    panels: list[tuple[str, Pcm, Spans]] = [
        ("No defect", clean, []),
        ("Hum: 50 Hz, 10 000", within(add_hum(part, low, HumParams(50, 10_000))), [INTERVAL_S]),
        ("Hiss: 10 000", within(add_hiss(part, low, 0, HissParams(10_000, 1))), [INTERVAL_S]),
        (
            "Distortion: ratio 0.2",
            within(distort(part, DistortionParams(0.2, round(0.2 * PEAK)))),
            [INTERVAL_S],
        ),
        ("Clicks, additive", add_clicks(clean, 0, added), around(CLICKS_S)),
        ("Clicks, reductive", shortened, around(joints)),
    ]
    drawn = Figure(figsize=(13.5, 4.6), layout="constrained")
    axes = drawn.subplots(2, len(panels), sharex=True, sharey="row")
    for column, (title, samples, spans) in enumerate(panels):
        waveform(axes[0, column], samples)
        spectrogram(axes[1, column], samples)
        for axis, shade in ((axes[0, column], "0.6"), (axes[1, column], "white")):
            for start, end in between(spans, DURATION_S):
                axis.axvspan(start, end, color=shade, alpha=0.35, lw=0)
        axes[0, column].set_title(f"({'abcdef'[column]}) {title}", fontsize=9)
        axes[1, column].set_title(f"({'ghijkl'[column]})", fontsize=9)
        axes[1, column].set_xlabel("time (s)")
    axes[0, 0].set(ylabel="amplitude (16 bits)", xlim=(0, DURATION_S), ylim=(-33_000, 33_000))
    axes[1, 0].set_ylabel("mel band")
    return drawn


def base_audio() -> Pcm:
    """One channel of a sample file in 16 bits."""
    audio = read_audio(MEDIA / SOURCE, START_S, DURATION_S, sample_rate=SAMPLE_RATE, channels=1)[0]
    return np.rint(audio * (PEAK / np.abs(audio).max())).astype(np.int16)


def around(moments_s: tuple[float, ...] | list[float]) -> Spans:
    """A little time around each moment, to be seen."""
    return [(at - MARK_S, at + MARK_S) for at in moments_s]


def between(spans: Spans, duration_s: float) -> Spans:
    """What lies outside of the spans, where there are any."""
    if not spans:
        return []
    edges = [0.0, *(edge for span in spans for edge in span), duration_s]
    return list(zip(edges[::2], edges[1::2], strict=True))


def waveform(axes: Axes, samples: Pcm) -> None:
    """Least and greatest sample of each column, so that no click is lost."""
    columns = np.linspace(0, len(samples), COLUMNS, endpoint=False).astype(int)
    low, high = (each.reduceat(samples, columns) for each in (np.minimum, np.maximum))
    axes.fill_between(columns / SAMPLE_RATE, low, high, color="tab:blue", lw=0.3)


def spectrogram(axes: Axes, samples: Pcm) -> None:
    """What the network is given; a column shows the greatest of its frames, so that clicks stay."""
    audio = samples.astype(np.float32)[None] / np.float32(32_768)
    at_rate = resample(audio, SAMPLE_RATE, cnn6.SAMPLE_RATE, "HQ")
    levels: npt.NDArray[np.float32] = Cnn6LogMel()(torch.from_numpy(at_rate))[0].numpy()
    columns = np.linspace(0, len(levels), FRAMES, endpoint=False).astype(int)
    axes.imshow(
        np.maximum.reduceat(levels, columns).T, origin="lower", aspect="auto", cmap="magma",
        vmin=-60, vmax=40, extent=(0, len(samples) / SAMPLE_RATE, 0, cnn6.MEL_BANDS),
    )  # fmt: skip


if __name__ == "__main__":
    main()
