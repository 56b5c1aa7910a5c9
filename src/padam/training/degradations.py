"""Degradations drawn afresh, each laid over different contents, and what of them can be heard."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final, Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from padam.audio import Audio
from padam.audio.codec_settings import CodecSettings
from padam.audio.levels import apply_gain_db, peak, peak_db
from padam.audio.resampling import resample
from padam.defects.audibility import FRAME_S, error_levels_db
from padam.defects.base import DefectParams, PlacementRanges
from padam.defects.encoding import (
    TranscodeParams,
    bandwidth_hz,
    decode_streams,
    draw_codec,
    draw_transcode,
    encode_streams,
    transcode,
)
from padam.defects.interval import within
from padam.defects.packet_loss import PacketLoss, PacketLossRanges
from padam.defects.registry import DEFECT_NAMES, DEFECTS
from padam.defects.workflow import MAX_PEAK, UnusableSourceError, draw_audible, draw_names
from padam.defects.workflow_config import WorkflowConfig
from padam.models.log_mel import SAMPLE_RATE, WINDOW_S
from padam.training.programme import ProgrammeRanges

WINDOW_FRAMES: Final = round(WINDOW_S / FRAME_S)
HEARD_HZ: Final = SAMPLE_RATE / 2

Truth = npt.NDArray[np.bool_]


class DegradationWorkflow(WorkflowConfig):
    """The production workflow as crops are degraded in it; what differs from clips says so."""

    # the encoder hears at 16 kHz
    sample_rate: int = Field(default=48_000, ge=SAMPLE_RATE, le=655_350)
    # from a quiet passage to full scale; clips: -6 to -1
    peak_db: Annotated[tuple[float, float], within(-40, -1)] = (-24.0, -1.0)
    clean_probability: float = Field(default=0.25, ge=0, le=1)
    single_probability: float = Field(default=0.60, ge=0, le=1)
    several_probability: float = Field(default=0.15, ge=0, le=1)
    several_count: Annotated[tuple[int, int], within(2, len(DEFECT_NAMES))] = (2, 2)
    # crops are short, and a defect may only touch one
    placement: PlacementRanges = PlacementRanges(
        whole_probability=0.35, min_duration_s=0.4, min_sustained_s=0.4
    )
    # of both versions of a content; packet loss, which needs a stream, adds to it. Codecs take most
    # of what drawing costs: see docs/stage_1.md
    source_encode_probability: float = Field(default=0.05, ge=0, le=1)
    transcode_probability: float = Field(default=0.05, ge=0, le=1)
    channels: Literal[1] = 1
    redraw_limit: int = Field(default=5, ge=1)


class DegradationConfig(BaseModel):
    """What the objective `degradation_aware` draws, and how its two losses are weighed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # of the contrast: one degradation over other content attracts, all else repels
    contrast_weight: float = Field(default=0.5, ge=0)
    # of the defects of each window of 0.4 s, told by a linear layer
    labels_weight: float = Field(default=1.0, ge=0)
    programme: ProgrammeRanges = ProgrammeRanges()
    workflow: DegradationWorkflow = DegradationWorkflow()


@dataclass(frozen=True)
class Degradation:
    """What is done to a crop: defects by name, none if clean, and the seed that they share.

    From one seed comes the same kind, strength and place in time over any content, as far as the
    content lets it; noise and lost packets are of other draws, so that no pattern gives it away.
    """

    names: tuple[str, ...]
    seed: tuple[int, ...]

    @property
    def loses_packets(self) -> bool:
        """Whether it needs an encoded stream."""
        return PacketLoss.name in self.names


def draw_degradation(seed: tuple[int, ...], workflow: WorkflowConfig) -> Degradation:
    """Draw which defects a degradation has."""
    return Degradation(tuple(draw_names(np.random.default_rng(seed), workflow)), seed)


@dataclass(frozen=True)
class Version:
    """A content under a degradation: `audio` (samples,) at 16 kHz, and `truth` (windows, 7).

    `truth` is whether each defect of the registry can be heard in each window of 0.4 s.
    """

    audio: npt.NDArray[np.float32]
    truth: Truth


def degraded_versions(
    content: Audio,
    degradations: Sequence[Degradation],
    rng: np.random.Generator,
    workflow: WorkflowConfig,
) -> list[Version]:
    """Return `content` (1, samples) under each degradation, at one level, through the same codecs.

    Neither codec nor level tells the versions of a content apart. `rng` is the content's own. A
    defect that stays inaudible over this content is left out, of the truth too.
    """
    rate = workflow.sample_rate
    channel = _draw_channel(rng, any(each.loses_packets for each in degradations), workflow)
    gain_db = min(float(rng.uniform(*workflow.peak_db)) - peak_db(content), workflow.max_gain_db)
    level = apply_gain_db(content, gain_db) if content.any() else content
    found = [_degraded(level, each, rng, channel, workflow) for each in degradations]
    return [
        Version(resample(_within_full_scale(audio), rate, SAMPLE_RATE, "HQ")[0], truth)
        for audio, truth in found
    ]


@dataclass(frozen=True)
class _Channel:
    """The codecs that a content goes through."""

    source: CodecSettings | None
    last: TranscodeParams | None


def _draw_channel(rng: np.random.Generator, needed: bool, workflow: WorkflowConfig) -> _Channel:
    encodes = needed or rng.random() < workflow.source_encode_probability
    transcodes = rng.random() < workflow.transcode_probability
    return _Channel(
        draw_codec(rng, workflow.source_encode) if encodes else None,
        draw_transcode(rng, workflow.transcode) if transcodes else None,
    )


def _degraded(
    audio: Audio,
    degradation: Degradation,
    own: np.random.Generator,
    channel: _Channel,
    workflow: WorkflowConfig,
) -> tuple[Audio, Truth]:
    rate = workflow.sample_rate
    band_hz = min(HEARD_HZ, bandwidth_hz(rate, channel.source, channel.last))
    windows = round(audio.shape[1] / rate / WINDOW_S)
    truth = np.zeros((windows, len(DEFECT_NAMES)), dtype=np.bool_)

    def heard(name: str, intact: Audio, draw: Any, apply: Any) -> Audio:
        try:
            _, found = draw_audible(
                lambda: _own_noise(draw(), own), apply, intact, rate, band_hz, workflow
            )
        except UnusableSourceError:
            return intact
        truth[:, DEFECT_NAMES.index(name)] = _audible_windows(
            intact, found, rate, band_hz, workflow.audible_floor_db, windows
        )
        return found

    for name in degradation.names:
        defect = DEFECTS[name]
        rng = np.random.default_rng([*degradation.seed, DEFECT_NAMES.index(name)])
        if defect.stage == "source":
            ranges, place = workflow.ranges[name], workflow.placement
            draw = partial(defect.draw, rng, audio, rate, ranges, place)
            # at once: a quantizer after a hum that passes full scale would clip it
            audio = _within_full_scale(heard(name, audio, draw, partial(defect.apply, audio, rate)))
    if channel.source is not None:
        streams = encode_streams(audio, rate, channel.source)
        source, audio = audio, decode_streams(streams)
        if degradation.loses_packets:
            loss, name = PacketLoss(), PacketLoss.name
            rng = np.random.default_rng([*degradation.seed, DEFECT_NAMES.index(name)])
            lossy, place = cast(PacketLossRanges, workflow.ranges[name]), workflow.placement
            draw = partial(loss.draw, rng, source, rate, lossy, place, channel.source)
            audio = heard(name, audio, draw, partial(loss.lose, audio, streams, rate))
    if channel.last is not None:
        audio = transcode(audio, rate, channel.last)
    return audio, truth


def _within_full_scale(audio: Audio) -> Audio:
    highest = peak(audio)
    return audio if highest <= MAX_PEAK else audio * np.float32(MAX_PEAK / highest)


def _own_noise(params: DefectParams, own: np.random.Generator) -> DefectParams:
    """Give noise, dither and lost packets a seed of this content's."""
    if not hasattr(params, "seed"):
        return params
    return params.model_copy(update={"seed": int(own.integers(2**31))})


def _audible_windows(
    intact: Audio, degraded: Audio, rate: int, band_hz: float, floor_db: float, windows: int
) -> npt.NDArray[np.bool_]:
    levels = error_levels_db(intact, degraded, rate, band_hz)[: windows * WINDOW_FRAMES]
    padded = np.full(windows * WINDOW_FRAMES, -np.inf, dtype=np.float32)
    padded[: len(levels)] = levels
    return np.asarray((padded.reshape(windows, WINDOW_FRAMES) >= floor_db).any(axis=1))
