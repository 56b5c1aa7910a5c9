"""What a defect is: ranges to draw from, frozen parameters, and a pure application of them."""

from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from padam.audio import Audio
from padam.audio.levels import rms_db
from padam.defects.interval import Interval

Stage = Literal["source", "encode"]

_EDGE_S = 0.005
_PLACEMENT_TRIES = 20


class UndrawableDefectError(Exception):
    """This draw has no effect or no meaning on this audio; another draw may have."""


class DefectRanges(BaseModel):
    """Ranges that a defect's parameters are drawn from."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DefectParams(BaseModel):
    """Everything that was drawn for one defect: applying it again gives the same samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    defect: str
    interval: Interval
    channels: tuple[int, ...] = Field(min_length=1)


class PlacementRanges(BaseModel):
    """When, how long and on which channels a defect occurs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # paper: 1.0; partial intervals are what titles hold, see docs
    whole_probability: float = Field(default=0.5, ge=0, le=1)
    min_duration_s: float = Field(default=0.5, ge=0.05)
    # hum, hiss, clipping and quantisation: shorter ones are no nuisance
    min_sustained_s: float = Field(default=2.0, ge=0.05)
    # the paper says "random or all channels" without a share
    all_channels_probability: float = Field(default=0.5, ge=0, le=1)
    silence_floor_db: float = Field(default=-60.0, ge=-120, le=-20)


WHOLE = PlacementRanges(whole_probability=1.0, all_channels_probability=1.0)
"""The whole of the audio, all channels."""


class Defect(Protocol):
    """A defect draws parameters for some audio, and applies them (same shape, same rate)."""

    @property
    def name(self) -> str:
        """Name in the registry, the manifest and the labels."""
        ...

    @property
    def stage(self) -> Stage:
        """Stage of the workflow that it occurs in (PADAM fig. 1)."""
        ...

    @property
    def Params(self) -> type[DefectParams]:  # noqa: N802
        """Class of its parameters."""
        ...

    @property
    def Ranges(self) -> type[DefectRanges]:  # noqa: N802
        """Class of its ranges; the defaults are the paper's."""
        ...

    def draw(
        self,
        rng: np.random.Generator,
        audio: Audio,
        sample_rate: int,
        ranges: Any,
        placement: PlacementRanges = ...,
    ) -> Any:
        """Draw parameters; raises UndrawableDefectError where this audio allows none."""
        ...

    def apply(self, audio: Audio, sample_rate: int, params: Any) -> Audio:
        """Audio with the defect, of the same shape; the input stays as it is."""
        ...


def draw_placement(
    rng: np.random.Generator,
    audio: Audio,
    sample_rate: int,
    placement: PlacementRanges,
    *,
    sustained: bool,
) -> tuple[Interval, tuple[int, ...]]:
    """Interval and channels that hold sound: a defect of silence has no level to relate to.

    Raises UndrawableDefectError where none was found.
    """
    total_s = audio.shape[1] / sample_rate
    least_s = placement.min_sustained_s if sustained else placement.min_duration_s
    least_s = min(least_s, total_s)
    for _ in range(_PLACEMENT_TRIES):
        start_s, duration_s = 0.0, total_s
        if rng.random() >= placement.whole_probability:
            duration_s = float(rng.uniform(least_s, total_s))
            start_s = float(rng.uniform(0, total_s - duration_s))
        interval = Interval(start_s=start_s, duration_s=duration_s)
        channels = _draw_channels(rng, audio.shape[0], placement.all_channels_probability)
        region = audio[list(channels), interval.slice(sample_rate, audio.shape[1])]
        if rms_db(region) >= placement.silence_floor_db:
            return interval, channels
    raise UndrawableDefectError(
        f"no interval above {placement.silence_floor_db} dB in {_PLACEMENT_TRIES} draws"
    )


def affected(audio: Audio, sample_rate: int, params: DefectParams) -> Audio:
    """Copy of the samples that a defect touches, (affected channels, samples of the interval)."""
    return audio[list(params.channels), params.interval.slice(sample_rate, audio.shape[1])]


def replaced(audio: Audio, sample_rate: int, params: DefectParams, region: Audio) -> Audio:
    """Copy of `audio` in which the affected samples are `region`; the rest is bit-identical."""
    result = audio.copy()
    result[list(params.channels), params.interval.slice(sample_rate, audio.shape[1])] = region
    return result


def edge_fade(audio: Audio, sample_rate: int, params: DefectParams) -> npt.NDArray[np.float32]:
    """Gain over the interval that rises and falls in 5 ms where the interval ends inside the clip.

    Without it the onset of a hum would be a click, which is another defect.
    """
    where = params.interval.slice(sample_rate, audio.shape[1])
    gain = np.ones(where.stop - where.start, dtype=np.float32)
    length = min(round(_EDGE_S * sample_rate), len(gain) // 2)
    ramp = np.sin(0.5 * np.pi * (np.arange(length) + 0.5) / max(length, 1)) ** 2
    if where.start > 0 and length:
        gain[:length] = ramp
    if where.stop < audio.shape[1] and length:
        gain[-length:] = ramp[::-1]
    return gain


def _draw_channels(rng: np.random.Generator, count: int, all_probability: float) -> tuple[int, ...]:
    if count == 1 or rng.random() < all_probability:
        return tuple(range(count))
    size = int(rng.integers(1, count))
    return tuple(sorted(int(c) for c in rng.choice(count, size, replace=False)))
