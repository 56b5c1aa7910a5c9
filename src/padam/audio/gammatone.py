"""Gammatone filters: the ear's frequency resolution (Slaney, Apple Technical Report 35, 1993)."""

import numpy as np
import numpy.typing as npt
from scipy import signal

Floats = npt.NDArray[np.float64]

# Glasberg and Moore (1990)
_EAR_Q = 9.26449
_LEAST_BANDWIDTH_HZ = 24.7
# Bandwidth of a gammatone of the fourth order whose equivalent rectangular bandwidth is 1
_BANDWIDTH = 1.019


def erb_hz(frequency_hz: npt.ArrayLike) -> Floats:
    """Equivalent rectangular bandwidth of the ear's filter at a frequency, in Hz."""
    return np.asarray(frequency_hz, dtype=np.float64) / _EAR_Q + _LEAST_BANDWIDTH_HZ


def centre_frequencies(lowest_hz: float, limit_hz: float, count: int) -> Floats:
    """Frequencies (count,) in Hz from `lowest_hz` up, equally far apart in equivalent bandwidths.

    The next one above them would be `limit_hz`.
    """
    corner = _EAR_Q * _LEAST_BANDWIDTH_HZ
    low, high = np.log(lowest_hz + corner), np.log(limit_hz + corner)
    return np.exp(low + (high - low) * np.arange(count) / count) - corner


def gammatone_sections(centre_hz: npt.ArrayLike, sample_rate: int) -> Floats:
    """Filters of the fourth order, (filters, 4, 6) second-order sections, 0 dB at their centres.

    The impulse response of each is t³ exp(-2π·1.019·ERB·t) cos(2π f t), sampled: its Laplace
    transform has one double pole pair of fourth order and four real zeros, one a section.
    """
    centre = np.asarray(centre_hz, dtype=np.float64)
    angle = 2 * np.pi * centre / sample_rate
    decay = np.exp(-2 * np.pi * _BANDWIDTH * erb_hz(centre) / sample_rate)
    sections = np.zeros((len(centre), 4, 6))
    sections[:, :, 0] = 1
    for number, tilt in enumerate(
        (1 + np.sqrt(2), -1 - np.sqrt(2), np.sqrt(2) - 1, 1 - np.sqrt(2))
    ):
        sections[:, number, 1] = -decay * (np.cos(angle) + tilt * np.sin(angle))
    sections[:, :, 3] = 1
    sections[:, :, 4] = (-2 * decay * np.cos(angle))[:, None]
    sections[:, :, 5] = (decay**2)[:, None]
    gain = np.diagonal(magnitude(sections, angle))
    sections[:, 0, :3] /= gain[:, None]
    return sections


def magnitude(sections: Floats, angle: Floats) -> Floats:
    """Gain (filters, angles) of filters (filters, sections, 6) at angles in radians a sample."""
    back = np.exp(-1j * angle)
    powers = np.stack([np.ones_like(back), back, back**2])
    return np.asarray(
        np.abs((sections[..., :3] @ powers) / (sections[..., 3:] @ powers)).prod(axis=1)
    )


def filtered(samples: npt.NDArray[np.floating], sections: Floats) -> Floats:
    """Output (filters, samples) of each filter for one signal (samples,)."""
    return np.stack([signal.sosfilt(each, samples) for each in sections])
