"""Drops, ticks and stutter: brief interruptions that leave gaps or repetitions."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from padam.audio import Audio
from padam.defects.base import (
    DefectParams,
    DefectRanges,
    PlacementRanges,
    Stage,
    affected,
    draw_placement,
    replaced,
)
from padam.defects.interval import DurationRange, Interval, draw_events, within

Mode = Literal["zeros", "hold", "removal"]

_MIN_GAP_S = 0.01
_SPLICE_S = 0.005


class DropsRanges(DefectRanges):
    """PADAM §3.1.1, 3: each second draws its own number of interruptions."""

    per_second: Annotated[tuple[int, int], within(1, 10)] = (1, 7)
    duration_s: DurationRange = (0.010, 0.080)
    modes: tuple[Mode, ...] = Field(default=("zeros", "hold", "removal"), min_length=1)


class DropsParams(DefectParams):
    """Drawn interruptions, in seconds from the clip's start."""

    defect: Literal["drops"] = "drops"
    mode: Mode
    events: tuple[Interval, ...] = Field(min_length=1)


class Drops:
    """Interruptions at the same moments on all affected channels.

    `zeros` silences, `hold` repeats the last sample. `removal` takes the samples out with a hard
    cut, so what follows plays early; as long before the next interruption a cross-fade of 5 ms
    leads back into step, so that this last moment plays twice. Without that the pair would drift
    apart by seconds and no metric could compare it.
    """

    name = "drops"
    stage: Stage = "source"
    Params = DropsParams
    Ranges = DropsRanges

    def draw(
        self,
        rng: np.random.Generator,
        audio: Audio,
        sample_rate: int,
        ranges: DropsRanges,
        placement: PlacementRanges = PlacementRanges(),  # noqa: B008
    ) -> DropsParams:
        """Draw interruptions (PADAM §3.1.1)."""
        interval, channels = draw_placement(rng, audio, sample_rate, placement, sustained=False)
        return DropsParams(
            interval=interval,
            channels=channels,
            mode=ranges.modes[rng.integers(len(ranges.modes))],
            events=draw_events(rng, interval, ranges.per_second, ranges.duration_s, _MIN_GAP_S),
        )

    def apply(self, audio: Audio, sample_rate: int, params: DropsParams) -> Audio:
        """Interrupt the audio."""
        signal = affected(audio, sample_rate, params)
        region = signal.copy()
        offset = params.interval.slice(sample_rate, audio.shape[1]).start
        spans = [event.slice(sample_rate, audio.shape[1]) for event in params.events]
        starts = [span.start - offset for span in spans]
        limits = [*starts[1:], signal.shape[1]]
        for start, limit, span in zip(starts, limits, spans, strict=True):
            length = min(span.stop - span.start, limit - start)
            if params.mode == "zeros":
                region[:, start : start + length] = 0
            elif params.mode == "hold":
                region[:, start : start + length] = region[:, max(start - 1, 0), None]
            else:
                splice = round(_SPLICE_S * sample_rate)
                region[:, start:limit] = _removed(signal[:, start:limit], length, splice)
        return replaced(audio, sample_rate, params, region)


def _removed(signal: Audio, length: int, splice: int) -> Audio:
    """`signal` without its first `length` samples, then faded back into step within `splice`."""
    early = signal[:, length:]
    splice = min(splice, early.shape[1])
    gain = np.ones(early.shape[1], dtype=np.float32)
    fall = np.cos(0.5 * np.pi * (np.arange(splice) + 0.5) / max(splice, 1)) ** 2
    gain[len(gain) - splice :] = fall
    result = signal.copy()
    result[:, : len(gain)] = gain * early + (1 - gain) * signal[:, : len(gain)]
    return result
