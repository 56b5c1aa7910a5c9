"""The production workflow: source defects → source encode (with packet loss) → transcode."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    SerializeAsAny,
    field_validator,
)

from padam.audio import Audio
from padam.audio.codec_settings import CodecSettings
from padam.audio.levels import apply_gain_db, peak, peak_db, rms_db
from padam.defects.audibility import is_audible
from padam.defects.base import (
    DefectParams,
    UndrawableDefectError,
    affected,
)
from padam.defects.encoding import (
    TranscodeParams,
    bandwidth_hz,
    decode_streams,
    draw_codec,
    draw_transcode,
    encode,
    encode_streams,
    transcode,
)
from padam.defects.interval import Interval
from padam.defects.packet_loss import PacketLoss, PacketLossRanges
from padam.defects.registry import DEFECT_NAMES, DEFECTS
from padam.defects.workflow_config import WorkflowConfig

_MIN_AUDIO_S = 0.5
MAX_PEAK = 10 ** (-1 / 20)
"""Greatest peak of a pair: -1 dB."""


class UnusableSourceError(Exception):
    """No clip can be made of this audio."""


class SilentSourceError(UnusableSourceError):
    """The audio is silent: no SNR, nothing to clip."""


class ClipParams(BaseModel):
    """Everything drawn for one clip; `defects` stand in the order in which they are applied."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gain_db: float
    defects: tuple[SerializeAsAny[DefectParams], ...]
    source_encode: CodecSettings | None
    transcode: TranscodeParams | None

    @field_validator("defects", mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> tuple[DefectParams, ...]:
        return tuple(
            d if isinstance(d, DefectParams) else DEFECTS[d["defect"]].Params.model_validate(d)
            for d in given
        )

    @property
    def labels(self) -> list[str]:
        """Names of the defects in the order of the registry; empty for a clean clip."""
        return [name for name in DEFECT_NAMES if name in self.intervals]

    @property
    def label_vector(self) -> list[int]:
        """One 0 or 1 per defect of the registry."""
        return [int(name in self.intervals) for name in DEFECT_NAMES]

    @property
    def intervals(self) -> dict[str, Interval]:
        """Interval of each defect."""
        return {d.defect: d.interval for d in self.defects}


def draw_clip(
    rng: np.random.Generator, audio: Audio, sample_rate: int, config: WorkflowConfig
) -> ClipParams:
    """Draw all stages for `audio` (channels, samples); see `make_pair` for what it raises."""
    return make_pair(rng, audio, sample_rate, config)[0]


def render_clip(audio: Audio, sample_rate: int, params: ClipParams) -> tuple[Audio, Audio]:
    """Reference and degraded audio, both of the input's shape, aligned, within [-1, 1].

    The reference takes the level scaling only: no codec. Where the source defects or the codecs
    take the pair above -1 dB, both are scaled down together, so that their relation stays. Raises
    ValueError for invalid audio.
    """
    check_audio(audio, sample_rate)
    reference = apply_gain_db(audio, params.gain_db)
    degraded = reference
    for defect in params.defects:
        if DEFECTS[defect.defect].stage == "source":
            degraded = DEFECTS[defect.defect].apply(degraded, sample_rate, defect)
            reference, degraded = _within_full_scale(reference, degraded)
    lost = next((d for d in params.defects if DEFECTS[d.defect].stage == "encode"), None)
    if lost is not None:
        degraded = DEFECTS[lost.defect].apply(degraded, sample_rate, lost)
    elif params.source_encode is not None:
        degraded = encode(degraded, sample_rate, params.source_encode)
    return _finish(reference, degraded, sample_rate, params.transcode)


def deliver(reference: Audio, sample_rate: int, params: ClipParams) -> Audio:
    """Return a clip's reference through the codecs of its degraded version, without the defects.

    What tells the two apart is the defects alone; beside the reference itself, the degraded version
    is known by its codecs, too. Raises ValueError for invalid audio.
    """
    clean = params.model_copy(update={"gain_db": 0.0, "defects": ()})
    return render_clip(reference, sample_rate, clean)[1]


def make_pair(
    rng: np.random.Generator, audio: Audio, sample_rate: int, config: WorkflowConfig
) -> tuple[ClipParams, Audio, Audio]:
    """Draw and render at once: (params, reference, degraded), the same as `render_clip` gives.

    Raises ValueError for audio that is not finite (channels, samples) of at least 0.5 s,
    SilentSourceError for silence, UnusableSourceError where a defect stays inaudible after
    `redraw_limit` draws (PADAM §3.1).
    """
    check_audio(audio, sample_rate)
    gain_db = min(float(rng.uniform(*config.peak_db)) - peak_db(audio), config.max_gain_db)
    names = draw_names(rng, config)
    encodes = rng.random() < config.source_encode_probability
    source_codec = draw_codec(rng, config.source_encode)
    transcodes = rng.random() < config.transcode_probability
    last = draw_transcode(rng, config.transcode) if transcodes else None
    loses = PacketLoss.name in names
    encoded = source_codec if encodes or loses else None

    reference = apply_gain_db(audio, gain_db)
    if rms_db(reference) < config.placement.silence_floor_db:
        raise SilentSourceError(
            f"level {rms_db(reference):.1f} dB is below {config.placement.silence_floor_db} dB"
        )
    band_hz = bandwidth_hz(sample_rate, encoded, last)
    degraded = reference
    drawn: list[DefectParams] = []
    for name in names:
        if DEFECTS[name].stage == "source":
            params, degraded = draw_audible(
                partial(
                    DEFECTS[name].draw,
                    rng,
                    degraded,
                    sample_rate,
                    config.ranges[name],
                    config.placement,
                ),
                partial(DEFECTS[name].apply, degraded, sample_rate),
                degraded,
                sample_rate,
                band_hz,
                config,
            )
            drawn.append(params)
            # at once: a quantizer after a hum that passes full scale would clip it
            reference, degraded = _within_full_scale(reference, degraded)
    if encoded is not None:
        streams = encode_streams(degraded, sample_rate, encoded)
        source, degraded = degraded, decode_streams(streams)
        if loses:
            loss, ranges = PacketLoss(), cast(PacketLossRanges, config.ranges[PacketLoss.name])
            params, degraded = draw_audible(
                partial(loss.draw, rng, source, sample_rate, ranges, config.placement, encoded),
                partial(loss.lose, degraded, streams, sample_rate),
                degraded,
                sample_rate,
                band_hz,
                config,
            )
            drawn.append(params)
    clip = ClipParams(gain_db=gain_db, defects=tuple(drawn), source_encode=encoded, transcode=last)
    return clip, *_finish(reference, degraded, sample_rate, last)


def check_audio(audio: Audio, sample_rate: int) -> None:
    """Raise ValueError unless `audio` is finite (channels, samples) of at least 0.5 s."""
    if audio.ndim != 2 or audio.shape[0] == 0:
        raise ValueError(f"audio has shape {audio.shape}, expected (channels, samples)")
    duration_s = audio.shape[1] / sample_rate
    if duration_s < _MIN_AUDIO_S:
        raise ValueError(f"audio lasts {duration_s:.3f} s, at least {_MIN_AUDIO_S} s are needed")
    if not np.isfinite(audio).all():
        raise ValueError("audio holds values that are not finite (NaN or infinity)")


def draw_names(rng: np.random.Generator, config: WorkflowConfig) -> list[str]:
    """Draw which defects a clip has, in the order in which they are applied; none if clean."""
    chance = rng.random()
    if chance < config.clean_probability:
        count = 0
    elif chance < config.clean_probability + config.single_probability:
        count = 1
    else:
        count = int(rng.integers(*config.several_count, endpoint=True))
    chosen = set(rng.permutation(config.defects)[:count].tolist())
    return [name for name in DEFECT_NAMES if name in chosen]


def draw_audible(
    draw: Callable[[], DefectParams],
    apply: Callable[[DefectParams], Audio],
    intact: Audio,
    sample_rate: int,
    band_hz: float,
    config: WorkflowConfig,
) -> tuple[DefectParams, Audio]:
    """Draw until the result differs audibly from `intact`, the same chain without the defect.

    Returns the parameters and the result. Raises UnusableSourceError after `redraw_limit` draws.
    """
    reason = ""
    for _ in range(config.redraw_limit):
        try:
            params = draw()
        except UndrawableDefectError as error:
            reason = str(error)
            continue
        degraded = apply(params)
        if is_audible(
            affected(intact, sample_rate, params),
            affected(degraded, sample_rate, params),
            sample_rate,
            band_hz,
            config.audible_floor_db,
        ):
            return params, degraded
        reason = f"{params.defect} stays below {config.audible_floor_db} dB of error to signal"
    raise UnusableSourceError(f"no audible defect in {config.redraw_limit} draws: {reason}")


def _finish(
    reference: Audio, degraded: Audio, sample_rate: int, last: TranscodeParams | None
) -> tuple[Audio, Audio]:
    if last is not None:
        degraded = transcode(degraded, sample_rate, last)
    return _within_full_scale(reference, degraded)


def _within_full_scale(reference: Audio, degraded: Audio) -> tuple[Audio, Audio]:
    """Scale a pair down together to -1 dB where either is above: codecs overshoot and then clip."""
    highest = max(peak(reference), peak(degraded))
    if highest <= MAX_PEAK:
        return reference, degraded
    gain = np.float32(MAX_PEAK / highest)
    return reference * gain, degraded * gain
