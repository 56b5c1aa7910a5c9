"""Clipping: peaks flattened at one pair of thresholds over the affected channels."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from padam.audio import Audio
from padam.defects.base import (
    DefectParams,
    DefectRanges,
    PlacementRanges,
    Stage,
    UndrawableDefectError,
    draw_placement,
)
from padam.defects.interval import DurationRange, Interval, within

# thresholds closer than this leave a square wave or nothing
_MIN_OPENING = 1e-3


class ClippingRanges(DefectRanges):
    """PADAM §3.1.1, 4: p_c and the least pause between clipped intervals are the paper's."""

    percent: Annotated[tuple[float, float], within(0.01, 90)] = (7.0, 35.0)
    min_gap_s: float = Field(default=0.4, gt=0)
    # open in the paper: how long the clipped intervals and the pauses are, and how often there is
    # no pause at all
    region_s: DurationRange = (0.5, 3.0)
    max_gap_s: float = Field(default=2.0, gt=0)
    unbroken_probability: float = Field(default=0.5, ge=0, le=1)

    @model_validator(mode="after")
    def _gaps_ordered(self) -> "ClippingRanges":
        if self.max_gap_s < self.min_gap_s:
            raise ValueError(f"max_gap_s {self.max_gap_s} is below min_gap_s {self.min_gap_s}")
        return self


class ClippingParams(DefectParams):
    """Drawn clipping: `percent` of the samples in `regions` lie beyond the thresholds."""

    defect: Literal["clipping"] = "clipping"
    percent: float = Field(gt=0, lt=100)
    low: float
    high: float
    regions: tuple[Interval, ...] = Field(min_length=1)


class Clipping:
    """Clipping at percentiles p_c/2 and 100 - p_c/2 of the affected samples of all channels."""

    name = "clipping"
    stage: Stage = "source"
    Params = ClippingParams
    Ranges = ClippingRanges

    def draw(
        self,
        rng: np.random.Generator,
        audio: Audio,
        sample_rate: int,
        ranges: ClippingRanges,
        placement: PlacementRanges = PlacementRanges(),  # noqa: B008
    ) -> ClippingParams:
        """Draw clipping (PADAM §3.1.1); undrawable where most samples have one value."""
        interval, channels = draw_placement(rng, audio, sample_rate, placement, sustained=True)
        regions = _draw_regions(rng, interval, ranges)
        percent = float(rng.uniform(*ranges.percent))
        samples = np.concatenate(
            [audio[list(channels), r.slice(sample_rate, audio.shape[1])] for r in regions], axis=1
        )
        low, high = (
            float(value) for value in np.percentile(samples, [percent / 2, 100 - percent / 2])
        )
        if high - low < _MIN_OPENING:
            raise UndrawableDefectError(f"{percent:.0f} % clipping would leave nothing")
        return ClippingParams(
            interval=interval,
            channels=channels,
            percent=percent,
            low=low,
            high=high,
            regions=regions,
        )

    def apply(self, audio: Audio, sample_rate: int, params: ClippingParams) -> Audio:
        """Clip the audio."""
        result = audio.copy()
        for region in params.regions:
            where = (list(params.channels), region.slice(sample_rate, audio.shape[1]))
            result[where] = np.clip(audio[where], np.float32(params.low), np.float32(params.high))
        return result


def _draw_regions(
    rng: np.random.Generator, interval: Interval, ranges: ClippingRanges
) -> tuple[Interval, ...]:
    if rng.random() < ranges.unbroken_probability or interval.duration_s <= ranges.region_s[0]:
        return (interval,)
    regions: list[Interval] = []
    at_s = interval.start_s
    while True:
        duration_s = min(float(rng.uniform(*ranges.region_s)), interval.end_s - at_s)
        regions.append(Interval(start_s=at_s, duration_s=duration_s))
        at_s += duration_s
        # the interval ends clipped, or with a rest too short for a pause and another region
        longest_gap_s = min(ranges.max_gap_s, interval.end_s - at_s - ranges.region_s[0])
        if longest_gap_s < ranges.min_gap_s:
            return tuple(regions)
        at_s += float(rng.uniform(ranges.min_gap_s, longest_gap_s))
