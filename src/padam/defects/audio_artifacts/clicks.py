"""Clicks in 16-bit samples: an impulse added, or a piece cut out (AA §4.4)."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import signal as filters

from padam.defects.audio_artifacts.config import SAMPLE_RATE, SimulationConfig
from padam.defects.audio_artifacts.tones import Pcm, saturated

ORDER = 3
IMPULSE = 32_768
# Of the lowest cutoff that parameters allow in the paper's range, all that reaches half a step.
RESPONSE_SAMPLES = 256
# A moment at which nothing can be cut is followed by others, so many so far apart.
CUT_TRIES = 20
CUT_TRY_S = 0.0025


@dataclass(frozen=True)
class AdditiveClick:
    """An impulse at sample `at` of the title through a low-pass of `cutoff` cycles per sample."""

    at: int
    cutoff: float


@dataclass(frozen=True)
class ReductiveClick:
    """A cut wanted from sample `at` of the title on; `choice` in [0, 1) picks one of those fit."""

    at: int
    choice: float


@dataclass(frozen=True)
class Cut:
    """Samples [start, stop) of a signal that were taken out, and the step that this leaves."""

    start: int
    stop: int
    step: int


def draw_moments(rng: np.random.Generator, start: int, end: int, gap_s: float) -> list[int]:
    """Draw samples in [start, end): a Poisson process with `gap_s` between clicks on average."""
    count = rng.poisson((end - start) / SAMPLE_RATE / gap_s)
    return sorted(int(at) for at in rng.integers(start, end, count))


def click_shape(cutoff: float) -> npt.NDArray[np.float64]:
    """Impulse of 32768 behind a Butterworth low-pass of order 3, `cutoff` in cycles per sample."""
    return _response(cutoff)


@lru_cache(maxsize=1024)
def _response(cutoff: float) -> npt.NDArray[np.float64]:
    impulse = np.zeros(RESPONSE_SAMPLES)
    impulse[0] = IMPULSE
    return np.asarray(filters.sosfilt(filters.butter(ORDER, cutoff, fs=1, output="sos"), impulse))


def add_clicks(signal: Pcm, position: int, clicks: tuple[AdditiveClick, ...]) -> Pcm:
    """Add the clicks to a signal that begins at sample `position` of the title."""
    total = signal.astype(np.float64)
    for click in clicks:
        first = click.at - position
        shape = click_shape(click.cutoff)
        low, high = max(first, 0), min(first + len(shape), len(signal))
        if low < high:
            total[low:high] += shape[low - first : high - first]
    return saturated(np.rint(total))


def cut_clicks(
    signal: Pcm, position: int, clicks: tuple[ReductiveClick, ...], config: SimulationConfig
) -> tuple[Pcm, tuple[Cut, ...]]:
    """Cut pieces out of a signal that begins at sample `position`; return the rest, and the cuts.

    A piece holds a zero crossing, and what is left steps by `min_step` and more where it was. Where
    the signal holds no such piece within 50 ms after a wanted moment, nothing is cut.
    """
    cuts: list[Cut] = []
    for click in clicks:
        least = cuts[-1].stop + 1 if cuts else 1
        found = _find_cut(signal, max(click.at - position, least), click.choice, config)
        if found is not None:
            cuts.append(found)
    edges = [0, *(edge for cut in cuts for edge in (cut.start, cut.stop)), len(signal)]
    kept = [signal[low:high] for low, high in zip(edges[::2], edges[1::2], strict=True)]
    return np.concatenate(kept), tuple(cuts)


def _find_cut(signal: Pcm, first: int, choice: float, config: SimulationConfig) -> Cut | None:
    shortest, longest = (max(1, round(each * SAMPLE_RATE)) for each in config.cut_s)
    for start in range(first, len(signal), round(CUT_TRY_S * SAMPLE_RATE)):
        if start >= first + CUT_TRIES * round(CUT_TRY_S * SAMPLE_RATE):
            break
        after = signal[start : start + longest + 1].astype(np.int32)
        if len(after) <= shortest:
            break
        steps = np.abs(after - int(signal[start - 1]))
        # how often the sign has changed within the first n samples, n from 1 on
        crossings = np.concatenate([[0], np.cumsum(np.diff(np.signbit(after)))])
        lengths = np.arange(shortest, len(after))
        fit = lengths[(steps[lengths] >= config.min_step) & (crossings[lengths - 1] > 0)]
        if len(fit):
            length = int(fit[int(choice * len(fit))])
            return Cut(start, start + length, int(steps[length]))
    return None
