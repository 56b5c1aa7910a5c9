"""Native-rate evidence of short windows: where in a segment something is heard (our extension).

Each 0.4 s is measured by itself, which tells when, and with what lies around it, which tells what:
levels in use take more than 0.4 s to be seen, and steady lines of the spectrum 2 s. Evidence is
relative to its own window, so the level of the 0.4 s stands beside it.
"""

import hashlib
from types import ModuleType
from typing import Final

import numpy as np
import numpy.typing as npt

from padam.audio import Audio
from padam.models.native_evidence import (
    EVIDENCE_VERSION,
    FAMILIES,
    check_evidence_audio,
    lines,
    measure_families,
    names_of,
)

STEP_S: Final = 0.4
MEASURED: Final[dict[float, tuple[ModuleType, ...]]] = {
    0.4: tuple(family for family in FAMILIES if family is not lines),
    1.2: FAMILIES,
    2.8: (lines,),
}
"""What is measured in windows of so many seconds about each 0.4 s."""
MARGIN_S: Final = (max(MEASURED) - STEP_S) / 2
"""How far the longest windows reach beyond the 0.4 s."""
LEVELS: Final = ("rms_db", "peak_db")
FLOOR: Final = 1e-5
WINDOW_NAMES: Final[tuple[str, ...]] = (
    *(f"{name}.{width}_s" for width, chosen in MEASURED.items() for name in names_of(chosen)),
    *LEVELS,
)
WINDOWS_VERSION: Final = (
    f"{EVIDENCE_VERSION}-{hashlib.sha256(' '.join(WINDOW_NAMES).encode()).hexdigest()[:8]}"
)
"""Changes with what is measured; a localiser belongs to one version."""


def evidence_windows(
    audio: Audio, sample_rate: int, before: Audio | None = None, after: Audio | None = None
) -> npt.NDArray[np.float32]:
    """Return the evidence (channels, n, F) of each whole 0.4 s of audio (channels, samples).

    F is the number of `WINDOW_NAMES`. `before` and `after` are what the audio lies between, of
    which `MARGIN_S` are heard; where they are shorter, or None, the sound is mirrored. Raises
    ValueError as `native_evidence` does, and for audio of less than 0.4 s.
    """
    for part in (audio, before, after):
        if part is not None:
            check_evidence_audio(part, sample_rate)
    margin = round(MARGIN_S * sample_rate) + 1
    nothing = np.zeros((len(audio), 0), dtype=np.float32)
    lead = nothing if before is None else before[:, max(0, before.shape[1] - margin) :]
    tail = nothing if after is None else after[:, :margin]
    joined = np.concatenate([lead, audio, tail], axis=1)
    count = int(audio.shape[1] / (STEP_S * sample_rate) + 1e-6)
    if not count:
        raise ValueError(f"Audio has shape {audio.shape}; expected at least {STEP_S} s of it.")
    missing = (margin - lead.shape[1], margin - tail.shape[1])
    padded = np.pad(joined, ((0, 0), missing), mode="symmetric")
    # rounded one by one: 0.4 s need not be whole samples
    starts = [margin + round(number * STEP_S * sample_rate) for number in range(count)]
    found = np.zeros((len(audio), count, len(WINDOW_NAMES)), dtype=np.float32)
    for channel, samples in zip(found, padded, strict=True):
        for row, start in zip(channel, starts, strict=True):
            row[:] = _measured(samples, start, sample_rate)
    return found


def _measured(samples: npt.NDArray[np.float32], start: int, sample_rate: int) -> list[float]:
    """Return the values of `WINDOW_NAMES` about the 0.4 s that begin at a sample."""
    step = round(STEP_S * sample_rate)
    values: list[float] = []
    for width_s, families in MEASURED.items():
        width = round(width_s * sample_rate)
        first = start - (width - step) // 2
        values += measure_families(families, samples[first : first + width], sample_rate)
    middle = samples[start : start + step].astype(np.float64)
    levels = np.sqrt(np.square(middle).mean()), np.abs(middle).max()
    return values + [float(20 * np.log10(level + FLOOR)) for level in levels]
