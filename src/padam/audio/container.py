"""The one place that opens media files, and says what is wrong with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream


class MediaError(Exception):
    """A media file that cannot be used: `path` and `reason`."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type["MediaError"], tuple[str, str]]:
        # an exception with two arguments does not come back from a worker process by itself
        return type(self), (self.path, self.reason)


@contextmanager
def open_container(path: str | Path) -> Iterator[InputContainer]:
    """Open for reading and close again; what FFmpeg cannot open or read is a MediaError."""
    file = Path(path)
    if not file.exists():
        raise MediaError(path, "file not found")
    if file.is_dir():
        raise MediaError(path, "is a folder, not a media file")
    if file.stat().st_size == 0:
        raise MediaError(path, "file is empty")
    try:
        # track names in foreign encodings must not stop the reading
        container = av.open(str(file), metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(path, f"not a readable media file ({_reason(error)})") from error
    with container:
        yield container


def audio_stream(container: InputContainer, path: str | Path) -> AudioStream:
    """Pick the default audio stream, else the first; MediaError if there is none, or no decoder."""
    streams = [s for s in container.streams.audio if s.codec_context is not None]
    if not streams:
        raise MediaError(path, "no audio stream that can be decoded")
    stream = next((s for s in streams if s.disposition & Disposition.default), streams[0])
    if stream.codec_context.sample_rate <= 0 or stream.codec_context.channels <= 0:
        raise MediaError(path, "audio stream without sample rate or channels")
    return stream


def video_stream(container: InputContainer) -> VideoStream | None:
    """Pick the first stream of moving pictures; cover art is none."""
    for stream in container.streams.video:
        if stream.codec_context is not None and not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def time_zero_s(container: InputContainer) -> float:
    """Timestamp at which the file starts to play; priming lies before 0 and is not played."""
    start = container.start_time
    return max(0.0, start / av.time_base) if start is not None else 0.0


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
