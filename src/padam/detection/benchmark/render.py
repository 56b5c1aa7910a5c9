"""A planned title as it would be delivered: programme, defects, codecs, and the truth of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from padam.audio import Audio
from padam.audio.codec_settings import CodecSettings
from padam.audio.levels import peak_db
from padam.audio.storage import Location
from padam.defects.encoding import (
    TranscodeParams,
    bandwidth_hz,
    decode_streams,
    draw_codec,
    draw_transcode,
    encode_streams,
    prepare_transcode,
)
from padam.defects.registry import DEFECTS
from padam.defects.workflow import UnusableSourceError
from padam.defects.workflow_config import WorkflowConfig
from padam.detection.benchmark.config import BenchmarkConfig
from padam.detection.benchmark.intervals import LaidDefect, lay_intervals
from padam.detection.benchmark.plan import BenchmarkPlan
from padam.detection.benchmark.programme import render_programme
from padam.detection.matching import LABEL_COLUMNS
from padam.detection.titles import Title

ATTEMPTS = 10
"""How often defects are drawn anew for a title on which they cannot be heard."""

_CEILING_DB = -1.0


@dataclass(frozen=True)
class Chain:
    """The codecs that the whole title passes."""

    source_encode: CodecSettings | None
    transcode: TranscodeParams | None


def render_title(
    root: Location, plan: BenchmarkPlan, config: BenchmarkConfig, workflow: WorkflowConfig
) -> Title:
    """Render one title; the same plan gives the same samples, on whatever process.

    The codecs are drawn apart from the defects: without its defects a title passes the same chain,
    but for packet loss, which belongs to an encoded stream. Raises MediaError for a source that
    cannot be read, ValueError where no defect can be heard on it.
    """
    for attempt in range(ATTEMPTS):
        try:
            return _render(root, plan, config, workflow, attempt)
        except UnusableSourceError as error:
            reason = str(error)
    raise ValueError(f"title {plan.title_id} cannot be made in {ATTEMPTS} attempts: {reason}")


def draw_chain(plan: BenchmarkPlan, workflow: WorkflowConfig) -> Chain:
    """Draw the codecs of a title."""
    rng = np.random.default_rng([*plan.seed, 1])
    encodes = rng.random() < workflow.source_encode_probability
    codec = draw_codec(rng, workflow.source_encode)
    transcodes = rng.random() < workflow.transcode_probability
    last = draw_transcode(rng, workflow.transcode)
    of_stream = plan.defect is not None and DEFECTS[plan.defect].stage == "encode"
    return Chain(codec if encodes or of_stream else None, last if transcodes else None)


def _render(
    root: Location,
    plan: BenchmarkPlan,
    config: BenchmarkConfig,
    workflow: WorkflowConfig,
    attempt: int,
) -> Title:
    rate = workflow.sample_rate
    rng = np.random.default_rng([*plan.seed, 2, attempt])
    chain = draw_chain(plan, workflow)
    band_hz = bandwidth_hz(rate, chain.source_encode, chain.transcode)
    audio, look_alikes = render_programme(root, plan, config, rate)
    laid: list[LaidDefect] = []
    if plan.defect is not None and DEFECTS[plan.defect].stage == "source":
        laid = lay_intervals(rng, audio, plan.defect, plan.defect_durations_s, band_hz, workflow)
    lowered_db = _below_ceiling(audio)
    if chain.source_encode is not None:
        streams = encode_streams(audio, rate, chain.source_encode)
        # of a title of half an hour, no copy waits for the other
        del audio
        audio = decode_streams(streams)
        if plan.defect is not None and DEFECTS[plan.defect].stage == "encode":
            laid = lay_intervals(
                rng, audio, plan.defect, plan.defect_durations_s, band_hz, workflow, streams
            )
        del streams
    if chain.transcode is not None:
        audio = prepare_transcode(audio, rate, chain.transcode)
        streams = encode_streams(audio, rate, chain.transcode.codec)
        del audio
        audio = decode_streams(streams)
    delivered_db = _below_ceiling(audio)
    return Title(
        plan.title_id,
        plan.split,
        audio,
        rate,
        _labels(plan.title_id, laid),
        {
            "plan": plan.model_dump(mode="json"),
            "look_alikes": look_alikes,
            "defects": [
                {"offset_s": one.offset_s, **one.params.model_dump(mode="json")} for one in laid
            ],
            "source_encode": _dumped(chain.source_encode),
            "transcode": _dumped(chain.transcode),
            "gain_db": {"before_codecs": lowered_db, "after_codecs": delivered_db},
        },
        content=plan.content,
        look_alike=plan.look_alike,
    )


def _labels(title_id: str, laid: list[LaidDefect]) -> pd.DataFrame:
    rows = [
        (title_id, one.start_s, one.end_s, one.params.defect, round(one.error_to_signal_db, 3))
        for one in sorted(laid, key=lambda one: one.start_s)
    ]
    return pd.DataFrame(rows, columns=[*LABEL_COLUMNS, "error_to_signal_db"])


def _below_ceiling(audio: Audio) -> float:
    """Lower what is above -1 dB, in place, and return the gain in dB: cut tops are a defect."""
    gain_db = min(0.0, _CEILING_DB - peak_db(audio))
    if gain_db < 0:
        audio *= np.float32(10 ** (gain_db / 20))
    return gain_db


def _dumped(settings: CodecSettings | TranscodeParams | None) -> dict[str, object] | None:
    return None if settings is None else settings.model_dump(mode="json")
