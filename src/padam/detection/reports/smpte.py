"""SMPTE timecode (ST 12-1) and frames of a sample counter, in whole numbers only.

Drop-frame timecode leaves out numbers, never pictures: at 29.97 frames a second the numbers 0 and 1
of each minute that is no tenth (at 59.94: 0 to 3), so that the count keeps up with the clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

RATES: Final[dict[str, Fraction]] = {
    "23.976": Fraction(24000, 1001),
    "24": Fraction(24),
    "25": Fraction(25),
    "29.97": Fraction(30000, 1001),
    "30": Fraction(30),
    "47.952": Fraction(48000, 1001),
    "48": Fraction(48),
    "50": Fraction(50),
    "59.94": Fraction(60000, 1001),
    "60": Fraction(60),
}
"""Frames a second that timecode is counted at here, by the names they go by."""

_DROPPED: Final = {RATES["29.97"]: 2, RATES["59.94"]: 4}
# Containers round: 2997/100 and 23976/1000 are met. The nearest two rates lie 0.1 % apart.
_ROUNDING: Final = Fraction(1, 5000)
_TIMECODE: Final = re.compile(r"(\d{2}):(\d{2}):(\d{2})([:;])(\d{2})")


@dataclass(frozen=True)
class FrameRate:
    """A rate of `RATES` and how it is counted; ValueError for others, and for drop-frame at others
    than 29.97 and 59.94.
    """

    fps: Fraction
    drop_frame: bool = False

    def __post_init__(self) -> None:
        if self.fps not in RATES.values():
            raise ValueError(
                f"{float(self.fps):g} frames a second has no timecode here; use one of "
                f"{', '.join(RATES)}"
            )
        if self.drop_frame and self.fps not in _DROPPED:
            raise ValueError(
                f"there is no drop-frame timecode at {self.name} frames a second, only at 29.97 "
                "and 59.94; write ':' before the frames"
            )

    @classmethod
    def nearest(cls, fps: Fraction, drop_frame: bool = False) -> FrameRate:
        """The rate that `fps` is a rounded form of, as 2997/100 is of 30000/1001."""
        for rate in RATES.values():
            if abs(fps - rate) <= rate * _ROUNDING:
                return cls(rate, drop_frame)
        return cls(fps, drop_frame)

    @property
    def name(self) -> str:
        """As people write it: 29.97, 25."""
        return next(name for name, rate in RATES.items() if rate == self.fps)

    @property
    def base(self) -> int:
        """Frame numbers of a second: 30 at 29.97."""
        return -(-self.fps.numerator // self.fps.denominator)

    @property
    def dropped(self) -> int:
        """Numbers left out in each minute that is no tenth."""
        return _DROPPED[self.fps] if self.drop_frame else 0

    @property
    def frames_per_day(self) -> int:
        """Frames after which the timecode starts again at 00:00:00:00."""
        return 24 * 6 * self._frames_of_ten_minutes

    @property
    def _frames_of_ten_minutes(self) -> int:
        return 600 * self.base - 9 * self.dropped

    def timecode(self, frame: int) -> str:
        """`HH:MM:SS:FF` of a frame counted from 00:00:00:00, `;` before drop-frame frames.

        Wraps after 24 hours; ValueError for a frame below 0.
        """
        if frame < 0:
            raise ValueError(f"frame is {frame}; frames are counted from 0")
        tens, rest = divmod(frame % self.frames_per_day, self._frames_of_ten_minutes)
        full_minute = 60 * self.base
        # the first minute of ten keeps all its numbers
        shortened = max(0, -(-(rest + 1 - full_minute) // (full_minute - self.dropped)))
        number = frame % self.frames_per_day + self.dropped * (9 * tens + shortened)
        seconds, frames = divmod(number, self.base)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        mark = ";" if self.drop_frame else ":"
        return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{frames:02d}"

    def frame(self, timecode: str) -> int:
        """The frame, counted from 00:00:00:00, that a timecode stands for.

        ValueError: not HH:MM:SS:FF, the wrong mark before the frames, a number that this rate does
        not have or that drop-frame leaves out.
        """
        found = _TIMECODE.fullmatch(timecode)
        if not found:
            raise ValueError(
                f"{timecode!r} is no timecode; write HH:MM:SS:FF, or HH:MM:SS;FF for drop-frame"
            )
        hours, minutes, seconds, frames = (int(found[group]) for group in (1, 2, 3, 5))
        if (found[4] == ";") != self.drop_frame:
            counted = "drop-frame: write ';'" if self.drop_frame else "not drop-frame: write ':'"
            raise ValueError(
                f"{timecode!r}: these {self.name} frames a second are counted {counted} "
                "before the frames"
            )
        if hours > 23 or minutes > 59 or seconds > 59:
            raise ValueError(f"{timecode!r} is past 23:59:59; a day's timecode ends there")
        if frames >= self.base:
            raise ValueError(
                f"{timecode!r} has frame {frames}; at {self.name} frames a second they are "
                f"numbered 00 to {self.base - 1}"
            )
        minute = 60 * hours + minutes
        if minute % 10 and seconds == 0 and frames < self.dropped:
            raise ValueError(
                f"{timecode!r} is a number that drop-frame leaves out; the minute begins with "
                f"{timecode[:-2]}{self.dropped:02d}"
            )
        number = (60 * minute + seconds) * self.base + frames
        return number - self.dropped * (minute - minute // 10)

    def frames_of_samples(
        self, start_sample: int, end_sample: int, sample_rate: int
    ) -> tuple[int, int]:
        """The frames (in, out) that samples start_sample … end_sample − 1 lie in, out exclusive.

        The frame that holds the first sample, and the one after the frame that holds the last, so
        that nothing of the stretch is cut off. ValueError where there is no sample.
        """
        if not 0 <= start_sample < end_sample:
            raise ValueError(
                f"samples {start_sample} to {end_sample} are no stretch; the end must be greater "
                "than the start, and the start not below 0"
            )
        if sample_rate < 1:
            raise ValueError(f"sample_rate is {sample_rate} Hz; it must be at least 1 Hz")
        over, under = self.fps.numerator, self.fps.denominator * sample_rate
        return start_sample * over // under, -(-end_sample * over // under)


@dataclass(frozen=True)
class Timebase:
    """How a title's frames are counted: their rate, the frame its timecode starts at, its samples.

    notes: what a reader has to know where the title itself does not tell.
    """

    rate: FrameRate
    start_frame: int
    sample_rate: int
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: dict[str, Any], fallback: Fraction) -> Timebase:
        """The timebase of a detections document; `fallback` counts where it has no frame rate.

        A title without a usable timecode starts at 00:00:00:00, counted without drop-frame.
        """
        title = document["title"]
        declared, start = title["frame_rate"], title["start_timecode"]
        rate, notes = FrameRate.nearest(fallback), []
        if declared is None:
            notes.append(f"The title has no frame rate: frames are counted at {rate.name} a second")
        else:
            try:
                rate = FrameRate.nearest(Fraction(declared["numerator"], declared["denominator"]))
            except ValueError as error:
                notes.append(f"{error}; here frames are counted at {rate.name} a second")
        start_frame = 0
        if start is not None:
            try:
                counted = FrameRate(rate.fps, drop_frame=";" in start)
                start_frame, rate = counted.frame(start), counted
            except ValueError as error:
                notes.append(f"The title's start timecode is not used: {error}")
        return cls(rate, start_frame, title["sample_rate"], tuple(notes))

    def frames(self, event: dict[str, Any]) -> tuple[int, int]:
        """The frames (in, out) of an event from the title's start, out exclusive."""
        return self.rate.frames_of_samples(
            event["start_sample"], event["end_sample"], self.sample_rate
        )

    def timecode(self, frame: int) -> str:
        """The title's timecode at a frame from its start."""
        return self.rate.timecode(self.start_frame + frame)

    def title_frames(self, document: dict[str, Any]) -> int:
        """Length of the title in frames: its duration, and never less than its events reach."""
        samples = round(document["title"]["duration_s"] * self.sample_rate)
        ends = (event["end_sample"] for event in document["events"])
        return self.rate.frames_of_samples(0, max(1, samples, *ends), self.sample_rate)[1]
