"""FFmpeg's encoders of AAC, MP3 and Opus: opened with our settings, and what they are given."""

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext

from padam.audio import Audio
from padam.audio.codec_settings import PROFILES, CodecSettings

LAYOUTS = {1: "mono", 2: "stereo"}
"""FFmpeg's name of the layout of so many channels."""

_ENCODERS = {"aac": "aac", "mp3": "libmp3lame", "opus": "libopus"}
_OPUS_CUTOFFS_HZ = (4000, 6000, 8000, 12000, 20000)
# FFmpeg's fast search of quantisers costs a fifth of the thorough one. Its manual prefers it from
# 64 kbit/s on; at 32 both come to the same (ViSQOL within 0.03 over 13 clips), in between the
# thorough one is better (by 0.1 at 48).
_AAC_THOROUGH_KBPS = range(33, 64)


def open_encoder(settings: CodecSettings, channels: int) -> AudioCodecContext:
    """Return an encoder of 1 or 2 channels that may be given samples at the settings' rate."""
    encoder = av.CodecContext.create(_ENCODERS[settings.codec], "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate = settings.sample_rate
    encoder.layout = LAYOUTS[channels]
    encoder.format = _encoder_format(settings)
    encoder.bit_rate = settings.bitrate_kbps * 1000
    encoder.time_base = Fraction(1, settings.sample_rate)
    encoder.thread_count = 1
    encoder.options = _encoder_options(settings)
    encoder.open()
    return encoder


def to_frame(audio: Audio, encoder: AudioCodecContext, position: int) -> av.AudioFrame:
    """Return audio from sample `position` on as one frame: PyAV cuts it to what the encoder takes.

    `audio` is (1 or 2, samples) at the encoder's rate.
    """
    samples = _interleave(audio, encoder.format.name)
    layout = LAYOUTS[audio.shape[0]]
    frame = av.AudioFrame.from_ndarray(samples, format=encoder.format.name, layout=layout)
    frame.sample_rate = encoder.sample_rate
    frame.pts = position
    frame.time_base = encoder.time_base
    return frame


def _encoder_format(settings: CodecSettings) -> str:
    if settings.codec == "opus":
        return "flt" if settings.sample_format == "float" else "s16"
    return "fltp" if settings.sample_format == "float" else "s16p"


def _encoder_options(settings: CodecSettings) -> dict[str, str]:
    options: dict[str, str] = {}
    cutoff_hz = settings.cutoff_hz
    if cutoff_hz is not None and settings.codec == "opus":
        cutoff_hz = min(supported for supported in _OPUS_CUTOFFS_HZ if supported >= cutoff_hz)
    if cutoff_hz is not None:
        options["cutoff"] = str(cutoff_hz)
    profile = settings.profile or PROFILES[settings.codec][0]
    if settings.codec == "aac":
        options["profile"] = profile
        thorough = settings.bitrate_kbps in _AAC_THOROUGH_KBPS
        options["aac_coder"] = "twoloop" if thorough else "fast"
    elif settings.codec == "mp3":
        options["joint_stereo"] = "1" if profile == "joint_stereo" else "0"
        options["compression_level"] = "7"  # half the time of LAME's default
    else:
        options["application"] = profile
    return options


def _interleave(block: Audio, sample_format: str) -> Audio | npt.NDArray[np.int16]:
    """Lay out (channels, samples) as the encoder's sample format wants it."""
    if not sample_format.endswith("p"):
        block = block.T.reshape(1, -1)
    if sample_format.startswith("s16"):
        return np.clip(np.round(block * 32768), -32768, 32767).astype(np.int16)
    return np.ascontiguousarray(block)
