"""Whether a defect can be heard at all: a drawn one that cannot be would be a wrong label."""

import numpy as np
import numpy.typing as npt
from scipy import fft

from padam.audio import Audio

_FRAME_S = 0.02
# below this the signal masks nothing
_QUIET_DB = -50.0


def error_level_db(intact: Audio, degraded: Audio, sample_rate: int, bandwidth_hz: float) -> float:
    """Greatest error-to-signal ratio of any 20 ms frame and channel, in dB; -inf without error.

    Only what lies between 0 Hz (excluded) and `bandwidth_hz` counts. Signal frames below -50 dB
    count as -50 dB.
    """
    error = _frame_power(degraded - intact, sample_rate, bandwidth_hz)
    signal = np.maximum(
        _frame_power(intact, sample_rate, bandwidth_hz), np.float32(10 ** (_QUIET_DB / 10))
    )
    ratio = float((error / signal).max())
    return 10 * float(np.log10(ratio)) if ratio > 0 else float("-inf")


def is_audible(
    intact: Audio, degraded: Audio, sample_rate: int, bandwidth_hz: float, floor_db: float
) -> bool:
    """Whether `error_level_db` reaches the floor; it looks no further than the second that does."""
    second = round(_FRAME_S * sample_rate) * round(1 / _FRAME_S)
    return any(
        error_level_db(
            intact[:, start : start + second],
            degraded[:, start : start + second],
            sample_rate,
            bandwidth_hz,
        )
        >= floor_db
        for start in range(0, intact.shape[1], second)
    )


def _frame_power(audio: Audio, sample_rate: int, bandwidth_hz: float) -> npt.NDArray[np.float32]:
    length = round(_FRAME_S * sample_rate)
    count = -(-audio.shape[1] // length)
    padded = np.zeros((audio.shape[0], count * length), dtype=np.float32)
    padded[:, : audio.shape[1]] = audio
    spectrum = fft.rfft(padded.reshape(audio.shape[0], count, length), axis=-1)
    last = max(1, int(bandwidth_hz * length / sample_rate))
    band = spectrum[..., 1 : last + 1].view(np.float32)
    return 2 / length**2 * np.einsum("cfk,cfk->cf", band, band)
