"""Pictures of a media file, small and at a steady rate, as the video encoder takes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from padam.audio.container import (
    MediaError,
    open_container,
    packets_of,
    time_zero_s,
    video_stream,
)
from padam.audio.spans import Span

_EARLY_S = 5e-4  # timestamps are rounded: a picture counts from half a millisecond early
_GAP_S = 1.0  # without a picture, though nothing that is there failed to decode
_BACK_OFF_S = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# MPEG program streams stamp a picture now and then; the first ones after a seek are guessed
_PROGRAM_STREAM_PREROLL_S = 2.0


def read_video(
    path: str | Path,
    start_s: float,
    duration_s: float,
    *,
    fps: float = 25.0,
    size: tuple[int, int] = (144, 256),
) -> npt.NDArray[np.uint8]:
    """Read RGB frames (T, height, width, 3), uint8, with T = round(duration_s * fps).

    Frame k is the picture on screen at `start_s + k / fps`, scaled to `size` (height, width)
    without keeping the aspect; those of a decode from the beginning, wherever the reading starts. A
    file that ends earlier gives fewer frames. Raises MediaError for a file without pictures,
    ValueError for a negative start or a duration of no frame.
    """
    return read_video_and_gaps(path, start_s, duration_s, fps=fps, size=size)[0]


def read_video_and_gaps(
    path: str | Path,
    start_s: float,
    duration_s: float,
    *,
    fps: float = 25.0,
    size: tuple[int, int] = (144, 256),
) -> tuple[npt.NDArray[np.uint8], tuple[Span, ...]]:
    """Read as `read_video`, and say where an earlier picture stands in for what is missing.

    That is where pictures could not be decoded, or none came for more than a second.
    """
    wanted = round(duration_s * fps)
    if start_s < 0 or wanted < 1:
        raise ValueError(f"no frames in start_s {start_s}, duration_s {duration_s} at {fps} fps")
    height, width = size
    pictures = np.empty((wanted, height, width, 3), dtype=np.uint8)
    gaps: list[Span] = []
    times = [start_s + k / fps for k in range(wanted)]
    filled = 0
    for shown, repeats, gap in _on_screen(_from(path, start_s), times):
        picture = shown.reformat(width, height, "rgb24", interpolation="AREA").to_ndarray()
        pictures[filled : filled + repeats] = picture
        filled += repeats
        if gap is not None:
            gaps.append(gap)
    return pictures[:filled], tuple(gaps)


@dataclass(frozen=True)
class _Picture:
    """A decoded frame, when it is shown, and whether something before it could not be decoded."""

    frame: VideoFrame
    time_s: float
    after_failure: bool

    @property
    def end_s(self) -> float:
        if self.frame.duration and self.frame.time_base is not None:
            return self.time_s + float(self.frame.duration * self.frame.time_base)
        return self.time_s + 0.04


def _on_screen(
    pictures: Iterator[_Picture], times: Sequence[float]
) -> Iterator[tuple[VideoFrame, int, Span | None]]:
    """Each frame that is on screen at some of `times`, at how many, and the gap after it."""
    due = 0
    shown: _Picture | None = None
    for picture in pictures:
        first_later = next(
            (i for i in range(due, len(times)) if times[i] >= picture.time_s - _EARLY_S),
            len(times),
        )
        if shown is not None and first_later > due:
            yield shown.frame, first_later - due, _gap(shown, picture)
            due = first_later
        elif shown is None and first_later > due:
            # before the first picture: show that one
            yield picture.frame, first_later - due, None
            due = first_later
        if due == len(times):
            return
        shown = picture
    if shown is not None:
        repeats = sum(time < shown.end_s - _EARLY_S for time in times[due:])
        if repeats:
            yield shown.frame, repeats, None


def _gap(shown: _Picture, following: _Picture) -> Span | None:
    gap = Span(shown.end_s, following.time_s)
    missing = gap.duration_s > (0.0 if following.after_failure else _GAP_S)
    return gap if missing else None


def _from(path: str | Path, start_s: float) -> Iterator[_Picture]:
    """Pictures in the order of display, the first one no later than `start_s` if there is one.

    A seek may lead to a key frame behind the one asked for: then it is asked for an earlier one.
    """
    for back_s in _BACK_OFF_S:
        if start_s <= back_s:
            break
        pictures = _decoded(path, start_s - back_s)
        first = next(pictures, None)
        if first is not None and first.time_s <= start_s + _EARLY_S:
            yield first
            yield from pictures
            return
    yield from _decoded(path, None)


def _decoded(path: str | Path, seek_s: float | None) -> Iterator[_Picture]:
    """Decode from the key frame before `seek_s` on, or from the beginning."""
    with open_container(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise MediaError(path, "no video stream that can be decoded")
        zero_s = time_zero_s(container)
        if seek_s is not None:
            if container.format.name == "mpeg":
                seek_s -= _PROGRAM_STREAM_PREROLL_S
            if not _seek(container, stream, zero_s + seek_s):
                return
        failed = False
        for frame in _frames(container, stream):
            if frame is None or frame.is_corrupt:
                failed = True
            elif frame.pts is not None:
                yield _Picture(frame, (frame.time or 0.0) - zero_s, failed)
                failed = False


def _seek(container: InputContainer, stream: VideoStream, time_s: float) -> bool:
    if stream.time_base is None:
        return False
    try:
        container.seek(int(time_s / stream.time_base), stream=stream)
    except av.FFmpegError:
        return False
    return True


def _frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame | None]:
    """Decoded frames; None stands for a packet that could not be decoded."""
    packets = packets_of(container, stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return  # the end, or a file that breaks off
        try:
            yield from stream.decode(packet)
        except av.FFmpegError:
            yield None
