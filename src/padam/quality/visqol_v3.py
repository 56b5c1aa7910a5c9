"""ViSQOL v3, audio mode (Chinen et al., QoMEX 2020)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal

import numpy as np

from padam.quality.base import MetricScore, Signal
from padam.quality.crops import most_damaged_window
from padam.quality.guards import unscorable_pair

VisqolMode = Literal["audio", "speech"]


class VisqolV3:
    """ViSQOL v3, MOS-LQO from 1 (bad) to 5 (PADAM §3.2 uses the audio mode).

    Takes mono at 48 kHz. The speech mode maps to MOS by Google's lattice and is there for speech
    material and for the published conformance values. crop_s: length of the window that is scored,
    the one with the greatest error energy; None scores the whole signal, as published.
    """

    name = "visqol"
    sample_rate = 48000
    higher_is_better = True
    needs_reference = True

    def __init__(self, mode: VisqolMode = "audio", crop_s: float | None = None) -> None:
        self.mode = mode
        self.crop_s = crop_s

    def score(self, reference: Signal, degraded: Signal) -> MetricScore:
        """Score one channel at 48 kHz; missing where ViSQOL finds no patch to compare."""
        if reason := unscorable_pair(self, reference, degraded):
            return MetricScore.missing(reason)
        # it aligns signals of two lengths by itself; what is to be cut at one place has one
        if self.crop_s is not None and reference.size == degraded.size:
            window = most_damaged_window(reference, degraded, round(self.crop_s * self.sample_rate))
            reference, degraded = reference[window], degraded[window]
        engine = _engine(self.mode)
        try:
            with _one_thread():
                result = engine.measure_from_arrays(
                    reference.astype(np.float64),
                    degraded.astype(np.float64),
                    sample_rate=self.sample_rate,
                )
        except (ValueError, IndexError, RuntimeError, ZeroDivisionError) as error:
            return MetricScore.missing(f"ViSQOL: {error}")
        value = float(result.moslqo)
        return MetricScore(value) if np.isfinite(value) else MetricScore.missing("ViSQOL: NaN")


@cache
def _engine(mode: VisqolMode) -> Any:
    """ViSQOL's engine; importing and creating it takes seconds, hence once per process."""
    from visqol import VisqolApi

    # it reports every patch that it cannot move; the score takes that into account
    logging.getLogger("visqol").setLevel(logging.ERROR)
    api = VisqolApi()
    api.create(mode=mode, use_lattice_model=True if mode == "speech" else None)
    return api


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hold ViSQOL's compiled loops and matrix products to one thread: workers share the cores."""
    import numba
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        numba.set_num_threads(threads)
