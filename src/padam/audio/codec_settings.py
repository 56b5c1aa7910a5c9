"""Lossy encoders and their settings: AAC, MP3 and Opus."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

CodecName = Literal["aac", "mp3", "opus"]

SAMPLE_RATES: dict[CodecName, tuple[int, ...]] = {
    "aac": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000),
    "mp3": (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    "opus": (8000, 12000, 16000, 24000, 48000),
}
PROFILES: dict[CodecName, tuple[str, ...]] = {
    "aac": ("aac_low", "mpeg2_aac_low"),
    "mp3": ("joint_stereo", "stereo"),
    "opus": ("lowdelay", "audio"),
}
_BITRATES_KBPS: dict[CodecName, tuple[int, int]] = {
    "aac": (8, 512),
    "mp3": (8, 320),
    "opus": (6, 510),
}


class CodecSettings(BaseModel):
    """An encoder and its settings; what the encoder cannot do is refused here.

    MP3 takes the nearest of its fixed bitrates. `profile` is the AAC profile, MP3's stereo mode or
    Opus' application; by default the codec's first in `PROFILES`. Opus' `audio` codes stereo below
    64 kbit/s with its speech layer, which delays low frequencies by some 3 samples; `lowdelay` has
    no such layer and stays aligned. `cutoff_hz` None leaves the bandwidth to the encoder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: CodecName
    bitrate_kbps: int = Field(default=128, gt=0)
    sample_rate: int = 48000
    cutoff_hz: int | None = Field(default=None, gt=0)
    profile: str | None = None
    sample_format: Literal["float", "s16"] = "float"

    @model_validator(mode="after")
    def _check_codec_supports_it(self) -> "CodecSettings":
        low, high = _BITRATES_KBPS[self.codec]
        if not low <= self.bitrate_kbps <= high:
            raise ValueError(
                f"bitrate_kbps {self.bitrate_kbps}: {self.codec} takes {low} to {high} kbit/s"
            )
        if self.sample_rate not in SAMPLE_RATES[self.codec]:
            raise ValueError(
                f"sample_rate {self.sample_rate}: {self.codec} takes {SAMPLE_RATES[self.codec]} Hz"
            )
        if self.cutoff_hz is not None and not self.cutoff_hz < self.sample_rate / 2:
            raise ValueError(
                f"cutoff_hz {self.cutoff_hz} is not below half the rate of {self.sample_rate} Hz"
            )
        if self.profile is not None and self.profile not in PROFILES[self.codec]:
            raise ValueError(f"profile {self.profile!r}: {self.codec} takes {PROFILES[self.codec]}")
        if self.codec == "aac" and self.sample_format != "float":
            raise ValueError("sample_format: the AAC encoder takes float only")
        return self

    @property
    def packet_samples(self) -> int:
        """Samples per packet: AAC 1024, MP3 1152 or (below 32 kHz) 576, Opus 20 ms."""
        if self.codec == "aac":
            return 1024
        if self.codec == "mp3":
            return 1152 if self.sample_rate >= 32000 else 576
        return self.sample_rate // 50


def packet_span(settings: CodecSettings, start_s: float, duration_s: float) -> range:
    """Indices of the packets that carry the interval (to about a packet: priming is ignored)."""
    packet_s = settings.packet_samples / settings.sample_rate
    first = max(0, int(start_s / packet_s))
    return range(first, max(first + 1, round((start_s + duration_s) / packet_s)))
