"""Native-rate evidence: what a log-mel of 16 kHz cannot hold, as a small vector (our extension).

Flat tops, held and repeated values, steps and clicks, bursts and holes, lines and levels that
stay: each module measures one family over a segment of one channel. Every value is relative to the
segment's own level, and those with heavy tails are logarithms, so that they can be standardised.
"""

import hashlib
from collections.abc import Iterable
from types import ModuleType
from typing import Final

import numpy as np
import numpy.typing as npt

from padam.audio import Audio
from padam.models.native_evidence import (
    amplitudes,
    flat_tops,
    lines,
    prediction,
    steadiness,
    transients,
)
from padam.models.native_evidence.spectrogram import spectrogram

__all__ = ["EVIDENCE_NAMES", "EVIDENCE_VERSION", "native_evidence"]

OF_SAMPLES: Final[tuple[ModuleType, ...]] = (flat_tops, amplitudes, prediction, lines)
OF_SPECTRUM: Final[tuple[ModuleType, ...]] = (transients, steadiness)
FAMILIES: Final = (*OF_SAMPLES, *OF_SPECTRUM)
_REVISION: Final = 2
"""Counts the changes of what a name measures."""


def names_of(families: Iterable[ModuleType]) -> tuple[str, ...]:
    """Return what the values of some families are called, `<family>.<name>`."""
    return tuple(
        f"{family.__name__.rsplit('.', 1)[1]}.{name}"
        for family in families
        for name in family.NAMES
    )


EVIDENCE_NAMES: Final[tuple[str, ...]] = names_of(FAMILIES)
EVIDENCE_VERSION: Final = (
    f"{_REVISION}-{hashlib.sha256(' '.join(EVIDENCE_NAMES).encode()).hexdigest()[:8]}"
)
"""Changes with what is measured; a model belongs to one version."""

_SILENCE: Final = 1e-5


def native_evidence(audio: Audio, sample_rate: int) -> npt.NDArray[np.float32]:
    """Return the evidence (channels, K) of audio (channels, samples) at its own rate.

    K is the number of `EVIDENCE_NAMES`. The gain of the audio does not matter but for what rounding
    and full scale do; a channel below -100 dB is silence, as is what has no samples. Every value is
    finite. Raises ValueError for another shape, samples that are not finite, and a rate that is not
    positive.
    """
    check_evidence_audio(audio, sample_rate)
    found = np.zeros((len(audio), len(EVIDENCE_NAMES)), dtype=np.float32)
    for row, channel in zip(found, audio, strict=True):
        row[:] = measure_families(FAMILIES, channel, sample_rate)
    return found


def check_evidence_audio(audio: Audio, sample_rate: int) -> None:
    """Raise ValueError where evidence cannot be measured; see `native_evidence`."""
    if audio.ndim != 2:
        raise ValueError(f"Audio has shape {audio.shape}; expected (channels, samples).")
    if sample_rate <= 0:
        raise ValueError(f"sample_rate is {sample_rate}; it must be positive.")
    if not np.isfinite(audio).all():
        raise ValueError("Audio holds NaN or infinite samples: mend or skip it before measuring.")


def measure_families(
    families: Iterable[ModuleType], channel: npt.NDArray[np.float32], sample_rate: int
) -> list[float]:
    """Return the values of some families of one channel (samples,), which is finite."""
    samples = np.zeros(max(1, len(channel)), dtype=np.float32)
    greatest = float(np.abs(channel).max(initial=0))
    if greatest > _SILENCE:
        samples = np.asarray(channel / np.float32(greatest), dtype=np.float32)
    spectrum = spectrogram(samples, sample_rate) if {*families} & {*OF_SPECTRUM} else None
    found: list[float] = []
    for family in families:
        if family in OF_SPECTRUM:
            found += family.measure(spectrum)
        else:
            found += family.measure(samples, sample_rate)
    return found
