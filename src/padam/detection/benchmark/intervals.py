"""Defects laid over intervals of a title, in place: all else keeps its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from padam.audio import Audio
from padam.audio.codecs import EncodedAudio
from padam.audio.levels import snr_db
from padam.defects.audibility import is_audible
from padam.defects.base import DefectParams, PlacementRanges, UndrawableDefectError, affected
from padam.defects.packet_loss import PacketLoss, PacketLossParams
from padam.defects.registry import DEFECTS
from padam.defects.workflow import UnusableSourceError
from padam.defects.workflow_config import WorkflowConfig

APART_S = 1.0
"""Least distance of two intervals of a title."""

# what a defect looks at around its interval: fades, a sample to hold
_CONTEXT_S = 0.1

Params = TypeVar("Params", bound=DefectParams)


@dataclass(frozen=True)
class LaidDefect:
    """A defect as drawn, its times counted from `offset_s` of the title, and how strong it is.

    `error_to_signal_db` is the energy of what it changed over that of what was there, within its
    interval and channels.
    """

    params: DefectParams
    offset_s: float
    error_to_signal_db: float

    @property
    def start_s(self) -> float:
        """Where it begins in the title, in seconds."""
        return self.offset_s + self.params.interval.start_s

    @property
    def end_s(self) -> float:
        """Where it ends in the title, in seconds."""
        return self.offset_s + self.params.interval.end_s


def lay_intervals(
    rng: np.random.Generator,
    audio: Audio,
    name: str,
    durations_s: Sequence[float],
    bandwidth_hz: float,
    workflow: WorkflowConfig,
    streams: tuple[EncodedAudio, ...] = (),
) -> list[LaidDefect]:
    """Lay a kind of defect over intervals of `audio` (channels, samples), which changes.

    Of a defect of the stream, `streams` are what `audio` was decoded from. An interval that is
    silent, or on which the defect cannot be heard below `bandwidth_hz`, is drawn again elsewhere.
    Raises UnusableSourceError where `workflow.redraw_limit` draws found none.
    """
    laid: list[LaidDefect] = []
    for duration_s in durations_s:
        laid.append(
            _lay_one(rng, audio, name, duration_s, bandwidth_hz, workflow, streams, tuple(laid))
        )
    return laid


def _lay_one(
    rng: np.random.Generator,
    audio: Audio,
    name: str,
    duration_s: float,
    bandwidth_hz: float,
    workflow: WorkflowConfig,
    streams: tuple[EncodedAudio, ...],
    others: tuple[LaidDefect, ...],
) -> LaidDefect:
    rate = workflow.sample_rate
    placement = workflow.placement.model_copy(update={"whole_probability": 1.0})
    length = min(round(duration_s * rate), audio.shape[1])
    reason = "the intervals do not fit"
    for _ in range(workflow.redraw_limit):
        start = int(rng.integers(audio.shape[1] - length + 1))
        if _collides(start / rate, (start + length) / rate, others):
            continue
        try:
            params, first, stretch, damaged = _drawn(
                rng, audio, name, slice(start, start + length), placement, workflow, streams
            )
        except UndrawableDefectError as error:
            reason = str(error)
            continue
        intact = affected(stretch, rate, params)
        if is_audible(intact, damaged, rate, bandwidth_hz, workflow.audible_floor_db):
            audio[list(params.channels), start : start + length] = damaged
            return LaidDefect(params, first / rate, snr_db(damaged - intact, intact))
        reason = f"{name} stays below {workflow.audible_floor_db} dB of error to signal"
    raise UnusableSourceError(f"no audible {name} in {workflow.redraw_limit} draws: {reason}")


def _drawn(
    rng: np.random.Generator,
    audio: Audio,
    name: str,
    where: slice,
    placement: PlacementRanges,
    workflow: WorkflowConfig,
    streams: tuple[EncodedAudio, ...],
) -> tuple[DefectParams, int, Audio, Audio]:
    """Parameters, the first sample that their times count from, the audio there, and the damage."""
    rate = workflow.sample_rate
    params = DEFECTS[name].draw(rng, audio[:, where], rate, workflow.ranges[name], placement)
    if isinstance(params, PacketLossParams):
        # the stream has its times from the title's beginning
        params = params.model_copy(update={"codec": streams[0].settings})
        loss = moved(params, where.start / rate)
        return loss, 0, audio, PacketLoss().lost(audio, streams, rate, loss)
    # with sound around it, or its edges would be taken for the title's own
    context = round(_CONTEXT_S * rate)
    first = max(0, where.start - context)
    stretch = audio[:, first : where.stop + context]
    params = moved(params, (where.start - first) / rate)
    return (
        params,
        first,
        stretch,
        affected(DEFECTS[name].apply(stretch, rate, params), rate, params),
    )


def moved(params: Params, by_s: float) -> Params:
    """The same defect so much later: its interval, and every event in it."""
    changes = {"interval": _later(params.interval, by_s)}
    for name in type(params).model_fields:
        value = getattr(params, name)
        if isinstance(value, tuple) and value and hasattr(value[0], "start_s"):
            changes[name] = tuple(map(partial(_later, by_s=by_s), value))
    return params.model_copy(update=changes)


def _later(event: object, by_s: float) -> object:
    return event.model_copy(update={"start_s": event.start_s + by_s})  # type: ignore[attr-defined]


def _collides(start_s: float, end_s: float, others: tuple[LaidDefect, ...]) -> bool:
    return any(
        start_s < other.end_s + APART_S and other.start_s < end_s + APART_S for other in others
    )
