"""Hum: tonal interference of electrical equipment, a sum of weighted harmonics."""

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from padam.audio import Audio
from padam.audio.levels import scale_noise_to_snr
from padam.defects.base import (
    DefectParams,
    DefectRanges,
    PlacementRanges,
    Stage,
    UndrawableDefectError,
    affected,
    draw_placement,
    edge_fade,
    replaced,
)
from padam.defects.interval import within

Pattern = Literal["even", "odd", "triplen"]
Waveform = Literal["square", "triangle"]


class HumRanges(DefectRanges):
    """PADAM §3.1.1, 1; what the paper leaves open says so."""

    snr_db: Annotated[tuple[float, float], within(-30, 60)] = (0.0, 15.0)
    mains_probability: float = Field(default=0.5, ge=0, le=1)  # open in the paper
    mains_hz: tuple[Annotated[float, Field(gt=0)], ...] = Field(default=(50.0, 60.0), min_length=1)
    other_hz: Annotated[tuple[float, float], within(10, 2000)] = (40.0, 500.0)
    patterns: tuple[Pattern, ...] = Field(default=("even", "odd", "triplen"), min_length=1)
    waveforms: tuple[Waveform, ...] = Field(default=("square", "triangle"), min_length=1)
    harmonics: Annotated[tuple[int, int], within(1, 200)] = (4, 20)  # open in the paper
    weight: Annotated[tuple[float, float], within(0, 10)] = (0.5, 1.0)  # open in the paper


class HumParams(DefectParams):
    """A drawn hum; `weights[i - 1]` belongs to the i-th harmonic of the pattern."""

    defect: Literal["hum"] = "hum"
    snr_db: float
    fundamental_hz: float = Field(gt=0)
    pattern: Pattern
    waveform: Waveform
    weights: tuple[float, ...] = Field(min_length=1)
    phase_rad: float


class Hum:
    """Hum at an SNR over the affected interval and channels, the same wave on each of them."""

    name = "hum"
    stage: Stage = "source"
    Params = HumParams
    Ranges = HumRanges

    def draw(
        self,
        rng: np.random.Generator,
        audio: Audio,
        sample_rate: int,
        ranges: HumRanges,
        placement: PlacementRanges = PlacementRanges(),  # noqa: B008
    ) -> HumParams:
        """Draw a hum (PADAM §3.1.1); undrawable where its first harmonic is not below Nyquist."""
        interval, channels = draw_placement(rng, audio, sample_rate, placement, sustained=True)
        mains = rng.random() < ranges.mains_probability
        fundamental = rng.choice(ranges.mains_hz) if mains else rng.uniform(*ranges.other_hz)
        count = int(rng.integers(*ranges.harmonics, endpoint=True))
        params = HumParams(
            interval=interval,
            channels=channels,
            snr_db=float(rng.uniform(*ranges.snr_db)),
            fundamental_hz=float(fundamental),
            pattern=ranges.patterns[rng.integers(len(ranges.patterns))],
            waveform=ranges.waveforms[rng.integers(len(ranges.waveforms))],
            weights=tuple(float(w) for w in rng.uniform(*ranges.weight, count)),
            phase_rad=float(rng.uniform(-2 * np.pi, 2 * np.pi)),
        )
        lowest_hz = float(harmonic_orders(params.pattern, 1)[0] * fundamental)
        if lowest_hz >= sample_rate / 2:
            raise UndrawableDefectError(
                f"the first harmonic of the hum, {lowest_hz:.0f} Hz, is not below half the rate of "
                f"{sample_rate} Hz"
            )
        return params

    def apply(self, audio: Audio, sample_rate: int, params: HumParams) -> Audio:
        """Add the hum; only its harmonics below Nyquist sound."""
        signal = affected(audio, sample_rate, params)
        wave = harmonic_wave(signal.shape[1], sample_rate, params)
        noise = np.broadcast_to(wave * edge_fade(audio, sample_rate, params), signal.shape)
        return replaced(
            audio, sample_rate, params, signal + scale_noise_to_snr(signal, noise, params.snr_db)
        )


def harmonic_orders(pattern: Pattern, count: int) -> npt.NDArray[np.int64]:
    """First `count` orders h of a pattern: even 2i, odd 2i-1, triplen 3(2i-1)."""
    i = np.arange(1, count + 1)
    return {"even": 2 * i, "odd": 2 * i - 1, "triplen": 3 * (2 * i - 1)}[pattern]


def harmonic_wave(samples: int, sample_rate: int, params: HumParams) -> npt.NDArray[np.float32]:
    """Sum over h of w_h A_h sin(2π h f0 t + φ), unscaled, t = 0 at its first sample."""
    orders = harmonic_orders(params.pattern, len(params.weights))
    weights = np.array(params.weights)[orders * params.fundamental_hz < sample_rate / 2]
    orders = orders[: len(weights)]
    amplitudes = weights * (
        1 / orders if params.waveform == "square" else (-1.0) ** orders / orders**2
    )
    if len(orders) == 0:
        return np.zeros(samples, dtype=np.float32)
    period = sample_rate / params.fundamental_hz
    if period < samples and period.is_integer():
        # as of mains hum at the usual rates: one period says all
        return np.resize(harmonic_wave(int(period), sample_rate, params), samples)
    # the orders are equidistant: a polynomial in exp(i 2π f0 t step), evaluated by Horner's rule
    first, step = int(orders[0]), int(orders[1] - orders[0]) if len(orders) > 1 else 1
    angle = 2 * np.pi * ((np.arange(samples) * (params.fundamental_hz / sample_rate)) % 1.0)
    turn = np.exp(1j * step * angle)
    total = np.full(samples, amplitudes[-1], dtype=np.complex128)
    for amplitude in amplitudes[-2::-1]:
        total *= turn
        total += amplitude
    total *= np.exp(1j * (first * angle + params.phase_rad))
    return total.imag.astype(np.float32)
