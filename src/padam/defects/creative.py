"""Creative effects that resemble defects and are none: intended sound, rendered on clean audio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from scipy.ndimage import uniform_filter1d

from padam.audio import Audio
from padam.audio.filters import highpass, lowpass
from padam.audio.levels import peak, rms
from padam.defects.hiss import coloured_noise

EffectName = Literal["lo_fi", "radio_voice", "overdrive", "vinyl_crackle"]
EFFECT_NAMES: tuple[EffectName, ...] = get_args(EffectName)

_Effect = Callable[[np.random.Generator, Audio, int], Audio]

_TELEPHONE_HZ = (300.0, 3400.0)
_LO_FI_LOW_HZ = (60.0, 150.0)
_LO_FI_HIGH_HZ = (2500.0, 6000.0)
_ENVELOPE_S = 0.05
_COMPRESSION = (1.5, 3.0)
_DRIVE = (2.0, 8.0)
_CRACKLES_PER_S = (8.0, 40.0)
# peaks relative to the RMS of the audio, before the low-pass, which takes some 12 dB
_CRACKLE_DB = (-10.0, 8.0)
_CRACKLE_HZ = 6000.0
_SURFACE_DB = (-42.0, -32.0)
# relative to Nyquist: some 24 Hz
_SURFACE_HIGHPASS = 1e-3


def apply_effect(
    name: EffectName, rng: np.random.Generator, audio: Audio, sample_rate: int
) -> Audio:
    """Audio (channels, samples) with the effect over the whole of it, at its former peak."""
    level = peak(audio)
    changed = _EFFECTS[name](rng, audio, sample_rate)
    return (changed * np.float32(level / max(peak(changed), 1e-9))).astype(np.float32)


def lo_fi(rng: np.random.Generator, audio: Audio, sample_rate: int) -> Audio:
    """Band-limited as an old recorder; the bit depth stays."""
    low = highpass(audio, sample_rate, float(rng.uniform(*_LO_FI_LOW_HZ)), order=2)
    return lowpass(low, sample_rate, float(rng.uniform(*_LO_FI_HIGH_HZ)), order=3)


def radio_voice(rng: np.random.Generator, audio: Audio, sample_rate: int) -> Audio:
    """Through a telephone's band of 300 to 3400 Hz, gently compressed."""
    low_hz, high_hz = _TELEPHONE_HZ
    band = lowpass(highpass(audio, sample_rate, low_hz), sample_rate, high_hz)
    ratio = float(rng.uniform(*_COMPRESSION))
    loudest = np.sqrt(np.mean(np.square(band, dtype=np.float64), axis=0))
    window = max(1, round(_ENVELOPE_S * sample_rate))
    envelope = np.sqrt(uniform_filter1d(np.square(loudest), window, mode="nearest").clip(0))
    reference = float(envelope.max(initial=0))
    if reference == 0:
        return band
    # what lies 40 dB below is not raised further: it would lift the noise of pauses
    relative = np.maximum(envelope / reference, 0.01)
    return np.asarray(band * relative ** (1 / ratio - 1), dtype=np.float32)


def overdrive(rng: np.random.Generator, audio: Audio, sample_rate: int) -> Audio:
    """Saturated softly as a guitar amplifier: tanh, which has no corner as clipping has."""
    drive = float(rng.uniform(*_DRIVE))
    return np.tanh(audio * np.float32(drive / max(peak(audio), 1e-9)))


def vinyl_crackle(rng: np.random.Generator, audio: Audio, sample_rate: int) -> Audio:
    """A bed of faint crackle and surface noise throughout, the same on all channels."""
    samples = audio.shape[1]
    level = max(rms(audio), 1e-5)
    count = rng.poisson(float(rng.uniform(*_CRACKLES_PER_S)) * samples / sample_rate)
    bed = np.zeros(samples, dtype=np.float32)
    at = rng.integers(0, max(samples, 1), count)
    heights = level * 10 ** (rng.uniform(*_CRACKLE_DB, count) / 20)
    np.add.at(bed, at, (heights * rng.choice([-1, 1], count)).astype(np.float32))
    surface = coloured_noise(rng, (1, samples), beta=1.0, highpass=_SURFACE_HIGHPASS)
    surface *= level * 10 ** (float(rng.uniform(*_SURFACE_DB)) / 20) / max(rms(surface), 1e-12)
    return (audio + lowpass(bed[None], sample_rate, _CRACKLE_HZ, order=2) + surface).astype(
        np.float32
    )


_EFFECTS: dict[EffectName, _Effect] = {
    "lo_fi": lo_fi,
    "radio_voice": radio_voice,
    "overdrive": overdrive,
    "vinyl_crackle": vinyl_crackle,
}
