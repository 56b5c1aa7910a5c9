"""The two compression stages of the workflow: source encode and transcode."""

from typing import Annotated

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from padam.audio import Audio, codecs
from padam.audio.codec_settings import PROFILES, CodecName, CodecSettings
from padam.audio.codecs import Conceal, EncodedAudio
from padam.audio.filters import lowpass
from padam.audio.levels import peak
from padam.audio.loudness import integrated_loudness_lufs
from padam.audio.packets import PacketFilter
from padam.defects.interval import within

# one that plays everywhere; the paper's 32–48 kHz holds no other rate of Opus
_OPUS_RATE = 48000
# Opus' other application is not aligned to the sample
DRAWN_PROFILES: dict[CodecName, tuple[str, ...]] = {**PROFILES, "opus": ("lowdelay",)}
"""Profiles that are drawn, each as often as the others of its codec."""

INTEGER_PROBABILITY = 0.5
"""How often MP3 and Opus are given 16-bit integers; open in the paper."""


def _rates(value: tuple[int, ...]) -> tuple[int, ...]:
    if not value or not set(value) <= {32000, 44100, 48000}:
        raise ValueError(f"sample rates {value}: at least one of 32000, 44100, 48000 Hz")
    return value


class CodecRanges(BaseModel):
    """PADAM §3.1.2: codecs and the ranges of their settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codecs: tuple[CodecName, ...] = Field(default=("aac", "mp3", "opus"), min_length=1)
    # the common steps within the paper's 32–128 kbps
    bitrates_kbps: tuple[int, ...] = Field(default=(32, 48, 64, 80, 96, 112, 128), min_length=1)
    sample_rates: Annotated[tuple[int, ...], AfterValidator(_rates)] = (32000, 44100, 48000)
    cutoff_hz: Annotated[tuple[int, int], within(2000, 20000)] = (12000, 16000)


class TranscodeRanges(BaseModel):
    """PADAM §3.1.2: AAC, at times after loudness normalisation or a low-pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: CodecRanges = CodecRanges(codecs=("aac",))
    loudness_probability: float = Field(default=0.1, ge=0, le=1)
    loudness_lufs: float = Field(default=-23.0, ge=-60, le=0)
    lowpass_probability: float = Field(default=0.1, ge=0, le=1)
    lowpass_hz: Annotated[tuple[float, float], within(200, 20000)] = (3500.0, 7000.0)


class TranscodeParams(BaseModel):
    """A drawn transcode."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: CodecSettings
    loudness_lufs: float | None
    lowpass_hz: float | None


def draw_codec(rng: np.random.Generator, ranges: CodecRanges) -> CodecSettings:
    """Draw a codec and its settings."""
    codec = ranges.codecs[rng.integers(len(ranges.codecs))]
    bitrate = int(rng.choice(ranges.bitrates_kbps))
    rate = int(rng.choice(ranges.sample_rates))
    cutoff = int(rng.integers(*ranges.cutoff_hz, endpoint=True))
    profiles = DRAWN_PROFILES[codec]
    profile = profiles[rng.integers(len(profiles))]
    whole_numbers = rng.random() < INTEGER_PROBABILITY
    rate = _OPUS_RATE if codec == "opus" else rate
    return CodecSettings(
        codec=codec,
        bitrate_kbps=bitrate,
        sample_rate=rate,
        # a cutoff at Nyquist is none
        cutoff_hz=cutoff if cutoff < 0.49 * rate else None,
        profile=profile,
        sample_format="s16" if whole_numbers and codec != "aac" else "float",
    )


def draw_transcode(rng: np.random.Generator, ranges: TranscodeRanges) -> TranscodeParams:
    """Draw a transcode."""
    codec = draw_codec(rng, ranges.codec)
    loud = rng.random() < ranges.loudness_probability
    low = rng.random() < ranges.lowpass_probability
    cutoff_hz = float(rng.uniform(*ranges.lowpass_hz))
    return TranscodeParams(
        codec=codec,
        loudness_lufs=ranges.loudness_lufs if loud else None,
        lowpass_hz=cutoff_hz if low else None,
    )


def encode(audio: Audio, sample_rate: int, settings: CodecSettings) -> Audio:
    """Round trip of any number of channels."""
    return decode_streams(encode_streams(audio, sample_rate, settings))


def encode_streams(
    audio: Audio, sample_rate: int, settings: CodecSettings
) -> tuple[EncodedAudio, ...]:
    """Streams of any number of channels: more than two are encoded pair by pair."""
    return tuple(
        codecs.encode(audio[i : i + 2], sample_rate, settings) for i in range(0, len(audio), 2)
    )


def decode_streams(
    streams: tuple[EncodedAudio, ...],
    packet_filter: PacketFilter | None = None,
    conceal: Conceal = "timestamps",
    span: slice = slice(None),
) -> Audio:
    """Samples `span` of all channels; see `padam.audio.codecs.decode`."""
    if packet_filter is None and span == slice(None):
        parts = [codecs.decode_all(stream) for stream in streams]
    else:
        parts = [codecs.decode(stream, packet_filter, conceal, span) for stream in streams]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def transcode(audio: Audio, sample_rate: int, params: TranscodeParams) -> Audio:
    """Low-pass, normalise, encode and decode; the gain stops where a peak would pass 1."""
    return encode(prepare_transcode(audio, sample_rate, params), sample_rate, params.codec)


def prepare_transcode(audio: Audio, sample_rate: int, params: TranscodeParams) -> Audio:
    """What `transcode` encodes: low-passed and normalised, or the audio itself."""
    given = audio
    if params.lowpass_hz is not None and params.lowpass_hz < sample_rate / 2:
        # as gentle as FFmpeg's, and without its delay: the pair stays aligned
        audio = lowpass(audio, sample_rate, params.lowpass_hz, order=1, zero_phase=True)
    if params.loudness_lufs is not None:
        gain = _normalising_gain(audio, sample_rate, params.loudness_lufs)
        audio = np.multiply(audio, gain, out=None if audio is given else audio)
    return audio


def bandwidth_hz(
    sample_rate: int, source: CodecSettings | None, last: TranscodeParams | None
) -> float:
    """Highest frequency that the stages let through."""
    limits = [sample_rate / 2]
    for codec in (source, last.codec if last else None):
        if codec is not None:
            limits += [codec.sample_rate / 2, codec.cutoff_hz or np.inf]
    if last is not None and last.lowpass_hz is not None:
        limits.append(last.lowpass_hz)
    return float(min(limits))


def _normalising_gain(audio: Audio, sample_rate: int, target_lufs: float) -> np.float32:
    loudness = integrated_loudness_lufs(audio, sample_rate)
    if not np.isfinite(loudness):
        return np.float32(1)
    return np.float32(min(10 ** ((target_lufs - loudness) / 20), 1 / max(peak(audio), 1e-9)))
