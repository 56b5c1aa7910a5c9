"""Short sounds one after the other in one signal, without a click or digital zeros between them."""

from collections.abc import Iterable

import numpy as np

from padam.audio import Audio

_SOUND = 1e-4
"""Magnitude from which on a sample is sound: -80 dB; what is below at both ends is cut."""
_PEAK = 0.98


def join(
    pieces: Iterable[Audio],
    rate: int,
    *,
    fade_s: float,
    noise_db: float,
    rng: np.random.Generator,
) -> Audio:
    """Return the (1, samples) pieces in a row, as one (1, samples) signal.

    Each begins and ends with a fade of `fade_s` that overlaps its neighbour's: of equal power,
    since the two have nothing in common. White noise of `noise_db` RMS (full scale is 0 dB) fills
    pauses of digital zeros. Pieces without sound, or shorter than two fades, are left out; the
    whole is made quieter where it would peak above 0.98. No piece gives (1, 0).
    """
    fade = max(1, round(fade_s * rate))
    ramp = np.sin(np.linspace(0, np.pi / 2, fade)).astype(np.float32)
    parts: list[Audio] = []
    for piece in pieces:
        sound = _sounding(piece)
        if sound.shape[1] < 2 * fade:
            continue
        sound[:, :fade] *= ramp
        sound[:, -fade:] *= ramp[::-1]
        if parts:
            parts[-1][:, -fade:] += sound[:, :fade]
            sound = sound[:, fade:]
        parts.append(sound)
    if not parts:
        return np.zeros((1, 0), np.float32)
    joined = np.concatenate(parts, axis=1)
    noise = rng.standard_normal(joined.shape).astype(np.float32)
    joined += noise * np.float32(10 ** (noise_db / 20))
    peak = float(np.abs(joined).max())
    return joined * np.float32(_PEAK / peak) if peak > _PEAK else joined


def _sounding(piece: Audio) -> Audio:
    """Return a copy from the first sample that is sound to the last."""
    found = np.flatnonzero(np.abs(piece[0]) >= _SOUND)
    if len(found) == 0:
        return np.zeros((1, 0), np.float32)
    return piece[:, found[0] : found[-1] + 1].copy()
