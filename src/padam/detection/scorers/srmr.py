"""Speech-to-reverberation modulation energy ratio as a baseline: score = −SRMR.

The envelopes of an auditory filter bank are split into eight bands of modulation. Clean speech
moves at the pace of syllables, in the lower four; reverberation and noise fill the upper ones
(Falk, Zheng and Chan, IEEE TASLP 18(7), 2010; normalised: Santos, Senoussaoui and Falk, IWAENC
2014).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import fft, signal

from padam.audio import Audio
from padam.audio.gammatone import (
    centre_frequencies,
    erb_hz,
    filtered,
    gammatone_sections,
    magnitude,
)
from padam.detection.operating_point import OperatingPoint
from padam.detection.scorers.base import score_in_batches
from padam.detection.segments import SEGMENT_S
from padam.quality.base import Signal
from padam.quality.guards import unscorable_channel

Floats = npt.NDArray[np.float64]

AUDITORY_FILTERS = 23
LOWEST_HZ = 125.0
MODULATION_BANDS = 8
SPEECH_BANDS = 4
LOWEST_MODULATION_HZ = 4.0
# normalised or not, as the reference implementation has it; the paper of the former says 30
HIGHEST_MODULATION_HZ = 128.0
MODULATION_Q = 2.0
WINDOW_S, HOP_S = 0.256, 0.064
DYNAMIC_RANGE_DB = 30.0  # of the normalised energies
ENERGY_SHARE = 0.9
# of the spectrogram that the fast envelopes come from
FAST_WINDOW_S, FAST_HOP_S = 0.010, 0.0025


class SrmrScorer:
    """SRMR of each segment and channel at 16 kHz, negated; NaN if silent or not sound."""

    name = "srmr"
    sample_rate = 16_000
    segment_s = SEGMENT_S
    run_id: str | None = None
    operating_point: OperatingPoint | None = None

    def __init__(self, *, normalised: bool = False, fast: bool = True) -> None:
        self.normalised = normalised
        self.fast = fast
        self.version = "1" + "-normalised" * normalised + "-exact" * (not fast)

    def score(self, blocks: Iterable[Audio]) -> pd.DataFrame:
        """Columns start_s, end_s, channel, score; see `Scorer.score`."""
        return score_in_batches(blocks, self.sample_rate, self._score_rows, batch_segments=1)

    def _score_rows(self, rows: Audio) -> dict[str, npt.NDArray[np.floating]]:
        values = [
            modulation_ratio(row, self.sample_rate, normalised=self.normalised, fast=self.fast)
            for row in rows
        ]
        return {"score": -np.asarray(values, dtype=np.float64)}


def modulation_ratio(
    samples: Signal, sample_rate: int, *, normalised: bool = False, fast: bool = True
) -> float:
    """SRMR of one channel (samples,): above 0, about 10 for clean speech.

    `normalised` limits the energies to a range of 30 dB, which depends less on who speaks. `fast`,
    the reference implementation's default, takes the envelopes from a spectrogram weighted by the
    auditory filters; without it they are those of the filters' outputs, at twenty times the cost.
    NaN for what holds NaN or infinity, is shorter than 0.5 s, or silent.
    """
    if not np.isfinite(samples).all():
        return float("nan")
    # Resampling overshoots full scale; a player would clip it.
    limited = np.clip(samples, -1, 1).astype(np.float32, copy=False)
    if unscorable_channel(limited, sample_rate):
        return float("nan")
    if fast:
        rate = 1 / FAST_HOP_S
        envelopes = _spectrogram_envelopes(limited, sample_rate)
    else:
        rate = float(sample_rate)
        envelopes = _envelopes(limited, sample_rate)
    energy = _modulation_energy(envelopes, rate)
    if normalised:
        peak = energy.mean(axis=0).max()
        energy = np.clip(energy, peak * 10 ** (-DYNAMIC_RANGE_DB / 10), peak)
    average = energy.mean(axis=2)
    bands = _modulation_bands(average, sample_rate)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = average[:, :SPEECH_BANDS].sum() / average[:, SPEECH_BANDS:bands].sum()
    return float(ratio) if np.isfinite(ratio) else float("nan")


def _modulation_bands(average: Floats, sample_rate: int) -> int:
    """How many bands of modulation count: those that begin below the signal's auditory bandwidth.

    That is the equivalent bandwidth of the filter up to which 90 % of the energy lies.
    """
    cumulative = np.cumsum(average.sum(axis=1))
    last = int(np.argmax(cumulative > ENERGY_SHARE * cumulative[-1]))
    bandwidth_hz = erb_hz(centre_frequencies(LOWEST_HZ, sample_rate / 2, AUDITORY_FILTERS))[last]
    centres = _modulation_centres()
    half_width = np.tan(np.pi * centres / sample_rate) / MODULATION_Q * sample_rate / (2 * np.pi)
    return int((centres - half_width <= bandwidth_hz).sum())


def _modulation_centres() -> Floats:
    return np.geomspace(LOWEST_MODULATION_HZ, HIGHEST_MODULATION_HZ, MODULATION_BANDS)


def _modulation_energy(envelopes: Floats, rate: float) -> Floats:
    """Energy (filters, bands, frames) of envelopes (filters, samples) in windows of 256 ms."""
    window = int(np.ceil(WINDOW_S * rate))
    hop = int(np.ceil(HOP_S * rate))
    weights = signal.windows.hamming(window, sym=False) ** 2
    frames = 1 + (envelopes.shape[1] - window) // hop
    energy = np.empty((len(envelopes), MODULATION_BANDS, frames))
    for band, centre_hz in enumerate(_modulation_centres()):
        tangent = np.tan(np.pi * centre_hz / rate)
        width = tangent / MODULATION_Q
        numerator = [width, 0.0, -width]
        denominator = [1 + width + tangent**2, 2 * tangent**2 - 2, 1 - width + tangent**2]
        power = signal.lfilter(numerator, denominator, envelopes, axis=1) ** 2
        framed = np.lib.stride_tricks.sliding_window_view(power, window, axis=1)[:, ::hop]
        energy[:, band] = np.einsum("kfw,w->kf", framed, weights)
    return energy


def _envelopes(samples: Signal, sample_rate: int) -> Floats:
    """Magnitude (filters, samples) of the analytic signal of each auditory filter's output."""
    bands = filtered(samples, _auditory_filters(sample_rate))
    size = fft.next_fast_len(bands.shape[1])
    return np.abs(signal.hilbert(bands, size, axis=1)[:, : bands.shape[1]])


def _spectrogram_envelopes(samples: Signal, sample_rate: int) -> Floats:
    """Envelopes (filters, samples at 400 Hz): magnitudes of a spectrogram, summed by each filter.

    The window of 10 ms stands in the middle of what is transformed, so the first comes after the
    beginning (Ellis, Gammatone-like spectrograms, 2009).
    """
    half = round(FAST_WINDOW_S * sample_rate) // 2
    hop = round(FAST_HOP_S * sample_rate)
    size = 2 ** int(np.ceil(np.log2(4 * half)))
    inner = samples[size // 2 - half : len(samples) - size // 2 + half]
    frames = np.lib.stride_tricks.sliding_window_view(inner, 2 * half + 1)[::hop]
    spectrum = np.abs(fft.rfft(frames * signal.windows.hann(2 * half + 1), size, axis=1))
    angles = np.linspace(0, np.pi, size // 2 + 1)
    return np.asarray(magnitude(_auditory_filters(sample_rate), angles) @ spectrum.T)


@cache
def _auditory_filters(sample_rate: int) -> Floats:
    centres = centre_frequencies(LOWEST_HZ, sample_rate / 2, AUDITORY_FILTERS)
    return gammatone_sections(centres, sample_rate)
