"""Draw the pictures of docs/defects: `python docs/draw_defects.py [FOLDER]`."""

import io
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from scipy.signal import ShortTimeFFT, get_window, welch

from padam.audio import Audio
from padam.audio.codec_settings import CodecSettings
from padam.audio.levels import scale_to_peak_db
from padam.audio.media import read_audio
from padam.defects.base import WHOLE, PlacementRanges
from padam.defects.encoding import encode
from padam.defects.interval import Interval
from padam.defects.packet_loss import PacketLoss
from padam.defects.quantization import Quantization, QuantizationParams
from padam.defects.registry import DEFECTS

DOCS = Path(__file__).parent
MEDIA = DOCS.parent / "data" / "01_raw" / "sample_media"
RATE = 48000
DURATION_S = 6.0
COLOURS = 96
BEFORE, AFTER, MARK = "0.7", "tab:red", "tab:blue"
PARTIAL = PlacementRanges(whole_probability=0.0, all_channels_probability=1.0)


def excerpt(name: str, start_s: float) -> Audio:
    """Stereo of a sample file, peak at -3 dB."""
    audio = read_audio(MEDIA / name, start_s, DURATION_S, sample_rate=RATE, channels=2)
    return scale_to_peak_db(audio, -3.0)


def defective(
    name: str, audio: Audio, seed: int, placement: PlacementRanges = WHOLE, **ranges: Any
) -> tuple[Any, Audio]:
    """Drawn parameters of a defect, and the audio with it."""
    defect = DEFECTS[name]
    rng = np.random.default_rng(seed)
    params = defect.draw(rng, audio, RATE, defect.Ranges(**ranges), placement)
    return params, defect.apply(audio, RATE, params)


def hum() -> Figure:
    """Spectrograms up to 2 kHz, and the spectra of both."""
    audio = excerpt("dialogue/czech_conversation.opus", 10.0)
    params, degraded = defective(
        "hum", audio, 3, PARTIAL, snr_db=(3, 3), mains_probability=1.0, mains_hz=(50.0,),
        patterns=("odd",), waveforms=("square",), harmonics=(12, 12),
    )  # fmt: skip
    figure, axes = panels()
    spectrograms(
        axes[:2], [("Before", audio), ("After: 50 Hz, odd, square, SNR 3 dB", degraded)], 2000
    )
    inside = params.interval.slice(RATE, audio.shape[1])
    for signal, colour, label in ((degraded, AFTER, "after"), (audio, BEFORE, "before")):
        spectrum(axes[2], signal[0, inside], colour, label, 48000)
    axes[2].set(title="Spectrum within the interval", xlim=(20, 2000), ylim=(-100, -10))
    added(axes[3], degraded - audio, params.interval.start_s - 0.01, 0.08)
    return figure


def hiss() -> Figure:
    """Spectrograms over the whole band, spectra, and the onset."""
    audio = excerpt("dialogue/russian_reader_1.opus", 4.0)
    params, degraded = defective(
        "hiss", audio, 2, PARTIAL, snr_db=(6, 6), beta=(0.5, 0.5), highpass=(0.05, 0.05)
    )
    figure, axes = panels()
    spectrograms(
        axes[:2], [("Before", audio), ("After: β = 0.5, high-pass 1.2 kHz, SNR 6 dB", degraded)]
    )
    inside = params.interval.slice(RATE, audio.shape[1])
    for signal, colour, label in ((degraded, AFTER, "after"), (audio, BEFORE, "before")):
        spectrum(axes[2], signal[0, inside], colour, label)
    axes[2].set(title="Spectrum within the interval", xlim=(20, 24000), ylim=(-130, -20))
    added(axes[3], degraded - audio, params.interval.start_s - 0.005, 0.03)
    return figure


def drops() -> Figure:
    """One interruption in each of the three modes, and the spectrogram of the first."""
    audio = excerpt("music/folk_town_theme.opus", 6.0)
    figure, axes = panels()
    for axis, mode in zip(axes[1:], ("zeros", "hold", "removal"), strict=True):
        params, degraded = defective("drops", audio, 5, modes=(mode,), duration_s=(0.03, 0.04))
        # two that lie close, so that one moment shows both and what is between them
        event, following = min(
            (pair for pair in pairwise(params.events) if pair[1].start_s - pair[0].end_s > 0.06),
            key=lambda pair: pair[1].start_s - pair[0].end_s,
        )
        duration_s = following.start_s - event.start_s + 0.025
        waveform(axis, audio, degraded, event.start_s - 0.015, duration_s, mode.capitalize())
        axis.axvspan(event.start_s, event.end_s, color=MARK, alpha=0.15, label="drawn")
        axis.axvline(following.start_s, color=MARK, lw=0.8, ls="--", label="next")
        if mode == "removal":
            back_s = following.start_s - event.duration_s
            axis.axvspan(back_s - 0.005, back_s, color="tab:green", alpha=0.3, label="cross-fade")
        axis.legend(loc="upper right", fontsize=7, ncols=5)
        if mode == "zeros":
            title = f"After: {len(params.events)} interruptions of zeros"
            spectrograms(axes[:1], [(title, degraded)])
    return figure


def clipping() -> Figure:
    """Waveform at the thresholds, distribution of the samples, and spectrograms."""
    audio = excerpt("music/orchestral_palace.opus", 20.0)
    params, degraded = defective(
        "clipping", audio, 4, percent=(20, 20), unbroken_probability=0.0, region_s=(1.0, 1.5)
    )
    figure, axes = panels()
    spectrograms(
        axes[:2], [("Before", audio), ("After: $p_c$ = 20 %, between the lines", degraded)]
    )
    for region in params.regions:
        axes[1].axvline(region.start_s, color="w", lw=0.8)
        axes[1].axvline(region.end_s, color="w", lw=0.8, ls="--")
    loud_s = loudest_s(audio, params.regions[0].start_s, params.regions[0].duration_s)
    waveform(axes[2], audio, degraded, loud_s - 0.01, 0.02, "Waveform")
    for level in (params.low, params.high):
        axes[2].axhline(level, color=MARK, lw=0.8, ls="--")
    samples = np.concatenate([audio[:, r.slice(RATE, audio.shape[1])] for r in params.regions], 1)
    axes[3].hist(samples.ravel(), 200, color=BEFORE, label="before")
    for level, label in ((params.low, "$p_c$/2 and 100 % - $p_c$/2"), (params.high, None)):
        axes[3].axvline(level, color=MARK, lw=0.8, ls="--", label=label)
    axes[3].set(
        title="Samples of all clipped regions and channels",
        xlabel="amplitude (re full scale)",
        ylabel="samples",
    )
    axes[3].legend(fontsize=7)
    return figure


def quantization() -> Figure:
    """Waveforms at 4 bits with and without dither, and the spectra of the error at 6 bits."""
    audio = excerpt("music/chamber_love_theme.opus", 12.0)
    figure, axes = panels()
    spectrograms(axes[:2], [("Before", audio), ("After: 4 bits (9 levels)", quantized(audio, 4))])
    at_s = loudest_s(audio, 1.0, 3.0)
    waveform(axes[2], audio, quantized(audio, 4), at_s, 0.012, "4 bits: steps of 1/4")
    for dither, shaping, label in (
        ("none", False, "no dither"),
        ("rpdf", False, "RPDF"),
        ("tpdf", False, "TPDF"),
        ("tpdf", True, "TPDF, noise shaping"),
    ):
        error = quantized(audio, 6, dither, shaping)[0] - audio[0]
        spectrum(axes[3], error, None, label, 4096)
    axes[3].set(title="Spectrum of the error, 6 bits", xlim=(50, 24000), ylim=(-100, -35))
    return figure


def packet_loss() -> Figure:
    """The stream without and with loss."""
    audio = excerpt("music/folk_town_theme.opus", 20.0)
    codec = CodecSettings(codec="aac", bitrate_kbps=96)
    intact = encode(audio, RATE, codec)
    drawn = PacketLoss().draw(
        np.random.default_rng(1), audio, RATE, PacketLoss.Ranges(), WHOLE, codec
    )
    drawn = drawn.model_copy(
        update={
            "interval": Interval(start_s=1.5, duration_s=3.0),
            "amount": 2000,
            "dropamount": None,
            "packet_drop_share": 0.0,
            "conceal": "timestamps",
        }
    )
    corrupted = PacketLoss().apply(audio, RATE, drawn)
    lossy = PacketLoss().apply(
        audio,
        RATE,
        drawn.model_copy(
            update={"amount": 10**6, "packet_drop_share": 0.1, "mean_burst_packets": 2.0}
        ),
    )
    figure, axes = panels()
    spectrograms(
        axes[:2],
        [("Before: AAC, 96 kbit/s", intact), ("After: amount 2000, 1.5 s to 4.5 s", corrupted)],
    )
    spectrograms(axes[2:3], [("After: packets lost in bursts, no noise", lossy)])
    silent_s = float(np.flatnonzero((lossy[0] == 0) & (intact[0] != 0))[0]) / RATE
    waveform(axes[3], intact, lossy, silent_s - 0.02, 0.08, "Lost packets stay silent in place")
    return figure


def clicks() -> Figure:
    """Spectrogram, and two clicks in detail."""
    audio = excerpt("music/ambient_colobot_005.opus", 20.0)
    params, degraded = defective("clicks", audio, 6, per_second=(4, 4))
    figure, axes = panels()
    spectrograms(axes[:2], [("Before", audio), (f"After: {len(params.clicks)} clicks", degraded)])
    by_length = sorted(params.clicks, key=lambda click: click.duration_s)
    for axis, click in zip(axes[2:], (by_length[-1], by_length[2]), strict=True):
        title = f"{click.duration_s * 1000:.2f} ms, amplitude {click.amplitude:+.2f}"
        waveform(axis, audio, degraded, click.start_s - 0.002, 0.005, title)
    return figure


DRAWINGS: dict[str, Callable[[], Figure]] = {
    "hum": hum,
    "hiss": hiss,
    "drops": drops,
    "clipping": clipping,
    "quantization": quantization,
    "packet_loss": packet_loss,
    "clicks": clicks,
}


def panels() -> tuple[Figure, npt.NDArray[Any]]:
    """Figure of two by two axes, flat."""
    figure = Figure(figsize=(10, 6.2), layout="constrained")
    return figure, figure.subplots(2, 2).ravel()


def spectrograms(
    axes: npt.NDArray[Any], titled: list[tuple[str, Audio]], top_hz: float = 24000
) -> None:
    """Levels of the left channels in time and frequency, side by side on one scale."""
    length = 8192 if top_hz < 4000 else 1024
    transform = ShortTimeFFT(get_window("hann", length), length // 2, RATE, scale_to="magnitude")
    keep = transform.f <= top_hz
    for axis, (title, audio) in zip(axes, titled, strict=True):
        levels = 20 * np.log10(np.abs(transform.stft(audio[0].astype(float))) + 1e-9)
        image = axis.pcolormesh(
            transform.t(audio.shape[1]), transform.f[keep] / 1000, levels[keep],
            vmin=-110, vmax=-30, cmap="magma", rasterized=True,
        )  # fmt: skip
        axis.set(title=title, xlabel="time (s)", ylabel="frequency (kHz)")
        axis.set(xlim=(0, DURATION_S), ylim=(0, top_hz / 1000))
    axes[0].figure.colorbar(image, ax=list(axes), label="level (dB re full scale)", pad=0.01)


def waveform(
    axes: Axes, before: Audio, after: Audio, start_s: float, duration_s: float, title: str
) -> None:
    """Left channel of both over a moment."""
    where = Interval(start_s=max(start_s, 0), duration_s=duration_s).slice(RATE, before.shape[1])
    time_s = np.arange(where.start, where.stop) / RATE
    axes.plot(time_s, before[0, where], color=BEFORE, lw=1.8, label="before")
    axes.plot(time_s, after[0, where], color=AFTER, lw=0.9, label="after")
    axes.set(title=title, xlabel="time (s)", ylabel="amplitude (re full scale)")
    axes.margins(x=0, y=0.2)
    axes.locator_params(axis="x", nbins=5)
    axes.legend(loc="upper right", fontsize=7, ncols=2)


def added(axes: Axes, error: Audio, start_s: float, duration_s: float) -> None:
    """What a defect added to the left channel, where it begins."""
    where = Interval(start_s=start_s, duration_s=duration_s).slice(RATE, error.shape[1])
    axes.plot(np.arange(where.start, where.stop) / RATE, error[0, where], color=AFTER, lw=0.9)
    axes.set(
        title="What was added, faded in over 5 ms",
        xlabel="time (s)",
        ylabel="amplitude (re full scale)",
    )
    axes.margins(x=0)
    axes.locator_params(axis="x", nbins=5)


def spectrum(
    axes: Axes, signal: npt.NDArray[np.float32], colour: str | None, label: str, length: int = 16384
) -> None:
    """Level of each bin."""
    frequency_hz, power = welch(signal.astype(float), RATE, nperseg=length, scaling="spectrum")
    axes.semilogx(frequency_hz[1:], 10 * np.log10(power[1:]), color=colour, lw=0.9, label=label)
    axes.set(xlabel="frequency (Hz)", ylabel="level per bin (dB re full scale)")
    axes.legend(fontsize=7)


def quantized(audio: Audio, bits: int, dither: Any = "none", noise_shaping: bool = False) -> Audio:
    """Quantization of the whole."""
    params = QuantizationParams(
        interval=Interval(start_s=0, duration_s=DURATION_S), channels=(0, 1), bits=bits,
        dither=dither, noise_shaping=noise_shaping, seed=1,
    )  # fmt: skip
    return Quantization().apply(audio, RATE, params)


def loudest_s(audio: Audio, start_s: float, duration_s: float) -> float:
    """When the left channel peaks within an interval."""
    where = Interval(start_s=start_s, duration_s=duration_s).slice(RATE, audio.shape[1])
    return (where.start + int(np.argmax(np.abs(audio[0, where])))) / RATE


def save(figure: Figure, path: Path) -> None:
    """Write a PNG of few colours, which is small."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=100)
    unfinished = path.with_suffix(".partial")
    Image.open(drawn).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
        unfinished, format="png", optimize=True
    )
    unfinished.replace(path)


def main() -> None:
    """Draw all of them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS / "images" / "defects"
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in DRAWINGS.items():
        save(draw(), folder / f"{name}.png")
        print(f"{folder / name}.png")


if __name__ == "__main__":
    main()
