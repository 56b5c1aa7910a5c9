"""Channel layouts: downmix and upmix by our own matrix, whatever the FFmpeg version."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from padam.audio import Audio

_HALF_POWER = float(np.sqrt(0.5))
_LEFT, _RIGHT, _BOTH = (1.0, 0.0), (0.0, 1.0), (_HALF_POWER, _HALF_POWER)
_LEFT_SURROUND, _RIGHT_SURROUND = (_HALF_POWER, 0.0), (0.0, _HALF_POWER)

# ITU-R BS.775-4, table 2: centre and surrounds at -3 dB, no LFE; names as FFmpeg gives them
_STEREO_GAINS: dict[str, tuple[float, float]] = {
    "FL": _LEFT, "FR": _RIGHT, "DL": _LEFT, "DR": _RIGHT, "FLC": _LEFT, "FRC": _RIGHT,
    "FC": _BOTH, "LFE": (0.0, 0.0), "LFE2": (0.0, 0.0), "BC": (0.5, 0.5),
    "BL": _LEFT_SURROUND, "BR": _RIGHT_SURROUND, "SL": _LEFT_SURROUND, "SR": _RIGHT_SURROUND,
    "WL": _LEFT_SURROUND, "WR": _RIGHT_SURROUND, "TFL": _LEFT_SURROUND, "TFR": _RIGHT_SURROUND,
    "TBL": _LEFT_SURROUND, "TBR": _RIGHT_SURROUND, "TSL": _LEFT_SURROUND, "TSR": _RIGHT_SURROUND,
    "TC": (0.5, 0.5), "TFC": (0.5, 0.5), "TBC": (0.5, 0.5),
}  # fmt: skip

# FFmpeg's usual layout for a channel count
_DEFAULT_LAYOUTS: dict[int, tuple[str, ...]] = {
    1: ("FC",),
    2: ("FL", "FR"),
    3: ("FL", "FR", "FC"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FR", "FC", "BL", "BR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    7: ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


def to_mono(audio: Audio) -> Audio:
    """Mean of left and right, (1, samples); surround goes through stereo first."""
    return remix(audio, 1)


def to_stereo(audio: Audio) -> Audio:
    """Two channels, (2, samples): mono on both, surround by ITU-R BS.775."""
    return remix(audio, 2)


def remix(audio: Audio, channels: int, layout: Sequence[str] | None = None) -> Audio:
    """Bring audio to 1 or 2 channels; the same count comes back as it is.

    Surround folds into stereo after ITU-R BS.775, without the LFE; the sum may pass 1. `layout`
    names the channels (`FL`, `FR`, `FC`, …); where it names none that is known, FFmpeg's usual
    layout of that count holds. Raises ValueError for another target count.
    """
    if audio.shape[0] == channels:
        return audio
    if layout is None or not any(name in _STEREO_GAINS for name in layout):
        layout = default_layout(audio.shape[0])
    matrix = mixing_matrix(layout, channels)
    return np.asarray(matrix @ audio, dtype=np.float32)


def fit_channels(audio: Audio, channels: int) -> Audio:
    """Bring audio to any channel count; the same count comes back as it is.

    1 and 2 are those of `remix`. In surround (FFmpeg's usual layout) mono lies on the centre where
    there is one; everything else lies in stereo on the front left and right.
    """
    if audio.shape[0] == channels or channels <= 2:
        return remix(audio, channels)
    surround = np.zeros((channels, audio.shape[1]), dtype=np.float32)
    layout = default_layout(channels)
    if audio.shape[0] == 1 and "FC" in layout:
        surround[layout.index("FC")] = audio[0]
    else:
        surround[:2] = to_stereo(audio)
    return surround


def mixing_matrix(layout: Sequence[str], channels: int) -> npt.NDArray[np.float32]:
    """Matrix (channels, len(layout)) that `remix` multiplies the samples by."""
    if channels not in (1, 2):
        raise ValueError(f"can remix to 1 or 2 channels, not to {channels}")
    if len(layout) == 1:
        stereo = np.ones((2, 1))
    else:
        stereo = np.array([_STEREO_GAINS.get(name, _BOTH) for name in layout]).T
    matrix = stereo if channels == 2 else stereo.mean(axis=0, keepdims=True)
    return matrix.astype(np.float32)


def default_layout(channels: int) -> tuple[str, ...]:
    """FFmpeg's usual layout of that many channels; unnamed beyond 8."""
    return _DEFAULT_LAYOUTS.get(channels, ("",) * channels)
