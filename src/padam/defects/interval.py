"""Where in a clip something happens: intervals, and events placed in them without overlap."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Interval(BaseModel):
    """A stretch of time within a clip, in seconds from the clip's start."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float = Field(ge=0)
    duration_s: float = Field(gt=0)

    @property
    def end_s(self) -> float:
        """End of the interval in seconds."""
        return self.start_s + self.duration_s

    def slice(self, rate: int, n: int) -> slice:
        """Sample range of the interval at `rate` Hz, cut to a signal of `n` samples."""
        return slice(min(n, round(self.start_s * rate)), min(n, round(self.end_s * rate)))


def within(low: float, high: float) -> AfterValidator:
    """Validator of a (least, greatest) range that has to lie in [low, high]."""

    def check(value: tuple[float, float]) -> tuple[float, float]:
        if not low <= value[0] <= value[1] <= high:
            raise ValueError(f"range {value} is not ordered or leaves [{low}, {high}]")
        return value

    return AfterValidator(check)


DurationRange = Annotated[tuple[float, float], within(1e-6, 3600)]
"""Least and greatest duration in seconds."""


def place(
    rng: np.random.Generator, durations_s: npt.NDArray[np.float64], span_s: float, min_gap_s: float
) -> npt.NDArray[np.float64]:
    """Onsets in [0, span_s) of events `min_gap_s` apart, uniform over all such placements.

    Raises ValueError where the events do not fit.
    """
    occupied = durations_s + min_gap_s
    slack = span_s - float(occupied.sum())
    if slack < 0:
        raise ValueError(f"{len(durations_s)} events do not fit into {span_s:.3f} s")
    gaps = np.sort(rng.uniform(0, slack, len(durations_s)))
    return gaps + np.concatenate([[0.0], np.cumsum(occupied)[:-1]])


def draw_events(
    rng: np.random.Generator,
    interval: Interval,
    per_second: tuple[int, int],
    duration_s: tuple[float, float],
    min_gap_s: float,
) -> tuple[Interval, ...]:
    """At least one event in `interval`; each second draws its own number, uniform in `per_second`.

    A last part of a second holds its share of a drawn number. Events keep `min_gap_s` apart.
    """
    events: list[Interval] = []
    seconds = int(np.ceil(interval.duration_s - 1e-9))
    for second in range(seconds):
        span_s = min(1.0, interval.duration_s - second)
        count = int(rng.integers(per_second[0], per_second[1], endpoint=True))
        count = int(count * span_s + rng.random()) if span_s < 1 else count
        if second == seconds - 1 and not events:
            count = max(count, 1)
        durations = rng.uniform(*duration_s, count)
        # a short rest may not hold what was drawn: the last ones give way
        while len(durations) > 0 and durations.sum() + len(durations) * min_gap_s > span_s:
            durations = durations[:-1]
        for onset, duration in zip(
            place(rng, durations, span_s, min_gap_s) if len(durations) else [],
            durations,
            strict=True,
        ):
            start_s = interval.start_s + second + float(onset)
            events.append(Interval(start_s=start_s, duration_s=float(duration)))
    if not events:
        events.append(
            Interval(start_s=interval.start_s, duration_s=min(duration_s[0], interval.duration_s))
        )
    return tuple(events)
