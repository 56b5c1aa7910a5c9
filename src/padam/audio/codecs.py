"""Lossy codec round trips in process: AAC, MP3 and Opus by PyAV, aligned to the sample.

Encoder and decoder are joined packet by packet, without a container; frames are placed by their
timestamps, which count the encoder's priming, so that the lag is 0 samples.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

import av
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext

from padam.audio import Audio
from padam.audio.codec_encoders import LAYOUTS, open_encoder, to_frame
from padam.audio.codec_settings import CodecSettings, packet_span
from padam.audio.filters import lowpass
from padam.audio.frames import put_samples
from padam.audio.packets import PacketFilter, packet
from padam.audio.resampling import resample

Conceal = Literal["stretch", "timestamps"]

_DECODERS = {"aac": "aac", "mp3": "mp3float", "opus": "opus"}
_OPUS_DECODED_RATE = 48000
# packets until a decoder that begins amid a stream has settled (MP3's reservoir is the longest),
# packets that complete the last one, and what a resampler needs at both ends
_PREROLL = 16
_POSTROLL = 4
_MARGIN_S = 0.05
# of what is encoded or decoded at once, and what a filter needs around it
_PIECE_S = 200.0
_PIECE_MARGIN_S = 0.5
# 20 bits: the error of a lossy codec hides it
_RESAMPLING: Final = "HQ"


@dataclass(frozen=True)
class EncodedAudio:
    """A stream of packets, and what a decoder needs to lay it over the audio it was made of."""

    settings: CodecSettings
    sample_rate: int
    channels: int
    samples: int
    payloads: tuple[bytes, ...]
    pts: tuple[int, ...]
    time_base: Fraction
    extradata: bytes | None

    @property
    def decoded_rate(self) -> int:
        """Sample rate in Hz that the decoder gives."""
        return _OPUS_DECODED_RATE if self.settings.codec == "opus" else self.settings.sample_rate


def round_trip(
    audio: Audio,
    sample_rate: int,
    settings: CodecSettings,
    packet_filter: PacketFilter | None = None,
    conceal: Conceal = "timestamps",
) -> Audio:
    """Encode and decode: see `encode` and `decode`."""
    return decode(encode(audio, sample_rate, settings), packet_filter, conceal)


def encode(audio: Audio, sample_rate: int, settings: CodecSettings) -> EncodedAudio:
    """Encode (1 or 2, samples) audio.

    Raises ValueError for other channel counts and for input that is not finite.
    """
    channels, samples = audio.shape
    if channels not in (1, 2):
        raise ValueError(f"can encode 1 or 2 channels, not {channels}: encode pairs one by one")
    if not np.isfinite(audio).all():
        raise ValueError("cannot encode audio with NaN or infinite samples")
    encoder = open_encoder(settings, channels)
    packets: list[av.Packet] = []
    given = 0
    for piece in _pieces(audio, sample_rate, settings):
        packets += encoder.encode(to_frame(piece, encoder, given))
        given += piece.shape[1]
    packets += encoder.encode(None)
    return EncodedAudio(
        settings=settings,
        sample_rate=sample_rate,
        channels=channels,
        samples=samples,
        payloads=tuple(bytes(p) for p in packets),
        pts=tuple(p.pts or 0 for p in packets),
        time_base=packets[0].time_base if packets else Fraction(1, settings.sample_rate),
        extradata=encoder.extradata,
    )


def decode_all(stream: EncodedAudio) -> Audio:
    """Decode the whole stream, some minutes at a time: besides the result little is in memory."""
    size = round(_PIECE_S * stream.sample_rate)
    if stream.samples <= size:
        return decode(stream)
    decoded = np.empty((stream.channels, stream.samples), dtype=np.float32)
    for first in range(0, stream.samples, size):
        span = slice(first, min(first + size, stream.samples))
        decoded[:, span] = decode(stream, span=span)
    return decoded


def decode(
    stream: EncodedAudio,
    packet_filter: PacketFilter | None = None,
    conceal: Conceal = "timestamps",
    span: slice = slice(None),
) -> Audio:
    """Decode samples `span` of the audio that was encoded: its rate, lag 0, within [-1, 1].

    `packet_filter` damages or drops (None) the packets of the span. What is then missing stays
    silent in its place (`timestamps`), or is cut out and the rest stretched back to the full length
    (`stretch`, the resampling compensation of PADAM §3.1.1). Damaged streams can decode to NaN or
    to values of 1e5: NaN becomes 0, everything is limited to full scale.
    """
    first, last, _ = span.indices(stream.samples)
    packets = packet_span(
        stream.settings, first / stream.sample_rate, (last - first) / stream.sample_rate
    )
    if (first, last) == (0, stream.samples):
        packets = range(len(stream.payloads))
    payloads: list[bytes | None] = list(stream.payloads)
    if packet_filter is not None:
        given = list(stream.payloads[packets.start : packets.stop])
        damaged = packet_filter(given)
        if len(damaged) != len(given):
            raise ValueError(f"packet filter made {len(damaged)} of {len(given)} packets")
        payloads[packets.start : packets.stop] = damaged
    # a window around the span, which begins where both sampling grids meet
    rate = stream.decoded_rate
    common = math.gcd(rate, stream.sample_rate)
    margin = range(max(0, packets.start - _PREROLL), min(len(payloads), packets.stop + _POSTROLL))
    begin = max(0, first - round(_MARGIN_S * stream.sample_rate))
    begin -= begin % (stream.sample_rate // common)
    origin = begin * rate // stream.sample_rate
    end = min(stream.samples, last + round(_MARGIN_S * stream.sample_rate))
    length = round(end * rate / stream.sample_rate) - origin
    decoded, present = _decode(stream, payloads, margin, origin, length)
    if conceal == "stretch":
        where = slice(
            round(first * rate / stream.sample_rate) - origin,
            round(last * rate / stream.sample_rate) - origin,
        )
        decoded[:, where] = _stretch(decoded[:, where], present[where])
    if rate != stream.sample_rate:
        decoded = resample(decoded, rate, stream.sample_rate, _RESAMPLING)
    restored = decoded[:, first - begin : last - begin]
    if restored.shape[1] < last - first:
        restored = np.pad(restored, ((0, 0), (0, last - first - restored.shape[1])))
    return np.clip(restored, -1, 1, out=restored)


def _pieces(audio: Audio, sample_rate: int, settings: CodecSettings) -> Iterator[Audio]:
    """What the encoder is given, at its rate, some minutes at a time: copies stay small."""
    rate = settings.sample_rate
    common = math.gcd(sample_rate, rate)
    # pieces and margins begin where both sampling grids meet
    step = sample_rate // common
    size, margin = (round(s * sample_rate) // step * step for s in (_PIECE_S, _PIECE_MARGIN_S))
    samples = audio.shape[1]
    for first in range(0, samples, size):
        begin, end = max(0, first - margin), min(samples, first + size)
        source = resample(audio[:, begin : end + margin], sample_rate, rate, _RESAMPLING)
        if settings.codec == "opus" and settings.cutoff_hz is not None:
            # libopus knows five bandwidths only and ignores any other cutoff
            source = lowpass(source, rate, settings.cutoff_hz, order=8, zero_phase=True)
        skip = (first - begin) // step * (rate // common)
        count = round(end * rate / sample_rate) - first // step * (rate // common)
        yield source[:, skip : skip + count]


def _decode(
    stream: EncodedAudio, payloads: list[bytes | None], packets: range, origin: int, length: int
) -> tuple[Audio, npt.NDArray[np.bool_]]:
    """Decode `packets` to (channels, length) from sample `origin` on; mask of decoded samples."""
    settings, rate = stream.settings, stream.decoded_rate
    decoder = av.CodecContext.create(_DECODERS[settings.codec], "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.extradata = stream.extradata
    decoder.sample_rate = rate
    decoder.layout = LAYOUTS[stream.channels]
    decoder.thread_count = 1
    decoder.options = {"flags2": "+skip_manual"}  # or the decoder cuts the priming a second time
    decoder.open()

    decoded = np.zeros((stream.channels, length), dtype=np.float32)
    present = np.zeros(length, dtype=bool)
    slot_samples = settings.packet_samples * rate // settings.sample_rate
    ticks = stream.time_base * rate
    for index in packets:
        payload, pts = payloads[index], stream.pts[index]
        if not payload:
            continue
        try:
            frames = decoder.decode(packet(payload, pts, stream.time_base))
        except av.FFmpegError:
            continue
        # a damaged header can announce a longer packet, or another rate
        position = round(pts * ticks.numerator / ticks.denominator) - origin
        end = min(position + slot_samples, length)
        for frame in frames:
            if frame.sample_rate != rate:
                continue
            start, skipped = max(0, position), max(0, -position)
            count = min(frame.samples - skipped, end - start)
            position += frame.samples
            if count > 0:
                place = slice(start, start + count)
                put_samples(frame, decoded[:, place], skipped)
                present[place] = True
    return _limit(decoded), present


def _stretch(decoded: Audio, present: npt.NDArray[np.bool_]) -> Audio:
    """Cut out what is not present and stretch the rest over the whole length."""
    if present.all() or not present.any():
        return decoded
    stretched = resample(decoded[:, present], int(present.sum()), len(present), _RESAMPLING)
    return stretched[:, : len(present)]


def _limit(block: Audio) -> Audio:
    """Bring samples into [-1, 1] in place, NaN to 0."""
    np.clip(block, -1, 1, out=block)
    if np.isnan(block.sum()):
        block[np.isnan(block)] = 0
    return block
