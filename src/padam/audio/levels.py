"""Levels of signals: linear, and in dB relative to full scale.

Signals may have any shape; a level is taken over all of their samples, in double precision.
"""

import numpy as np

from padam.audio import Audio

_PIECE = 2**24


def rms(signal: Audio) -> float:
    """Root mean square of all samples, linear; 0 for an empty signal."""
    return float(np.sqrt(_energy(signal) / signal.size)) if signal.size else 0.0


def rms_db(signal: Audio) -> float:
    """RMS in dB re 1.0 (a full-scale sine is -3.01 dB); -inf for silence."""
    return _decibels(rms(signal))


def peak(signal: Audio) -> float:
    """Largest absolute sample, linear; 0 for an empty signal."""
    return float(max(np.max(signal), -np.min(signal))) if signal.size else 0.0


def peak_db(signal: Audio) -> float:
    """Largest absolute sample in dB re 1.0; -inf for silence."""
    return _decibels(peak(signal))


def snr_db(signal: Audio, noise: Audio) -> float:
    """Energy of `signal` over that of `noise` in dB, both of one shape.

    +inf without noise, -inf without signal, NaN where both are silent.
    """
    if signal.shape != noise.shape:
        raise ValueError(f"signal {signal.shape} and noise {noise.shape} differ in shape")
    signal_level, noise_level = rms_db(signal), rms_db(noise)
    return signal_level - noise_level if max(signal_level, noise_level) > -np.inf else float("nan")


def apply_gain_db(audio: Audio, gain_db: float) -> Audio:
    """Scale audio by a gain in dB."""
    return (audio * np.float32(10 ** (gain_db / 20))).astype(np.float32)


def scale_to_peak_db(audio: Audio, target_db: float) -> Audio:
    """Scale audio so that its peak is `target_db` re 1.0; silence comes back unchanged."""
    current = peak_db(audio)
    return apply_gain_db(audio, target_db - current) if np.isfinite(current) else audio.copy()


def scale_noise_to_snr(signal: Audio, noise: Audio, target_db: float) -> Audio:
    """Scale `noise` so that `snr_db(signal, noise)` is `target_db`.

    Raises ValueError where either is silent: there is no such gain.
    """
    current = snr_db(signal, noise)
    if not np.isfinite(current):
        raise ValueError("no SNR between a signal and a noise of which one is silent")
    return apply_gain_db(noise, current - target_db)


def match_level(reference: Audio, degraded: Audio) -> Audio:
    """Scale `degraded` to the RMS of `reference`; unchanged where either is silent."""
    gain_db = rms_db(reference) - rms_db(degraded)
    return apply_gain_db(degraded, gain_db) if np.isfinite(gain_db) else degraded.copy()


def _energy(signal: Audio) -> float:
    flat, total = np.ravel(signal), 0.0
    # a piece at a time: a title of half an hour takes a gigabyte in double precision
    for start in range(0, flat.size, _PIECE):
        piece = flat[start : start + _PIECE].astype(np.float64)
        total += float(piece @ piece)
    return total


def _decibels(amplitude: float) -> float:
    return float(20 * np.log10(amplitude)) if amplitude > 0 else float("-inf")
