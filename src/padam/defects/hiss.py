"""Hiss: broadband background noise with a spectrum of 1/f^β above a high-pass."""

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy import fft

from padam.audio import Audio
from padam.audio.levels import scale_noise_to_snr
from padam.defects.base import (
    DefectParams,
    DefectRanges,
    PlacementRanges,
    Stage,
    affected,
    draw_placement,
    edge_fade,
    replaced,
)
from padam.defects.interval import within

_HIGHPASS_ORDER = 4
_BAND_HZ = (20.0, 8000.0)


class HissRanges(DefectRanges):
    """PADAM §3.1.1, 2."""

    snr_db: Annotated[tuple[float, float], within(-30, 60)] = (0.0, 15.0)
    beta: Annotated[tuple[float, float], within(-4, 4)] = (-2.0, 2.0)
    # relative to Nyquist, drawn on a logarithmic scale (the paper names the limits only)
    highpass: Annotated[tuple[float, float], within(1e-6, 0.99)] = (1e-5, 0.5)


class HissParams(DefectParams):
    """A drawn hiss; `in_band_snr_db` (20 Hz – 8 kHz) is what a 16 kHz model can hear of it."""

    defect: Literal["hiss"] = "hiss"
    snr_db: float
    beta: float
    highpass: float = Field(gt=0, lt=1)
    seed: int
    in_band_snr_db: float


class Hiss:
    """Hiss at an SNR over the affected interval and channels, independent on each channel."""

    name = "hiss"
    stage: Stage = "source"
    Params = HissParams
    Ranges = HissRanges

    def draw(
        self,
        rng: np.random.Generator,
        audio: Audio,
        sample_rate: int,
        ranges: HissRanges,
        placement: PlacementRanges = PlacementRanges(),  # noqa: B008
    ) -> HissParams:
        """Draw a hiss (PADAM §3.1.1) and measure its SNR in the audible band of a 16 kHz model."""
        interval, channels = draw_placement(rng, audio, sample_rate, placement, sustained=True)
        snr_db = float(rng.uniform(*ranges.snr_db))
        beta = float(rng.uniform(*ranges.beta))
        highpass = float(np.exp(rng.uniform(*np.log(ranges.highpass))))
        signal = audio[list(channels), interval.slice(sample_rate, audio.shape[1])]
        return HissParams(
            interval=interval,
            channels=channels,
            snr_db=snr_db,
            beta=beta,
            highpass=highpass,
            seed=int(rng.integers(2**63)),
            in_band_snr_db=_in_band_snr_db(signal, sample_rate, snr_db, beta, highpass),
        )

    def apply(self, audio: Audio, sample_rate: int, params: HissParams) -> Audio:
        """Add the hiss."""
        signal = affected(audio, sample_rate, params)
        noise = coloured_noise(
            np.random.default_rng(params.seed), signal.shape, params.beta, params.highpass
        )
        noise *= edge_fade(audio, sample_rate, params)
        return replaced(
            audio, sample_rate, params, signal + scale_noise_to_snr(signal, noise, params.snr_db)
        )


def coloured_noise(
    rng: np.random.Generator, shape: tuple[int, ...], beta: float, highpass: float
) -> npt.NDArray[np.float32]:
    """Gaussian noise of power spectrum 1/f^β, high-passed at `highpass` times Nyquist, unscaled."""
    length = fft.next_fast_len(shape[-1], real=True)
    bins = length // 2 + 1
    spectrum = rng.standard_normal((shape[0], bins, 2), dtype=np.float32).view(np.complex64)
    spectrum = spectrum[..., 0]
    spectrum *= np.sqrt(_power(np.arange(bins) / (bins - 1), beta, highpass)).astype(np.float32)
    noise = fft.irfft(spectrum, length, axis=-1)[:, : shape[-1]]
    return np.ascontiguousarray(noise, dtype=np.float32)


def _power(
    frequency: npt.NDArray[np.float64], beta: float, highpass: float
) -> npt.NDArray[np.float64]:
    """Power density at frequencies relative to Nyquist; none at 0 Hz."""
    power = np.zeros_like(frequency)
    above = frequency > 0
    relative = frequency[above]
    # Butterworth magnitude: zero phase does not matter for noise
    power[above] = relative**-beta / (1 + (highpass / relative) ** (2 * _HIGHPASS_ORDER))
    return power


def _in_band_snr_db(
    signal: Audio, sample_rate: int, snr_db: float, beta: float, highpass: float
) -> float:
    """SNR left within 20 Hz – 8 kHz, from the signal's energy and the noise's known spectrum."""
    length = fft.next_fast_len(signal.shape[1], real=True)
    energy = (np.abs(fft.rfft(signal, length, axis=-1)) ** 2).sum(axis=0, dtype=np.float64)
    bins = len(energy)
    power = _power(np.arange(bins) / (bins - 1), beta, highpass)
    edges = np.array(_BAND_HZ) / (sample_rate / 2) * (bins - 1)
    band = slice(round(edges[0]), min(bins, round(edges[1]) + 1))
    signal_share = max(energy[band].sum() / max(energy.sum(), 1e-30), 1e-12)
    noise_share = max(power[band].sum() / power.sum(), 1e-12)
    return float(snr_db + 10 * np.log10(signal_share / noise_share))
