"""When the streams of a media file begin and end, as the file declares it."""

from dataclasses import dataclass
from pathlib import Path

from av.container import InputContainer
from av.stream import Stream

from padam.audio.container import (
    audio_stream,
    declared_duration_s,
    open_container,
    time_zero_s,
    video_stream,
)


@dataclass(frozen=True)
class Span:
    """A stretch of time in seconds, from the point where the file starts to play."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Its length."""
        return max(0.0, self.end_s - self.start_s)


def stream_spans(path: str | Path) -> tuple[Span | None, Span | None]:
    """Return when the sound and when the pictures are there; None for a missing stream.

    Nothing is decoded: the times are those that the file declares, of the whole file where it
    declares none for a stream; a file that declares none at all is read through. Raises MediaError
    for what is not media, or has audio without a decoder.
    """
    with open_container(path) as container:
        picture = video_stream(container)
        sound = audio_stream(container, path) if container.streams.audio else None
        return (
            _span(container, sound) if sound is not None else None,
            _span(container, picture) if picture is not None else None,
        )


def _span(container: InputContainer, stream: Stream) -> Span:
    zero_s = time_zero_s(container)
    start_s = zero_s
    if stream.start_time is not None and stream.time_base is not None:
        start_s = float(stream.start_time * stream.time_base)
    start_s = max(0.0, start_s - zero_s)
    if stream.duration is not None and stream.time_base is not None:
        return Span(start_s, start_s + float(stream.duration * stream.time_base))
    tagged_s = _tagged_end_s(stream)
    if tagged_s is not None:
        return Span(start_s, max(0.0, tagged_s - zero_s))
    return Span(start_s, declared_duration_s(container))


def _tagged_end_s(stream: Stream) -> float | None:
    """Matroska keeps when a stream ends as a tag, 00:00:08.000000000."""
    text = stream.metadata.get("DURATION", "")
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None
