"""Quantization: too few amplitude levels, with or without dither and noise shaping."""

from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from padam.audio import Audio
from padam.audio.levels import rms_db
from padam.defects.base import (
    DefectParams,
    DefectRanges,
    PlacementRanges,
    Stage,
    UndrawableDefectError,
    affected,
    draw_placement,
    replaced,
)

Dither = Literal["none", "rpdf", "tpdf"]


def _bits(value: tuple[int, ...]) -> tuple[int, ...]:
    if not value or not all(2 <= b <= 16 for b in value):
        raise ValueError(f"bits {value}: at least one of 2 to 16")
    return value


class QuantizationRanges(DefectRanges):
    """PADAM §3.1.1, 5; how often dither and shaping occur is open in the paper."""

    bits: Annotated[tuple[int, ...], AfterValidator(_bits)] = (4, 6, 8)
    dithers: tuple[Dither, ...] = Field(default=("none", "rpdf", "tpdf"), min_length=1)
    noise_shaping_probability: float = Field(default=0.5, ge=0, le=1)


class QuantizationParams(DefectParams):
    """A drawn quantization; `seed` feeds the dither."""

    defect: Literal["quantization"] = "quantization"
    bits: int = Field(ge=2, le=16)
    dither: Dither
    noise_shaping: bool
    seed: int


class Quantization:
    """Mid-tread quantization of [-1, 1] to 2^b/2 + 1 levels, as the paper prints it."""

    name = "quantization"
    stage: Stage = "source"
    Params = QuantizationParams
    Ranges = QuantizationRanges

    def draw(
        self,
        rng: np.random.Generator,
        audio: Audio,
        sample_rate: int,
        ranges: QuantizationRanges,
        placement: PlacementRanges = PlacementRanges(),  # noqa: B008
    ) -> QuantizationParams:
        """Draw a quantization (PADAM §3.1.1); undrawable where it would leave silence."""
        interval, channels = draw_placement(rng, audio, sample_rate, placement, sustained=True)
        params = QuantizationParams(
            interval=interval,
            channels=channels,
            bits=int(rng.choice(ranges.bits)),
            dither=ranges.dithers[rng.integers(len(ranges.dithers))],
            noise_shaping=bool(rng.random() < ranges.noise_shaping_probability),
            seed=int(rng.integers(2**63)),
        )
        if params.dither == "none" and not params.noise_shaping:
            left_db = rms_db(affected(self.apply(audio, sample_rate, params), sample_rate, params))
            if left_db < placement.silence_floor_db:
                raise UndrawableDefectError(f"{params.bits} bits would leave silence")
        return params

    def apply(self, audio: Audio, sample_rate: int, params: QuantizationParams) -> Audio:
        """Quantize the audio."""
        signal = affected(audio, sample_rate, params)
        steps_per_unit = 2**params.bits // 4
        scaled = signal.astype(np.float64) * steps_per_unit
        rng = np.random.default_rng(params.seed)
        dither = np.zeros(1)
        if params.dither != "none":
            dither = rng.uniform(-0.5, 0.5, scaled.shape)
        if params.dither == "tpdf":
            dither += rng.uniform(-0.5, 0.5, scaled.shape)
        if params.noise_shaping:
            # First-order error feedback, y[n] = round(x[n] - e[n-1] + d[n]), in closed form: the
            # errors telescope, so the running sum of y is the rounded running sum of x.
            totals = np.rint(np.cumsum(scaled, axis=1) + dither)
            levels = np.diff(totals, axis=1, prepend=0)
        else:
            levels = np.rint(scaled + dither)
        levels = np.clip(levels, -steps_per_unit, steps_per_unit) / steps_per_unit
        return replaced(audio, sample_rate, params, levels.astype(np.float32))
