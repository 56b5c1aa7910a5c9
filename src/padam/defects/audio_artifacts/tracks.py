"""A title's defective version: where its defect is, and how any chunk of it sounds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from padam.defects.audio_artifacts.clicks import (
    RESPONSE_SAMPLES,
    AdditiveClick,
    ReductiveClick,
    add_clicks,
    cut_clicks,
    draw_moments,
)
from padam.defects.audio_artifacts.config import SAMPLE_RATE, SimulationConfig
from padam.defects.audio_artifacts.intervals import Span, draw_intervals
from padam.defects.audio_artifacts.tones import (
    DistortionParams,
    HissParams,
    HumParams,
    Pcm,
    add_hiss,
    add_hum,
    distort,
    draw_distortion,
    draw_hiss,
    draw_hum,
)

_DRAW: dict[str, Callable[[np.random.Generator, int, SimulationConfig], Any]] = {
    "hum": draw_hum,
    "hiss": draw_hiss,
    "distortion": draw_distortion,
}


@dataclass(frozen=True)
class Track:
    """All that was drawn for one version of a title.

    `intervals` are the defective ones of Algorithm 1; `params` has one entry for each (hum, hiss,
    distortion), `clicks` are in order of time.
    """

    method: str
    intervals: tuple[Span, ...]
    params: tuple[HumParams | HissParams | DistortionParams, ...] = ()
    clicks: tuple[AdditiveClick | ReductiveClick, ...] = ()

    def near(self, start: int, stop: int) -> "Track":
        """Return what of it can be heard in samples [start, stop): quicker where much is drawn."""
        params = self.params or (None,) * len(self.intervals)
        kept = [
            (span, each)
            for span, each in zip(self.intervals, params, strict=True)
            if span[0] < stop and start < span[1]
        ]
        return Track(
            self.method,
            tuple(span for span, _ in kept),
            tuple(each for _, each in kept if each is not None),
            tuple(c for c in self.clicks if start - RESPONSE_SAMPLES < c.at < stop),
        )


@dataclass(frozen=True)
class Rendered:
    """One chunk of a version; `step` is the greatest click in it, in steps of 16 bits."""

    samples: Pcm
    step: int = 0


def draw_track(
    rng: np.random.Generator, method: str, samples: int, peak: int, config: SimulationConfig
) -> Track:
    """Draw a version of a title of `samples` whose greatest magnitude is `peak` (AA Algorithm 1).

    Raises UndrawableDefectError where the title leaves the defect no room.
    """
    intervals = tuple(draw_intervals(rng, samples, config))
    if method in _DRAW:
        draw = _DRAW[method]
        if config.draw_per == "title":
            return Track(method, intervals, (draw(rng, peak, config),) * len(intervals))
        return Track(method, intervals, tuple(draw(rng, peak, config) for _ in intervals))
    moments = [
        at for start, end in intervals for at in draw_moments(rng, start, end, config.click_gap_s)
    ]
    if method == "additive_click":
        cutoffs = rng.uniform(*config.click_cutoff, 1 if config.draw_per == "title" else 0)
        drawn = [
            float(cutoffs[0]) if len(cutoffs) else float(rng.uniform(*config.click_cutoff))
            for _ in moments
        ]
        added = (AdditiveClick(at, cutoff) for at, cutoff in zip(moments, drawn, strict=True))
        return Track(method, intervals, clicks=tuple(added))
    return Track(
        method, intervals, clicks=tuple(ReductiveClick(at, float(rng.random())) for at in moments)
    )


def lookahead(config: SimulationConfig) -> int:
    """Samples after a chunk that a cut in it may draw in; more cuts than eight are not expected."""
    return 8 * round(config.cut_s[1] * SAMPLE_RATE)


def render(
    track: Track, signal: Pcm, position: int, length: int, channel: int, config: SimulationConfig
) -> Rendered | None:
    """Return `length` samples of a version from sample `position` on; None where it is as it was.

    `signal` holds the clean samples of one channel from `position` on, and what follows as far as
    `lookahead` and the title go. A chunk with a cut is filled up with what follows, and the next
    chunk begins where the clean one does: chunks stand for themselves, and one behind a cut that
    holds no click must not be called one.
    """
    clean, end = signal[:length], position + length
    if track.method == "reductive_click":
        here = tuple(
            c for c in track.clicks if isinstance(c, ReductiveClick) and position <= c.at < end
        )
        return _cut(signal, position, length, here, config) if here else None
    if track.method == "additive_click":
        near = tuple(
            c
            for c in track.clicks
            if isinstance(c, AdditiveClick) and position - RESPONSE_SAMPLES < c.at < end
        )
        degraded = add_clicks(clean, position, near) if near else clean
    else:
        degraded = _sustained(track, clean, position, channel)
    if np.array_equal(degraded, clean):
        return None
    step = int(np.abs(degraded.astype(np.int32) - clean).max()) if track.clicks else 0
    return Rendered(degraded, step)


def _cut(
    signal: Pcm,
    position: int,
    length: int,
    clicks: tuple[ReductiveClick, ...],
    config: SimulationConfig,
) -> Rendered | None:
    shortened, cuts = cut_clicks(signal, position, clicks, config)
    removed, inside = 0, []
    for cut in cuts:
        # the step stands where the cut began, less what was cut before
        if cut.start - removed < length:
            inside.append(cut.step)
        removed += cut.stop - cut.start
    if not inside or len(shortened) < length:
        return None
    degraded = shortened[:length]
    return None if np.array_equal(degraded, signal[:length]) else Rendered(degraded, max(inside))


def _sustained(track: Track, clean: Pcm, position: int, channel: int) -> Pcm:
    degraded = clean
    for (start, stop), params in zip(track.intervals, track.params, strict=True):
        low, high = max(start, position), min(stop, position + len(clean))
        if low >= high:
            continue
        if degraded is clean:
            degraded = clean.copy()
        here = slice(low - position, high - position)
        match params:
            case HumParams():
                degraded[here] = add_hum(clean[here], low, params)
            case HissParams():
                degraded[here] = add_hiss(clean[here], low, channel, params)
            case DistortionParams():
                degraded[here] = distort(clean[here], params)
    return degraded
