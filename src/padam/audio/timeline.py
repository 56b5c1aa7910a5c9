"""Decoded audio laid on the file's timeline: gaps filled, damage skipped, seeks exact."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer

from padam.audio import Audio
from padam.audio.channels import remix
from padam.audio.container import (
    MediaError,
    audio_stream,
    open_container,
    packets_of,
    time_zero_s,
    video_stream,
)
from padam.audio.frames import frame_samples
from padam.audio.resampling import resample

_GAP_S = 0.1  # smaller steps of the timestamps are jitter
_PREROLL_S = 0.2  # overlap and bit reservoir of lossy codecs settle after a seek
_BLOCK_S = 0.5  # frames of 20 ms are handed out by the dozen
_COARSE_TICK_S = 1e-3


class Timeline:
    """The audio of one file at its own rate, as samples counted from the file's time zero.

    `channels` 1 or 2 remixes, None keeps the file's count. NaN is read as 0 and infinity as full
    scale; `not_finite` counts the samples read so far that were either, `gaps` are the stretches
    (first, end) in samples that hold silence for want of sound after it began. Raises MediaError
    where the file has no audio stream.
    """

    def __init__(self, path: str | Path, channels: int | None) -> None:
        self.path = path
        self.not_finite = 0
        self.gaps: list[tuple[int, int]] = []
        with open_container(path) as container:
            context = audio_stream(container, path).codec_context
            self.rate: int = context.sample_rate
            self.channels: int = channels or context.channels

    def blocks(self, start: int = 0) -> Iterator[Audio]:
        """Yield blocks (channels, n) from sample `start` to the end, without holes or overlaps."""
        pending: list[Audio] = []
        count = 0
        for block in self._contiguous(start):
            pending.append(block)
            count += block.shape[1]
            if count >= _BLOCK_S * self.rate:
                yield self._finite(np.concatenate(pending, axis=1))
                pending, count = [], 0
        if pending:
            yield self._finite(np.concatenate(pending, axis=1))

    def _contiguous(self, start: int) -> Iterator[Audio]:
        """Frames from sample `start` on, cut to size, and silence between them."""
        grid = self._frame_grid() if start > 0 else None
        position = start
        begun = False
        for first, block in self._decoded(start, grid):
            if begun and position < first:
                self.gaps.append((position, first))
            begun = True
            while position < first:
                silence = min(first - position, round(_BLOCK_S * self.rate))
                yield np.zeros((self.channels, silence), dtype=np.float32)
                position += silence
            if position < first + block.shape[1]:
                yield block[:, position - first :]
                position = first + block.shape[1]

    def _decoded(self, start: int, grid: tuple[int, int] | None) -> Iterator[tuple[int, Audio]]:
        """Blocks with their positions, from at the latest `start` on if the file reaches it."""
        seek_s = start / self.rate - _PREROLL_S
        if seek_s > _PREROLL_S:
            blocks = self._placed(seek_s, grid)
            head = next(blocks, None)
            if head is not None and head[0] <= start:
                yield head
                yield from blocks
                return
        # from the beginning: near it anyway, or the file's index led too far
        yield from self._placed(None, None)

    def _placed(
        self, seek_s: float | None, grid: tuple[int, int] | None
    ) -> Iterator[tuple[int, Audio]]:
        """Decode from `seek_s` on and give every frame its position in samples."""
        with open_container(self.path) as container:
            stream = audio_stream(container, self.path)
            zero_s = time_zero_s(container)
            tick_s = float(stream.time_base or 0)
            limit = _last_sample(container, self.rate)
            if seek_s is not None and not _seek(container, stream, seek_s + zero_s):
                return
            expected: int | None = None
            shift = 0
            failed = decoded = False
            for frame in _frames(container, stream):
                if frame is None:
                    failed = True
                    continue
                block = self._fit(frame)
                if frame.pts is not None:
                    stamped = round((frame.pts * tick_s - zero_s) * self.rate)
                else:
                    stamped = (expected or 0) - shift
                if expected is None:
                    expected = _snap(stamped, grid, frame, self.rate) if stamped < limit else 0
                drift = stamped + shift - expected
                if drift > limit - expected or drift < -_GAP_S * self.rate:
                    shift -= drift  # the clock jumped: there is no such gap to fill
                elif drift > _GAP_S * self.rate or (failed and drift > 0):
                    expected += drift
                failed, decoded = False, True
                yield expected, block
                expected += block.shape[1]
            if failed and not decoded and seek_s is None:
                raise MediaError(self.path, "no audio in it could be decoded")

    def _frame_grid(self) -> tuple[int, int] | None:
        """End of the first frame and length of the next, where timestamps are too coarse."""
        with open_container(self.path) as container:
            stream = audio_stream(container, self.path)
            if stream.time_base is None or stream.time_base < _COARSE_TICK_S / 2:
                return None
        blocks = self._placed(None, None)
        head, following = next(blocks, None), next(blocks, None)
        if head is None or following is None:
            return None
        return head[0] + head[1].shape[1], following[1].shape[1]

    def _fit(self, frame: AudioFrame) -> Audio:
        """Samples of a frame as float32 at the timeline's rate and channel count."""
        block = frame_samples(frame)
        if block.shape[0] != self.channels:
            if self.channels in (1, 2):
                block = remix(block, self.channels, [c.name for c in frame.layout.channels])
            else:
                # the layout changed within the file
                fitted = np.zeros((self.channels, block.shape[1]), dtype=np.float32)
                shared = min(block.shape[0], self.channels)
                fitted[:shared] = block[:shared]
                block = fitted
        if frame.sample_rate != self.rate:
            block = resample(block, frame.sample_rate, self.rate)
        return block

    def _finite(self, block: Audio) -> Audio:
        wrong = int(np.count_nonzero(~np.isfinite(block)))
        if wrong == 0:
            return block
        self.not_finite += wrong
        return np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0)


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame | None]:
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


def _seek(container: InputContainer, stream: AudioStream, time_s: float) -> bool:
    # Matroska's index knows the key frames of the picture only: looked up by the sound, the file
    # would be read from its beginning.
    picture = video_stream(container) if "matroska" in container.format.name else None
    indexed = picture or stream
    if indexed.time_base is None:
        return False
    try:
        container.seek(int(time_s / indexed.time_base), stream=indexed)
    except av.FFmpegError:
        return False
    return True


def _snap(stamped: int, grid: tuple[int, int] | None, frame: AudioFrame, rate: int) -> int:
    """Put a position whose timestamp was rounded to milliseconds back on the grid of frames."""
    if grid is None:
        return stamped
    origin, length = grid
    # the end, since the first frame after a seek may come with its head cut off
    end = stamped + frame.samples
    nearest = origin + round((end - origin) / length) * length
    return nearest - frame.samples if abs(nearest - end) <= _COARSE_TICK_S * rate else stamped


def _last_sample(container: InputContainer, rate: int) -> int:
    """One second past the end that the container declares; unbounded where it declares none."""
    if not container.duration:
        return 2**62
    return round((container.duration / av.time_base + 1) * rate)
