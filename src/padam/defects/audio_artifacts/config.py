"""What the simulator draws from; the paper's values where no comment says otherwise."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from padam.defects.interval import DurationRange, within

CLASSES = ("no_defect", "hum", "hiss", "distortion", "click")
"""The five classes in the paper's order, which is that of the model's outputs."""

METHODS = ("hum", "hiss", "distortion", "additive_click", "reductive_click")
"""The five simulations: two of them make clicks. With the clean audio, six versions of a title."""

CLASS_OF = {"hum": 1, "hiss": 2, "distortion": 3, "additive_click": 4, "reductive_click": 4}
"""Index in `CLASSES` by method."""

SAMPLE_RATE = 48_000


class SimulationConfig(BaseModel):
    """Algorithm 1 and §4 of AA."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Algorithm 1: a duration is the minimum and Gamma(1, 10), an exponential of mean 10 s
    min_interval_s: float = Field(default=0.5, gt=0)
    gamma_shape: float = Field(default=1.0, gt=0)
    gamma_scale_s: float = Field(default=10.0, gt=0)
    # Algorithm 1 takes parameters that were drawn before; few titles hold more drawn by interval
    draw_per: Literal["interval", "title"] = "interval"
    # §4.1: whole hertz, both ends excluded
    hum_hz: Annotated[tuple[int, int], within(1, SAMPLE_RATE // 2)] = (20, 1220)
    # §4.1 and 4.2: above 60, and below 32767 less the title's greatest magnitude
    amplitude_above: int = Field(default=60, ge=0, le=32_000)
    # §4.3: of the title's greatest magnitude
    distortion_ratios: tuple[float, ...] = Field(
        default=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), min_length=1
    )
    # §4.4.1, in cycles per sample: both ends lie as far from 0 as from half the sample rate
    click_cutoff: Annotated[tuple[float, float], within(0.001, 0.499)] = (0.05, 0.45)
    # open in the paper, as is the number of clicks: one every 2.5 s in its figure 1, and drawn at
    # random so far apart they make the share of click chunks in its table 1
    click_gap_s: float = Field(default=2.5, gt=0.01)
    # §4.5.1; how much is cut is open
    cut_s: DurationRange = (0.001, 0.05)
    min_step: int = Field(default=3277, ge=1, le=65_535)

    @field_validator("distortion_ratios")
    @classmethod
    def _below_one(cls, ratios: tuple[float, ...]) -> tuple[float, ...]:
        if min(ratios) <= 0 or max(ratios) >= 1:
            raise ValueError(f"distortion_ratios {ratios} must lie between 0 and 1")
        return ratios
