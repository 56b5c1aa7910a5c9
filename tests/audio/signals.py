"""Signals with known properties, and media files made of them."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from scipy import signal

from padam.audio import Audio


def programme(
    rate: int = 48000, duration_s: float = 2.0, channels: int = 2, seed: int = 1
) -> Audio:
    """Broadband sound with beats and a knock: nothing in it repeats, so that a lag is unique."""
    count = round(rate * duration_s)
    rng = np.random.default_rng(seed)
    time = np.arange(count) / rate
    noise = signal.sosfilt(
        signal.butter(1, 500, fs=rate, output="sos"), rng.standard_normal((channels, count))
    )
    tone = np.sin(2 * np.pi * 440 * time) * (1 + np.sin(2 * np.pi * 3 * time)) / 2
    audio = 0.15 * noise + 0.2 * tone
    audio[:, count // 2 : count // 2 + rate // 1000] += 0.3
    return audio.astype(np.float32)


def sine(rate: int, frequency_hz: float, duration_s: float, amplitude: float = 1.0) -> Audio:
    time = np.arange(round(rate * duration_s)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time)).astype(np.float32)[None]


def lag_samples(reference: Audio, delayed: Audio) -> int:
    """Lag of the greatest cross-correlation."""
    correlation = signal.correlate(delayed[0], reference[0], method="fft")
    return int(np.argmax(correlation)) - (reference.shape[1] - 1)


def write_media(
    path: Path,
    audio: Audio | None,
    rate: int = 48000,
    codec: str = "aac",
    *,
    layout: str | None = None,
    options: dict[str, str] | None = None,
    audio_start_s: float = 0.0,
    gaps_s: Sequence[tuple[float, float]] = (),
    frames: np.ndarray | None = None,
    fps: int | Fraction = 25,
    timecode: str | None = None,
) -> Path:
    """Mux audio, pictures (T, H, W, 3) or both; each gap (at_s, length_s) delays what follows."""
    with av.open(str(path), "w") as container:
        video = audio_stream = None
        if frames is not None:
            video = container.add_stream("mpeg4", rate=fps)
            video.width, video.height, video.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
            video.bit_rate = 4_000_000
            if timecode:
                video.metadata["timecode"] = timecode
        if audio is not None:
            layout = layout or ("mono", "stereo")[audio.shape[0] - 1]
            audio_stream = container.add_stream(codec, rate=rate, layout=layout)
            if options:
                audio_stream.codec_context.options = options
            audio_stream.codec_context.bit_rate = 192_000
        if video is not None:
            for picture in frames:
                container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(video.encode(None))
        if audio_stream is not None:
            context = audio_stream.codec_context
            if not context.is_open:
                context.open()
            size = context.frame_size or 1024
            planar = context.format.is_planar
            for start in range(0, audio.shape[1], size):
                block = audio[:, start : start + size]
                if context.format.name.startswith("s16"):
                    block = np.round(np.clip(block, -1, 1) * 32767).astype(np.int16)
                elif context.format.name.startswith("s32"):
                    block = np.round(np.clip(block, -1, 1) * 2147483000).astype(np.int32)
                if not planar:
                    block = block.T.reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(block), format=context.format.name, layout=layout
                )
                shift = audio_start_s + sum(g for at, g in gaps_s if start >= at * rate)
                frame.sample_rate = rate
                frame.time_base = Fraction(1, rate)
                frame.pts = start + round(shift * rate)
                container.mux(audio_stream.encode(frame))
            container.mux(audio_stream.encode(None))
    return path
