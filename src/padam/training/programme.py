"""Clean content as titles have it: mixes, joins, pauses, fades and effects that are meant."""

from typing import Annotated, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from padam.audio import Audio
from padam.audio.levels import rms_db
from padam.defects.creative import EFFECT_NAMES, EffectName, apply_effect
from padam.defects.interval import within

Join = Literal["cut", "crossfade", "pause"]
Seconds = Annotated[tuple[float, float], within(0, 60)]

_CUT_S = 0.005
_LEAST_PART_S = 0.3


class ProgrammeRanges(BaseModel):
    """How often a crop is more than an excerpt, and what becomes of it; all of it is ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # another sound under the first, by so much
    mix_probability: float = Field(default=0.35, ge=0, le=1)
    mix_below_db: Annotated[tuple[float, float], within(-20, 60)] = (0.0, 16.0)
    # another sound takes over: a cut of 5 ms, a cross-fade, or a pause between them
    join_probability: float = Field(default=0.3, ge=0, le=1)
    joins: tuple[Join, ...] = Field(default=("cut", "crossfade", "pause"), min_length=1)
    crossfade_s: Seconds = (0.1, 1.0)
    pause_s: Seconds = (0.15, 1.2)
    fade_s: Seconds = (0.02, 1.0)  # into and out of a pause
    digital_silence_probability: float = Field(default=0.3, ge=0, le=1)  # else a room's noise
    pause_noise_db: Annotated[tuple[float, float], within(-120, -20)] = (-84.0, -60.0)
    # up from silence at the beginning, or down to it at the end
    fade_probability: float = Field(default=0.1, ge=0, le=1)
    effect_probability: float = Field(default=0.2, ge=0, le=1)
    effects: tuple[EffectName, ...] = Field(default=EFFECT_NAMES, min_length=1)


class Sounds(Protocol):
    """Where excerpts come from."""

    @property
    def sample_rate(self) -> int:
        """Rate in Hz."""
        ...

    def draw(self, rng: np.random.Generator, samples: int) -> Audio:
        """Return an excerpt (1, samples)."""
        ...


def draw_programme(
    rng: np.random.Generator, sounds: Sounds, samples: int, ranges: ProgrammeRanges
) -> Audio:
    """Return clean content (1, samples) at whatever level its excerpts have."""
    rate = sounds.sample_rate
    audio = sounds.draw(rng, samples)
    if rng.random() < ranges.mix_probability:
        audio = _mixed(audio, sounds.draw(rng, samples), float(rng.uniform(*ranges.mix_below_db)))
    if rng.random() < ranges.join_probability:
        audio = _joined(rng, audio, sounds.draw(rng, samples), rate, ranges)
    if rng.random() < ranges.effect_probability and audio.any():
        effect = ranges.effects[int(rng.integers(len(ranges.effects)))]
        audio = apply_effect(effect, rng, audio, rate)
    if rng.random() < ranges.fade_probability:
        length = int(rng.uniform(0.3, 1.0) * samples)
        ramp = _ramp(length)
        if rng.random() < 0.5:
            audio[:, :length] *= ramp
        else:
            audio[:, -length:] *= ramp[::-1]
    return audio


def _mixed(audio: Audio, other: Audio, below_db: float) -> Audio:
    levels = rms_db(audio), rms_db(other)
    if not np.isfinite(levels).all():
        return audio + other
    return audio + other * np.float32(10 ** ((levels[0] - levels[1] - below_db) / 20))


def _joined(
    rng: np.random.Generator, first: Audio, second: Audio, rate: int, ranges: ProgrammeRanges
) -> Audio:
    """Let `second` take over at a random moment; both are as long as the result."""
    samples = first.shape[1]
    kind = ranges.joins[int(rng.integers(len(ranges.joins)))]
    least = min(round(_LEAST_PART_S * rate), samples // 2)
    at = int(rng.integers(least, samples - least + 1))
    if kind == "pause":
        return _paused(rng, first, second, at, rate, ranges)
    span_s = _CUT_S if kind == "cut" else float(rng.uniform(*ranges.crossfade_s))
    length = min(round(span_s * rate), samples - at)
    gain = np.concatenate(
        [np.zeros(at, np.float32), _ramp(length), np.ones(samples - at - length, np.float32)]
    )
    return np.asarray((1 - gain) * first + gain * second, dtype=np.float32)


def _paused(
    rng: np.random.Generator,
    first: Audio,
    second: Audio,
    at: int,
    rate: int,
    ranges: ProgrammeRanges,
) -> Audio:
    samples = first.shape[1]
    end = min(at + round(float(rng.uniform(*ranges.pause_s)) * rate), samples)
    fall, rise = (round(float(rng.uniform(*ranges.fade_s)) * rate) for _ in range(2))
    result = np.zeros_like(first)
    if rng.random() >= ranges.digital_silence_probability:
        level = np.float32(10 ** (float(rng.uniform(*ranges.pause_noise_db)) / 20))
        result += level * rng.standard_normal(first.shape, dtype=np.float32)
    before, after = first[:, :at].copy(), second[:, end:].copy()
    fall, rise = min(fall, before.shape[1]), min(rise, after.shape[1])
    if fall:
        before[:, -fall:] *= _ramp(fall)[::-1]
    if rise:
        after[:, :rise] *= _ramp(rise)
    result[:, :at] += before
    result[:, end:] += after
    return result


def _ramp(length: int) -> npt.NDArray[np.float32]:
    phase = 0.5 * np.pi * (np.arange(length) + 0.5) / max(length, 1)
    return np.asarray(np.sin(phase) ** 2, dtype=np.float32)
