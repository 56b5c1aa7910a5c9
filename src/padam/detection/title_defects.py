"""Defects in titles: drawn for a stretch of the title and laid over it, the rest left as it is."""

from __future__ import annotations

import numpy as np

from padam.audio import Audio
from padam.audio.codecs import CodecSettings
from padam.defects.audibility import error_level_db
from padam.defects.base import DefectParams, UndrawableDefectError, affected
from padam.defects.encoding import encode
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
    encoded = DEFECTS[name].stage == "encode"
    ranges = workflow.ranges[name]
    reason = ""
    for _ in range(workflow.redraw_limit):
        start = int(rng.integers(audio.shape[1] - length + 1))
        stretch = audio[:, start : start + length]
        try:
            params = DEFECTS[name].draw(rng, stretch, rate, ranges, placement)
        except UndrawableDefectError as error:
            reason = str(error)
            continue
        if encoded:
            # One stream for the whole title, or its codec would begin and end with the defect.
            params = params.model_copy(update={"codec": codec})
        intact = encode(stretch, rate, codec) if encoded else stretch
        degraded = DEFECTS[name].apply(stretch, rate, params)
        level_db = error_level_db(
            affected(intact, rate, params), affected(degraded, rate, params), rate, rate / 2
        )
        if level_db < workflow.audible_floor_db:
            reason = f"{name} stays below {workflow.audible_floor_db} dB of error to signal"
            continue
        if encoded:
            return DEFECTS[name].apply(audio, rate, _shifted(params, start / rate)), (
                params,
                start / rate,
            )
        whole = audio.copy()
        whole[:, start : start + length] = degraded
        return whole, (params, start / rate)
    raise UnusableSourceError(f"no audible {name} in {workflow.redraw_limit} draws: {reason}")


def _shifted(params: DefectParams, by_s: float) -> DefectParams:
    interval = params.interval.model_copy(update={"start_s": params.interval.start_s + by_s})
    return params.model_copy(update={"interval": interval})
