"""Programme loudness after ITU-R BS.1770-4, in LUFS."""

import numpy as np
import numpy.typing as npt
import pyloudnorm

from padam.audio import Audio
from padam.audio.channels import default_layout

_BLOCK_S = 0.4
_HOP_S = 0.1
# a minute: in double precision a whole title would take gigabytes
_BLOCKS_AT_ONCE = 600
_SETTLING_BLOCKS = 20
_MAX_CHANNELS = 8
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
# of a full-scale square wave in one channel
_OFFSET_DB = -0.691
_SIDE_WEIGHT = 1.41


def integrated_loudness_lufs(audio: Audio, rate: int) -> float:
    """Gated loudness of audio in FFmpeg's usual layout of its 1 to 8 channels (ITU-R BS.1770-4).

    The LFE does not count, the surrounds count 1.41 (in 6.1 and 7.1 those at the sides: Annex 3).
    Silence, and audio below the absolute gate of -70 LUFS, is -inf. Audio shorter than one gating
    block of 0.4 s is padded with silence to one block. Raises ValueError for more than 8 channels.
    """
    if audio.shape[0] > _MAX_CHANNELS:
        raise ValueError(f"loudness of {audio.shape[0]} channels is not defined here (max. 8)")
    shortest = int(np.ceil(_BLOCK_S * rate))
    samples = audio
    if samples.shape[1] < shortest:
        samples = np.pad(samples, ((0, 0), (0, shortest - samples.shape[1])))
    channels = [
        weight * _block_power(signal, rate)
        for signal, weight in zip(samples, _weights(audio.shape[0]), strict=True)
        if weight
    ]
    power = np.sum(channels, axis=0)
    above = power[_lufs(power) >= _ABSOLUTE_GATE_LUFS]
    if not above.size:
        return float("-inf")
    gate_lufs = _lufs(above.mean()) + _RELATIVE_GATE_LU
    return float(_lufs(above[_lufs(above) > gate_lufs].mean()))


def normalise_loudness(audio: Audio, rate: int, target_lufs: float) -> Audio:
    """Apply the one gain that brings the integrated loudness to `target_lufs`.

    Silence, which no gain can bring anywhere, comes back unchanged. Peaks may pass 1: the caller
    decides whether that clips.
    """
    loudness = integrated_loudness_lufs(audio, rate)
    if not np.isfinite(loudness):
        return audio.astype(np.float32, copy=True)
    return (audio * 10 ** ((target_lufs - loudness) / 20)).astype(np.float32)


def _weights(channels: int) -> list[float]:
    """Table 3 and Annex 3: 1.41 between 60° and 120° to either side, 1 elsewhere, 0 for the LFE."""
    layout = default_layout(channels)
    sides = ("SL", "SR") if "SL" in layout else ("BL", "BR")
    return [0.0 if name == "LFE" else _SIDE_WEIGHT if name in sides else 1.0 for name in layout]


def _block_power(signal: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float64]:
    """K-weighted power of each gating block of one channel, a minute at a time."""
    hop, length = _HOP_S * rate, round(_BLOCK_S * rate)
    count = round((len(signal) / rate - _BLOCK_S) / _HOP_S) + 1
    powers = []
    for first in range(0, count, _BLOCKS_AT_ONCE):
        # what the filters need to settle, in whole blocks
        before = min(first, _SETTLING_BLOCKS)
        last = min(first + _BLOCKS_AT_ONCE, count)
        begin, end = int((first - before) * hop), int((last - 1) * hop) + length
        end = end if last < count else len(signal)
        powers.append(_powers_at_once(signal[begin:end], rate)[before : before + last - first])
    return np.concatenate(powers)


def _powers_at_once(signal: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float64]:
    meter = pyloudnorm.Meter(rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        meter.integrated_loudness(signal.astype(np.float64))
    return np.asarray(10 ** ((np.array(meter.blockwise_loudness) - _OFFSET_DB) / 10))


def _lufs(power: npt.ArrayLike) -> npt.NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.asarray(_OFFSET_DB + 10 * np.log10(power))
