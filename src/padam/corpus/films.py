"""Films whose picture FFmpeg draws from their sound, where there is music but no footage."""

import random
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.filter import Graph
from av.video.frame import VideoFrame

from padam.audio import Audio
from padam.audio.media import read_audio
from padam.audio.storage import written_whole
from padam.corpus.recipe import CorpusError, FilmRules

RATE = 48000
FPS = 25
_BLOCK = 4096


def choose_music(durations_s: Mapping[str, float], count: int, rules: FilmRules) -> list[str]:
    """Return up to `count` of the files that last long enough for a film, the same every time."""
    needed = rules.start_s + rules.duration_s
    files = sorted(file for file, duration_s in durations_s.items() if duration_s >= needed)
    return sorted(random.Random(count).sample(files, min(count, len(files))))


def render_film(music: Path, film: Path, rules: FilmRules) -> None:
    """Write a film of the music (Matroska: H.264 of 256 x 144 at 25 fps, FLAC) unless it is there.

    The picture is the spectrum on a musical scale (FFmpeg's `showcqt`), frequency upwards, so that
    a mirrored picture is still true to its sound. Raises CorpusError where FFmpeg's libraries lack
    the filter or the encoder.
    """
    if film.exists():
        return
    if "showcqt" not in av.filter.filters_available or "libx264" not in av.codecs_available:
        raise CorpusError("films need the filter showcqt and the encoder libx264 in PyAV's FFmpeg")
    audio = read_audio(music, rules.start_s, rules.duration_s, sample_rate=RATE, channels=2)
    film.parent.mkdir(parents=True, exist_ok=True)
    with (
        written_whole(film) as partial,
        av.open(str(partial), "w", format="matroska") as container,
    ):
        _write(container, audio)


def _write(container: OutputContainer, audio: Audio) -> None:
    video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
    video.width, video.height, video.pix_fmt = 256, 144, "yuv420p"
    sound = container.add_stream("flac", rate=RATE, layout="stereo")
    heard = 0
    for frame in _pictures(audio):
        container.mux(video.encode(frame))
        # each picture's own sound after it, so that a player need not look ahead
        for block in _frames(audio[:, heard : heard + RATE // FPS], heard):
            container.mux(sound.encode(block))
        heard += RATE // FPS
    for block in _frames(audio[:, heard:], heard):
        container.mux(sound.encode(block))
    container.mux(video.encode(None))
    container.mux(sound.encode(None))


def _pictures(audio: Audio) -> Iterator[VideoFrame]:
    """Yield 25 pictures a second of the sound, stamped in units of a picture."""
    graph = Graph()
    source = graph.add_abuffer(
        sample_rate=RATE, format="s16", layout="stereo", time_base=Fraction(1, RATE)
    )
    # showcqt draws frequency from left to right: turned and flipped it goes upwards
    drawing = graph.add("showcqt", f"s=144x256:fps={FPS}:axis=0:sono_h=0:bar_h=256")
    turned = graph.add("transpose", "clock_flip")
    pixels = graph.add("format", "yuv420p")
    graph.link_nodes(source, drawing, turned, pixels, graph.add("buffersink")).configure()
    count = 0
    for block in (*_frames(audio, 0), None):
        graph.push(block)
        while True:
            try:
                frame = graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                break
            # the filter stamps the last one late
            frame.pts, frame.time_base = count, Fraction(1, FPS)
            count += 1
            yield frame


def _frames(audio: Audio, first: int) -> Iterator[AudioFrame]:
    """Yield 16-bit frames of (2, samples), stamped from sample `first` on."""
    samples = np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16)
    for start in range(0, samples.shape[1], _BLOCK):
        block = samples[:, start : start + _BLOCK]
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(block.T).reshape(1, -1), format="s16", layout="stereo"
        )
        frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
        frame.pts = first + start
        yield frame
