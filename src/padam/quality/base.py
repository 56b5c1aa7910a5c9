"""What a quality metric is: one interface for all of them."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float32]
"""One channel, shape (samples,), float32 in [-1, 1]."""


@dataclass(frozen=True)
class MetricScore:
    """A metric's answer for one channel: a value, or NaN and why there is none."""

    value: float
    reason: str | None = None

    @classmethod
    def missing(cls, reason: str) -> "MetricScore":
        """The answer of a metric that cannot score: NaN plus its reason."""
        return cls(math.nan, reason)

    @property
    def answered(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)


class Metric(Protocol):
    """Quality of a degraded channel, with or without its reference.

    `score` takes two channels at `sample_rate` Hz, level-matched, time-aligned and equally long
    (metrics that align by themselves also take a longer or shorter one, as published). It never
    raises for audio it cannot judge: that gives NaN plus a reason.
    """

    name: str
    sample_rate: int
    higher_is_better: bool
    needs_reference: bool

    def score(self, reference: Signal, degraded: Signal) -> MetricScore:
        """Score one channel."""
        ...
