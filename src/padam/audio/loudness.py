"""Programme loudness after ITU-R BS.1770-4, in LUFS."""

import warnings

import numpy as np
import pyloudnorm

from padam.audio import Audio

_BLOCK_S = 0.4


def integrated_loudness_lufs(audio: Audio, rate: int) -> float:
    """Gated loudness of (channels, samples) audio with at most 5 channels (ITU-R BS.1770-4).

    Channels in the order L, R, C, Ls, Rs. Silence, and audio below the absolute gate of -70 LUFS,
    is -inf. Audio shorter than one gating block of 0.4 s is padded with silence to one block.
    """
    if audio.shape[0] > 5:
        raise ValueError(
            f"loudness of {audio.shape[0]} channels is not defined here; leave the LFE out (max. 5)"
        )
    block = int(np.ceil(_BLOCK_S * rate))
    samples = np.ascontiguousarray(audio.T, dtype=np.float64)
    if len(samples) < block:
        samples = np.pad(samples, ((0, block - len(samples)), (0, 0)))
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        # silence takes the logarithm of zero and the mean of no blocks: -inf is the answer
        warnings.simplefilter("ignore", RuntimeWarning)
        loudness = float(pyloudnorm.Meter(rate).integrated_loudness(samples))
    return loudness if np.isfinite(loudness) else float("-inf")


def normalise_loudness(audio: Audio, rate: int, target_lufs: float) -> Audio:
    """Apply the one gain that brings the integrated loudness to `target_lufs`.

    Silence, which no gain can bring anywhere, comes back unchanged. Peaks may pass 1: the caller
    decides whether that clips.
    """
    loudness = integrated_loudness_lufs(audio, rate)
    if not np.isfinite(loudness):
        return audio.astype(np.float32, copy=True)
    return (audio * 10 ** ((target_lufs - loudness) / 20)).astype(np.float32)
