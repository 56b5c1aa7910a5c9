"""Titles of any length made from the sample media, for benchmarks that scan."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from padam.audio import Audio
from padam.audio.media import read_audio

RATE = 48_000
FRAME = 1024
SAMPLE_MEDIA = Path(__file__).parents[1] / "data" / "01_raw" / "sample_media"
SUFFIXES = {".flac", ".ogg", ".opus", ".mp3", ".wav", ".m4a"}


def write_title(path: Path, duration_s: float) -> Path:
    """Write a stereo title, AAC at 128 kbit/s: sample media over and over.

    They are encoded once, and their packets repeated, so that hours take seconds.
    """
    with av.open(str(_encode(path.with_suffix(".part.m4a"), sample_content()))) as source:
        stream = source.streams.audio[0]
        packets = [bytes(packet) for packet in source.demux(stream) if packet.size]
        with av.open(str(path), "w") as container:
            repeated = container.add_stream_from_template(stream)
            for number in range(round(duration_s * RATE / FRAME)):
                packet = av.Packet(packets[number % len(packets)])
                packet.stream, packet.time_base = repeated, Fraction(1, RATE)
                packet.pts = packet.dts = number * FRAME
                packet.duration = FRAME
                container.mux(packet)
    return path


def sample_content() -> Audio:
    """A minute or so of music, speech and effects; noise where the sample media are missing."""
    files = sorted(p for p in SAMPLE_MEDIA.rglob("*") if p.suffix in SUFFIXES)
    chosen = files[:: max(1, len(files) // 6)][:6]
    parts = [read_audio(p, 2.0, 15.0, sample_rate=RATE, channels=2) for p in chosen]
    if not parts:
        noise = np.random.default_rng(0).standard_normal((2, 60 * RATE)) / 20
        parts = [noise.astype(np.float32)]
    content = np.concatenate(parts, axis=1)
    return content[:, : content.shape[1] // FRAME * FRAME]


def _encode(path: Path, content: Audio) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=RATE, layout="stereo", bit_rate=128_000)
        for position in range(0, content.shape[1], FRAME):
            samples = np.ascontiguousarray(content[:, position : position + FRAME])
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE, position
            frame.time_base = Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
