"""Defects in titles: drawn for a stretch of the title and laid over it, the rest left as it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from padam.audio import Audio
from padam.audio.codec_settings import CodecSettings
from padam.defects.audibility import is_audible
from padam.defects.base import DefectParams, UndrawableDefectError, affected
from padam.defects.encoding import decode_streams, encode_streams
from padam.defects.packet_loss import PacketLoss
from padam.defects.registry import DEFECTS
from padam.defects.workflow import UnusableSourceError
from padam.defects.workflow_config import WorkflowConfig

Laid = tuple[DefectParams, float]
"""Parameters whose interval counts from a stretch of the title, and that stretch's start in s."""


def lay_defects(
    rng: np.random.Generator,
    clean: Audio,
    names: tuple[str, ...],
    duration_s: tuple[float, float],
    codec: CodecSettings,
    workflow: WorkflowConfig,
) -> tuple[Audio, list[Laid]]:
    """Audio with the named defects, one after the other, and what was drawn for each.

    Each lasts between `duration_s[0]` and `duration_s[1]` and lies anywhere. A stretch that is
    silent, or on which the defect cannot be heard, is drawn again elsewhere. Raises
    UnusableSourceError where `workflow.redraw_limit` draws found none.
    """
    audio = clean
    laid: list[Laid] = []
    for name in names:
        audio, one = _lay(rng, audio, name, duration_s, codec, workflow)
        laid.append(one)
    return audio, laid


def _lay(
    rng: np.random.Generator,
    audio: Audio,
    name: str,
    duration_s: tuple[float, float],
    codec: CodecSettings,
    workflow: WorkflowConfig,
) -> tuple[Audio, Laid]:
    rate = workflow.sample_rate
    length = min(round(duration_s[1] * rate), audio.shape[1])
    placement = workflow.placement.model_copy(
        update={
            "whole_probability": 0.0,
            "min_duration_s": duration_s[0],
            "min_sustained_s": duration_s[0],
        }
    )
    # A stream that loses packets is one stream for the whole title: were it only encoded around
    # the loss, the codec would begin and end with the defect.
    encoded = name == PacketLoss.name
    streams = encode_streams(audio, rate, codec) if encoded else ()
    intact = decode_streams(streams) if encoded else audio
    reason = ""
    for _ in range(workflow.redraw_limit):
        start = int(rng.integers(audio.shape[1] - length + 1))
        stretch = audio[:, start : start + length]
        try:
            params = DEFECTS[name].draw(rng, stretch, rate, workflow.ranges[name], placement)
        except UndrawableDefectError as error:
            reason = str(error)
            continue
        in_title = _shifted(params, start / rate)
        if encoded:
            params = params.model_copy(update={"codec": codec})
            in_title = in_title.model_copy(update={"codec": codec})
            degraded = PacketLoss().lose(intact, streams, rate, in_title)
        else:
            degraded = audio.copy()
            degraded[:, start : start + length] = DEFECTS[name].apply(stretch, rate, params)
        if is_audible(
            affected(intact, rate, in_title),
            affected(degraded, rate, in_title),
            rate,
            rate / 2,
            workflow.audible_floor_db,
        ):
            return degraded, (params, start / rate)
        reason = f"{name} stays below {workflow.audible_floor_db} dB of error to signal"
    raise UnusableSourceError(f"no audible {name} in {workflow.redraw_limit} draws: {reason}")


def _shifted(params: DefectParams, by_s: float) -> Any:
    interval = params.interval.model_copy(update={"start_s": params.interval.start_s + by_s})
    return params.model_copy(update={"interval": interval})
