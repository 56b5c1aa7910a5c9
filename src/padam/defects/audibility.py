"""Whether a defect can be heard at all: a drawn one that cannot be would be a wrong label."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import fft

from padam.audio import Audio

FRAME_S: Final = 0.02
# below this the signal masks nothing
_QUIET_DB = -50.0


def error_level_db(intact: Audio, degraded: Audio, sample_rate: int, bandwidth_hz: float) -> float:
    """Greatest error-to-signal ratio of any 20 ms frame and channel, in dB; -inf without error.

    Only what lies between 0 Hz (excluded) and `bandwidth_hz` counts. Signal frames below -50 dB
    count as -50 dB.
    """
    return float(error_levels_db(intact, degraded, sample_rate, bandwidth_hz).max())


def error_levels_db(
    intact: Audio, degraded: Audio, sample_rate: int, bandwidth_hz: float
) -> npt.NDArray[np.float32]:
    """As `error_level_db` for each frame of 20 ms, (frames,): that of the worst channel."""
    error = _frame_power(degraded - intact, sample_rate, bandwidth_hz)
    signal = np.maximum(
        _frame_power(intact, sample_rate, bandwidth_hz), np.float32(10 ** (_QUIET_DB / 10))
    )
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10((error / signal).max(axis=0)), dtype=np.float32)


def is_audible(
    intact: Audio, degraded: Audio, sample_rate: int, bandwidth_hz: float, floor_db: float
) -> bool:
    """Whether `error_level_db` reaches the floor; it looks no further than the second that does."""
    second = round(FRAME_S * sample_rate) * round(1 / FRAME_S)
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
    length = round(FRAME_S * sample_rate)
    count = -(-audio.shape[1] // length)
    padded = np.zeros((audio.shape[0], count * length), dtype=np.float32)
    padded[:, : audio.shape[1]] = audio
    spectrum = fft.rfft(padded.reshape(audio.shape[0], count, length), axis=-1)
    last = max(1, int(bandwidth_hz * length / sample_rate))
    band = spectrum[..., 1 : last + 1].view(np.float32)
    return 2 / length**2 * np.einsum("cfk,cfk->cf", band, band)
