"""Media files: what is in them, their audio, their pictures.

Times count from the point where the file starts to play, so that audio and pictures agree.
"""

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import InputContainer

from padam.audio import Audio
from padam.audio.container import (
    MediaError,
    audio_stream,
    declared_duration_s,
    open_container,
    time_zero_s,
    video_stream,
)
from padam.audio.pictures import read_video, read_video_and_gaps
from padam.audio.resampling import resample_blocks
from padam.audio.spans import Span
from padam.audio.storage import written_whole
from padam.audio.timeline import Timeline

__all__ = [
    "DecodedAudio",
    "MediaError",
    "MediaInfo",
    "probe",
    "read_audio",
    "read_audio_and_gaps",
    "read_video",
    "read_video_and_gaps",
    "stream_audio",
    "write_flac",
]

_RESAMPLER_PREROLL_S = 0.1
_WRITTEN_SAMPLES = 2**20
_TIMECODE = re.compile(r"\d{2}:\d{2}:\d{2}[:;.]\d{2,3}")


@dataclass(frozen=True)
class MediaInfo:
    """What a media file holds.

    Without audio, `sample_rate` and `channels` are 0 and the names empty. `duration_s` is that of
    the longest stream, as the file declares it; `audio_start_s` is how much later than the title
    its sound begins. `start_timecode` is what the file says of its first frame: HH:MM:SS:FF, with
    a semicolon before the frames where they are drop-frame.
    """

    path: str
    duration_s: float
    sample_rate: int
    channels: int
    channel_layout: str
    audio_codec: str
    has_audio: bool
    has_video: bool
    fps: float | None
    width: int | None
    height: int | None
    channel_names: tuple[str, ...] = ()
    frame_rate: Fraction | None = None
    start_timecode: str | None = None
    audio_start_s: float = 0.0


def probe(path: str | Path) -> MediaInfo:
    """Describe a file without decoding it.

    Raises MediaError for what is not media, or holds neither audio nor pictures.
    """
    with open_container(path) as container:
        video = video_stream(container)
        stream = audio_stream(container, path) if container.streams.audio else None
        audio = stream.codec_context if stream else None
        if audio is None and video is None:
            raise MediaError(path, "neither audio nor video in it")
        rate = (video.average_rate or video.guessed_rate) if video else None
        return MediaInfo(
            path=str(path),
            duration_s=declared_duration_s(container),
            sample_rate=audio.sample_rate if audio else 0,
            channels=audio.channels if audio else 0,
            channel_layout=audio.layout.name if audio else "",
            audio_codec=audio.name if audio else "",
            has_audio=audio is not None,
            has_video=video is not None,
            fps=float(rate) if rate else None,
            width=video.width if video else None,
            height=video.height if video else None,
            channel_names=_channel_names(audio) if audio else (),
            frame_rate=Fraction(rate) if rate else None,
            start_timecode=_start_timecode(container),
            audio_start_s=_start_s(stream, time_zero_s(container)) if stream else 0.0,
        )


def _channel_names(audio: AudioCodecContext) -> tuple[str, ...]:
    """Return the names of the layout, or 1, 2, … where it does not tell the channels apart."""
    names = tuple(channel.name for channel in audio.layout.channels)
    if len(set(names)) == audio.channels:
        return names
    return tuple(str(number + 1) for number in range(audio.channels))


def _start_timecode(container: InputContainer) -> str | None:
    """Return what the first stream that knows it, or the file itself, says of the first frame."""
    for metadata in (*(stream.metadata for stream in container.streams), container.metadata):
        if _TIMECODE.fullmatch(found := metadata.get("timecode", "").strip()):
            return found[:8] + (";" if found[8] in ";." else ":") + found[9:]
    return None


def _start_s(stream: AudioStream, zero_s: float) -> float:
    if stream.start_time is None or stream.time_base is None:
        return 0.0
    return max(0.0, float(stream.start_time * stream.time_base) - zero_s)


def read_audio(
    path: str | Path,
    start_s: float = 0.0,
    duration_s: float | None = None,
    *,
    sample_rate: int = 48000,
    channels: int | None = None,
) -> Audio:
    """Read (channels, samples) from sample `round(start_s * sample_rate)` on.

    The samples are those of a decode from the beginning, wherever the reading starts (but for the
    noise that AAC decoders synthesise, and but for a file whose timestamps leave its samples: a
    decode from the beginning follows the samples until they are 100 ms apart, a later one begins at
    the timestamp). `channels` 1 or 2 remixes, None keeps the file's. Gaps of the timestamps over
    100 ms, a late start among them, are silence; NaN is 0. A file that ends earlier gives fewer
    samples, none beyond its end. Raises MediaError for a file without decodable audio, ValueError
    for a negative start, or a duration or channel count that makes no sense.
    """
    return read_audio_and_gaps(
        path, start_s, duration_s, sample_rate=sample_rate, channels=channels
    )[0]


def read_audio_and_gaps(
    path: str | Path,
    start_s: float = 0.0,
    duration_s: float | None = None,
    *,
    sample_rate: int = 48000,
    channels: int | None = None,
) -> tuple[Audio, tuple[Span, ...]]:
    """Read as `read_audio`, and say where silence stands in for what is missing.

    That is where sound could not be decoded or its timestamps leave a gap, after it began.
    """
    if not (math.isfinite(start_s) and start_s >= 0):
        raise ValueError(f"start_s {start_s} must be 0 or more")
    if duration_s is not None and not (math.isfinite(duration_s) and duration_s >= 0):
        raise ValueError(f"duration_s {duration_s} must be 0 or more")
    _check_output(sample_rate, channels)
    timeline = Timeline(path, channels)
    wanted = None if duration_s is None else round(duration_s * sample_rate)
    blocks: list[Audio] = [np.zeros((timeline.channels, 0), dtype=np.float32)]
    count = 0
    for block in _resampled(timeline, round(start_s * sample_rate), sample_rate):
        if wanted is not None and count + block.shape[1] >= wanted:
            blocks.append(block[:, : wanted - count])
            break
        blocks.append(block)
        count += block.shape[1]
    return np.concatenate(blocks, axis=1), _spans(timeline)


class DecodedAudio(Iterator[Audio]):
    """Blocks of a file as they are decoded, and what was wrong with those that came so far."""

    def __init__(self, blocks: Iterator[Audio], timeline: Timeline) -> None:
        self._blocks = blocks
        self._timeline = timeline

    def __next__(self) -> Audio:
        return next(self._blocks)

    @property
    def gaps(self) -> tuple[Span, ...]:
        """Where silence stands in for sound that is missing or could not be decoded."""
        return _spans(self._timeline)

    @property
    def not_finite(self) -> int:
        """Number of samples that were NaN or infinite; they are read as 0 or full scale."""
        return self._timeline.not_finite


def stream_audio(
    path: str | Path, block_s: float, *, sample_rate: int = 48000, channels: int | None = None
) -> "DecodedAudio":
    """Return the file as consecutive blocks of `block_s`, the last one maybe shorter.

    Together they are `read_audio(path)`; memory stays bounded by a block. Packets that cannot be
    decoded are skipped and their time is silence. Raises MediaError as `read_audio` does.
    """
    _check_output(sample_rate, channels)
    size = round(block_s * sample_rate)
    if size < 1:
        raise ValueError(f"block_s {block_s} is less than one sample")
    timeline = Timeline(path, channels)
    return DecodedAudio(_blocks_of(size, timeline, sample_rate), timeline)


def write_flac(path: str | Path, audio: Audio, sample_rate: int, subtype: str = "PCM_24") -> None:
    """Write (channels, samples) under a temporary name, then rename; beyond ±1 is clipped.

    Raises ValueError for samples that are not finite and for more than 8 channels.
    """
    if not np.isfinite(audio).all():
        raise ValueError(f"{path}: audio holds NaN or infinite samples")
    if not 1 <= audio.shape[0] <= 8:
        raise ValueError(f"{path}: FLAC takes 1 to 8 channels, not {audio.shape[0]}")
    # through memory: of a full disk libsndfile says no more than "System error"
    content = io.BytesIO()
    with soundfile.SoundFile(
        content, "w", sample_rate, len(audio), subtype=subtype, format="FLAC"
    ) as file:
        # a piece at a time: libsndfile wants samples interleaved, which is a copy
        for start in range(0, audio.shape[1], _WRITTEN_SAMPLES):
            file.write(audio[:, start : start + _WRITTEN_SAMPLES].T)
    with written_whole(path) as partial:
        partial.write_bytes(content.getbuffer())


def _spans(timeline: Timeline) -> tuple[Span, ...]:
    return tuple(Span(first / timeline.rate, end / timeline.rate) for first, end in timeline.gaps)


def _blocks_of(size: int, timeline: Timeline, sample_rate: int) -> Iterator[Audio]:
    pending: list[Audio] = []
    count = 0
    for block in _resampled(timeline, 0, sample_rate):
        pending.append(block)
        count += block.shape[1]
        if count >= size:
            joined = np.concatenate(pending, axis=1)
            whole = count - count % size
            yield from np.split(joined[:, :whole], whole // size, axis=1)
            pending, count = [joined[:, whole:]], count - whole
    if count:
        yield np.concatenate(pending, axis=1)


def _resampled(timeline: Timeline, start: int, rate: int) -> Iterator[Audio]:
    """Blocks from output sample `start` on, on the same sampling grid wherever they start."""
    if timeline.rate == rate:
        yield from timeline.blocks(start)
        return
    # start early, where both grids share a sample, and drop what the filter needs to settle
    common = math.gcd(timeline.rate, rate)
    periods = max(0, start - round(_RESAMPLER_PREROLL_S * rate)) * common // rate
    skip = start - periods * (rate // common)
    native = timeline.blocks(periods * (timeline.rate // common))
    for block in resample_blocks(native, timeline.rate, rate):
        yield block[:, skip:]
        skip = max(0, skip - block.shape[1])


def _check_output(sample_rate: int, channels: int | None) -> None:
    if sample_rate <= 0:
        raise ValueError(f"sample_rate {sample_rate} must be positive")
    if channels not in (None, 1, 2):
        raise ValueError(f"channels {channels} must be 1, 2 or None")
