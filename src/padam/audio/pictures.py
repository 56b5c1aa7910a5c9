"""Pictures of a media file, small and at a steady rate, as the video encoder takes them."""

from collections.abc import Iterator
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
    without keeping the aspect. A file that ends earlier gives fewer frames. Raises MediaError for a
    file without pictures, ValueError for a negative start or a duration of no frame.
    """
    wanted = round(duration_s * fps)
    if start_s < 0 or wanted < 1:
        raise ValueError(f"no frames in start_s {start_s}, duration_s {duration_s} at {fps} fps")
    height, width = size
    pictures: list[npt.NDArray[np.uint8]] = []
    with open_container(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise MediaError(path, "no video stream that can be decoded")
        times = [time_zero_s(container) + start_s + k / fps for k in range(wanted)]
        for frame, repeats in _on_screen(_frames(container, stream, times[0]), times):
            picture = frame.reformat(width, height, "rgb24", interpolation="AREA").to_ndarray()
            pictures.extend([picture.astype(np.uint8, copy=False)] * repeats)
    if not pictures:
        return np.zeros((0, height, width, 3), dtype=np.uint8)
    return np.stack(pictures)


def _on_screen(
    frames: Iterator[VideoFrame], times: list[float]
) -> Iterator[tuple[VideoFrame, int]]:
    """Each frame that is on screen at some of `times`, and at how many."""
    due = 0
    shown: VideoFrame | None = None
    end = 0.0
    for frame in frames:
        # timestamps are rounded: a picture counts from half a millisecond early
        first_later = next(
            (i for i in range(due, len(times)) if times[i] >= _time_s(frame) - 5e-4), len(times)
        )
        if shown is not None and first_later > due:
            yield shown, first_later - due
            due = first_later
        elif shown is None and first_later > due:
            yield frame, first_later - due  # before the first picture: show that one
            due = first_later
        if due == len(times):
            return
        shown, end = frame, _time_s(frame) + _length_s(frame)
    repeats = sum(time < end - 5e-4 for time in times[due:])
    if shown is not None and repeats:
        yield shown, repeats


def _frames(container: InputContainer, stream: VideoStream, start_s: float) -> Iterator[VideoFrame]:
    """Frames in the order of display from the key frame before `start_s` on."""
    if start_s > 0 and stream.time_base is not None:
        try:
            container.seek(int(start_s / stream.time_base), stream=stream)
        except av.FFmpegError:
            container.seek(0)
    packets = packets_of(container, stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        try:
            yield from (frame for frame in stream.decode(packet) if frame.pts is not None)
        except av.FFmpegError:
            continue


def _time_s(frame: VideoFrame) -> float:
    return frame.time if frame.time is not None else 0.0


def _length_s(frame: VideoFrame) -> float:
    if frame.duration and frame.time_base is not None:
        return float(frame.duration * frame.time_base)
    return 0.04
