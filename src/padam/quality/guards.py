"""What no metric may be asked to judge: each of them answers such audio with nonsense."""

import numpy as np
import numpy.typing as npt

from padam.audio.levels import peak, rms_db
from padam.quality.base import Metric, Signal

MIN_DURATION_S = 0.5
MIN_RMS_DB = -80.0


def unsound_samples(audio: npt.NDArray[np.float32]) -> str | None:
    """Why the samples are no audio in [-1, 1] (any shape), or None where they are."""
    if not np.isfinite(audio).all():
        return "holds NaN or infinite samples"
    highest = peak(audio)
    if highest > 1.0:
        return f"peak {highest:.3f} is over 1.0"
    return None


def unscorable_channel(signal: Signal, sample_rate: int) -> str | None:
    """Why one channel cannot be scored, or None where it can.

    A channel is finite, within [-1, 1], at least 0.5 s long and above -80 dB RMS.
    """
    duration_s = signal.size / sample_rate
    if duration_s < MIN_DURATION_S:
        return f"{duration_s:.2f} s is shorter than {MIN_DURATION_S} s"
    if reason := unsound_samples(signal):
        return reason
    level_db = rms_db(signal)
    if level_db < MIN_RMS_DB:
        return f"level {level_db:.0f} dB is under {MIN_RMS_DB:.0f} dB (silent)"
    return None


def unscorable_pair(metric: Metric, reference: Signal, degraded: Signal) -> str | None:
    """Why `metric` cannot score this channel of a pair, or None where it can."""
    if metric.needs_reference and (reason := unscorable_channel(reference, metric.sample_rate)):
        return f"reference: {reason}"
    if reason := unscorable_channel(degraded, metric.sample_rate):
        return f"degraded: {reason}"
    return None
