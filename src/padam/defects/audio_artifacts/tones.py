"""What lasts for an interval: hum, hiss and distortion of 16-bit samples (AA §4.1 to 4.3)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from padam.defects.audio_artifacts.config import SAMPLE_RATE, SimulationConfig
from padam.defects.base import UndrawableDefectError

Pcm = npt.NDArray[np.int16]
"""Samples of one channel, 48 kHz, 16 bits."""

FULL_SCALE = 32_767


@dataclass(frozen=True)
class HumParams:
    """A sine of whole hertz; `amplitude` in steps of 16 bits."""

    frequency_hz: int
    amplitude: int


@dataclass(frozen=True)
class HissParams:
    """White noise, uniform between -`amplitude` and `amplitude`, of its own for each channel."""

    amplitude: int
    seed: int


@dataclass(frozen=True)
class DistortionParams:
    """Clipping at ±`level`, which is `ratio` of the title's greatest magnitude."""

    ratio: float
    level: int


def draw_amplitude(rng: np.random.Generator, peak: int, config: SimulationConfig) -> int:
    """Draw from the whole numbers above 60 and below 32767 - `peak`.

    Raises UndrawableDefectError where there is none: a title that reaches full scale has no room.
    """
    low, high = config.amplitude_above + 1, FULL_SCALE - peak
    if low >= high:
        raise UndrawableDefectError(
            f"a peak of {peak} leaves no amplitude above {config.amplitude_above} below full scale"
        )
    return int(rng.integers(low, high))


def draw_hum(rng: np.random.Generator, peak: int, config: SimulationConfig) -> HumParams:
    """Draw frequency and amplitude (AA §4.1). Raises as `draw_amplitude`."""
    frequency_hz = int(rng.integers(config.hum_hz[0] + 1, config.hum_hz[1]))
    return HumParams(frequency_hz, draw_amplitude(rng, peak, config))


def draw_hiss(rng: np.random.Generator, peak: int, config: SimulationConfig) -> HissParams:
    """Draw amplitude and seed (AA §4.2). Raises as `draw_amplitude`."""
    return HissParams(draw_amplitude(rng, peak, config), int(rng.integers(2**32)))


def draw_distortion(
    rng: np.random.Generator, peak: int, config: SimulationConfig
) -> DistortionParams:
    """Draw the ratio (AA §4.3)."""
    ratio = float(rng.choice(config.distortion_ratios))
    return DistortionParams(ratio, round(ratio * peak))


def add_hum(signal: Pcm, position: int, params: HumParams) -> Pcm:
    """Add the sine; `position` is the title's sample at which `signal` begins, and sets the phase.

    Pieces of an interval therefore fit together.
    """
    # the phase of whole hertz repeats every second, which keeps it exact in long titles
    time = (position % SAMPLE_RATE + np.arange(len(signal))) / SAMPLE_RATE
    wave = params.amplitude * np.sin(2 * np.pi * params.frequency_hz * time)
    return saturated(signal + np.rint(wave))


def add_hiss(signal: Pcm, position: int, channel: int, params: HissParams) -> Pcm:
    """Add the noise of a channel, which is the same wherever the signal is cut."""
    end = position + len(signal)
    seconds = range(position // SAMPLE_RATE, -(-end // SAMPLE_RATE))
    noise = [
        np.random.default_rng([params.seed, channel, second]).integers(
            -params.amplitude, params.amplitude, SAMPLE_RATE, endpoint=True
        )
        for second in seconds
    ]
    first = position - seconds.start * SAMPLE_RATE
    return saturated(signal + np.concatenate(noise)[first : first + len(signal)])


def distort(signal: Pcm, params: DistortionParams) -> Pcm:
    """Clip the signal."""
    return np.clip(signal, -params.level, params.level).astype(np.int16)


def saturated(values: npt.NDArray[np.number]) -> Pcm:
    """Whole numbers as 16-bit samples, those beyond full scale at full scale."""
    return np.clip(values, -FULL_SCALE - 1, FULL_SCALE).astype(np.int16)
