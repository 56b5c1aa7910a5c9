"""The one place that opens media files, and says what is wrong with them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from stat import S_ISDIR
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from padam.audio.storage import Location, StorageError, is_url, open_binary

_MISSING, _EMPTY = "file not found", "file is empty"


class MediaError(Exception):
    """A media file that cannot be used: `path` and `reason`."""

    def __init__(self, path: Location, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = str(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type["MediaError"], tuple[str, str]]:
        # an exception with two arguments does not come back from a worker process by itself
        return type(self), (self.path, self.reason)


class UnreachableError(MediaError):
    """A file whose storage does not answer, or refuses: this says nothing about the file."""


@contextmanager
def open_container(path: Location) -> Iterator[InputContainer]:
    """Open a path or URL for reading and close again.

    What FFmpeg cannot open or read is a MediaError, a storage that fails an UnreachableError.
    """
    try:
        with ExitStack() as stack:
            # FFmpeg reads files of this machine faster than through Python
            source = stack.enter_context(_remote(path)) if is_url(path) else _local(Path(path))
            yield stack.enter_context(_opened(source, path))
    except StorageError as error:
        raise UnreachableError(path, error.reason) from error


def _local(file: Path) -> str:
    try:
        stat = file.stat()
    except FileNotFoundError as error:
        raise MediaError(file, _MISSING) from error
    except OSError as error:
        raise MediaError(file, _reason(error)) from error
    if S_ISDIR(stat.st_mode):
        raise MediaError(file, "is a folder, not a media file")
    if stat.st_size == 0:
        raise MediaError(file, _EMPTY)
    return str(file)


def _remote(url: Location) -> BinaryIO:
    try:
        file = open_binary(url)
        empty = not file.read(1)
    except FileNotFoundError as error:
        raise MediaError(url, _MISSING) from error
    if empty:
        raise MediaError(url, _EMPTY)
    file.seek(0)
    return file


def _opened(source: str | BinaryIO, path: Location) -> InputContainer:
    try:
        # track names in foreign encodings must not stop the reading
        return av.open(source, "r", metadata_errors="replace")
    except StorageError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(path, f"not a readable media file ({_reason(error)})") from error


def audio_stream(container: InputContainer, path: Location) -> AudioStream:
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


def packets_of(container: InputContainer, stream: Stream) -> Iterator[Packet]:
    """Packets of one stream; the others' are passed over, and not read where the format allows."""
    for other in container.streams:
        other.discard = Discard.default if other.index == stream.index else Discard.all
    return container.demux(stream)


def time_zero_s(container: InputContainer) -> float:
    """Timestamp at which the file starts to play; priming lies before 0 and is not played."""
    start = container.start_time
    return max(0.0, start / av.time_base) if start is not None else 0.0


def declared_duration_s(container: InputContainer) -> float:
    """Length that the file declares; of one that declares none, the end of its last packet."""
    if container.duration:
        return float(container.duration / av.time_base)
    end_s = 0.0
    for packet in container.demux():
        if packet.pts is not None and packet.time_base is not None:
            end_s = max(end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base))
    return max(0.0, end_s - time_zero_s(container))


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
