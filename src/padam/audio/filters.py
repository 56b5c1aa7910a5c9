"""Butterworth filters in second-order sections."""

import numpy as np
from scipy import signal

from padam.audio import Audio

# of what is filtered both ways at once, and what is heard around it
_PIECE_S = 60.0
_MARGIN_S = 0.5
_MARGIN_PERIODS = 20.0


def lowpass(
    audio: Audio, rate: int, cutoff_hz: float, order: int = 4, *, zero_phase: bool = False
) -> Audio:
    """Attenuate above `cutoff_hz`: -3 dB there, 6 dB per octave and order beyond.

    Causal by default; `zero_phase` runs forwards and backwards, which delays nothing and doubles
    every attenuation. Raises ValueError for a cutoff outside (0, rate / 2).
    """
    return _filter(audio, rate, cutoff_hz, order, "lowpass", zero_phase)


def highpass(
    audio: Audio, rate: int, cutoff_hz: float, order: int = 4, *, zero_phase: bool = False
) -> Audio:
    """Attenuate below `cutoff_hz`; otherwise as `lowpass`."""
    return _filter(audio, rate, cutoff_hz, order, "highpass", zero_phase)


def _filter(
    audio: Audio, rate: int, cutoff_hz: float, order: int, kind: str, zero_phase: bool
) -> Audio:
    if not 0 < cutoff_hz < rate / 2:
        raise ValueError(f"cutoff {cutoff_hz} Hz is outside (0, {rate / 2}) Hz at {rate} Hz")
    samples = audio.shape[-1]
    if samples == 0:
        return audio.astype(np.float32, copy=True)
    sections = signal.butter(order, cutoff_hz, kind, fs=rate, output="sos")
    if not zero_phase:
        return np.asarray(signal.sosfilt(sections, audio, axis=-1), dtype=np.float32)
    # in double precision and both ways, a long title at once would take gigabytes
    size = round(_PIECE_S * rate)
    margin = round(max(_MARGIN_S, _MARGIN_PERIODS / cutoff_hz) * rate)
    result = np.empty(audio.shape, dtype=np.float32)
    for first in range(0, samples, size):
        begin, end = max(0, first - margin), min(samples, first + size)
        part = audio[..., begin : end + margin]
        padding = min(part.shape[-1] - 1, 3 * (2 * len(sections) + 1))
        part = signal.sosfiltfilt(sections, part, axis=-1, padlen=padding)
        result[..., first:end] = part[..., first - begin : end - begin]
    return result
