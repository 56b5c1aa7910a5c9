"""Clicks: brief impulses, the pops and crackles of damaged media."""

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from padam.audio import Audio
from padam.defects.base import (
    DefectParams,
    DefectRanges,
    PlacementRanges,
    Stage,
    draw_placement,
)
from padam.defects.interval import DurationRange, draw_events, within

_MIN_GAP_S = 0.002


class ClicksRanges(DefectRanges):
    """PADAM §3.1.1, 7: each second draws its own number of clicks."""

    per_second: Annotated[tuple[int, int], within(1, 100)] = (2, 8)
    duration_s: DurationRange = (0.00006, 0.0006)
    amplitude: Annotated[tuple[float, float], within(0.001, 1)] = (0.3, 1.0)


class Click(BaseModel):
    """One impulse: onset, duration, and peak with its sign."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float = Field(ge=0)
    duration_s: float = Field(gt=0)
    amplitude: float

    def shape(self, sample_rate: int) -> npt.NDArray[np.float32]:
        """Half a sine, at least one sample, with `amplitude` as its greatest value."""
        count = max(1, round(self.duration_s * sample_rate))
        wave = np.sin(np.pi * (np.arange(count) + 0.5) / count)
        return (self.amplitude * wave / wave.max()).astype(np.float32)


class ClicksParams(DefectParams):
    """Drawn clicks."""

    defect: Literal["clicks"] = "clicks"
    clicks: tuple[Click, ...] = Field(min_length=1)


class Clicks:
    """Impulses at the same moments on all affected channels."""

    name = "clicks"
    stage: Stage = "source"
    Params = ClicksParams
    Ranges = ClicksRanges

    def draw(
        self,
        rng: np.random.Generator,
        audio: Audio,
        sample_rate: int,
        ranges: ClicksRanges,
        placement: PlacementRanges = PlacementRanges(),  # noqa: B008
    ) -> ClicksParams:
        """Draw clicks (PADAM §3.1.1); each takes the sign that gives the lower peak."""
        interval, channels = draw_placement(rng, audio, sample_rate, placement, sustained=False)
        clicks = []
        for event in draw_events(rng, interval, ranges.per_second, ranges.duration_s, _MIN_GAP_S):
            click = Click(
                start_s=event.start_s,
                duration_s=event.duration_s,
                amplitude=float(rng.uniform(*ranges.amplitude)),
            )
            shape = click.shape(sample_rate)
            at = round(click.start_s * sample_rate)
            under = audio[list(channels), at : at + len(shape)]
            shape = shape[: under.shape[1]]
            if under.size and np.abs(under + shape).max() > np.abs(under - shape).max():
                click = click.model_copy(update={"amplitude": -click.amplitude})
            clicks.append(click)
        return ClicksParams(interval=interval, channels=channels, clicks=tuple(clicks))

    def apply(self, audio: Audio, sample_rate: int, params: ClicksParams) -> Audio:
        """Add the clicks."""
        result = audio.copy()
        end = params.interval.slice(sample_rate, audio.shape[1]).stop
        for click in params.clicks:
            at = round(click.start_s * sample_rate)
            shape = click.shape(sample_rate)[: max(end - at, 0)]
            result[list(params.channels), at : at + len(shape)] += shape
        return result
