"""Packet loss: an encoded stream whose packets are corrupted or missing."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from padam.audio import Audio
from padam.audio.codec_settings import CodecSettings
from padam.audio.codecs import Conceal, EncodedAudio
from padam.audio.packets import PacketFilter, noise_bitstream_filter, packet_drops
from padam.defects.base import (
    DefectParams,
    DefectRanges,
    PlacementRanges,
    Stage,
    affected,
    draw_placement,
    edge_fade,
    replaced,
)
from padam.defects.encoding import CodecRanges, decode_streams, draw_codec, encode_streams
from padam.defects.interval import within


class PacketLossRanges(DefectRanges):
    """PADAM §3.1.1, 6: `amount` is a modulus, one byte in `amount` is overwritten.

    Whole lost packets in bursts are an extension; the paper has none (packet_drop_probability 0).
    """

    amount: Annotated[tuple[int, int], within(1, 10**6)] = (1000, 9000)
    dropamount_probability: float = Field(default=0.5, ge=0, le=1)  # "optional" in the paper
    dropamount: Annotated[tuple[int, int], within(2, 10**7)] = (10000, 20000)
    packet_drop_probability: float = Field(default=0.5, ge=0, le=1)  # paper: 0
    packet_drop_share: Annotated[tuple[float, float], within(0.0001, 0.5)] = (0.01, 0.10)
    mean_burst_packets: Annotated[tuple[float, float], within(1, 100)] = (1.0, 4.0)
    stretch_probability: float = Field(default=0.5, ge=0, le=1)  # open in the paper


class PacketLossParams(DefectParams):
    """A drawn loss in a drawn stream; `packet_drop_share` 0 means corrupted packets only."""

    defect: Literal["packet_loss"] = "packet_loss"
    codec: CodecSettings
    amount: int = Field(ge=1)
    dropamount: int | None
    packet_drop_share: float = Field(ge=0, lt=1)
    mean_burst_packets: float = Field(ge=1)
    conceal: Conceal
    seed: int


class PacketLoss:
    """Loss in an encoded stream; outside the interval and channels the stream is intact.

    Applying it encodes and decodes the whole clip: it takes the place of the plain source encode.
    """

    name = "packet_loss"
    stage: Stage = "encode"
    Params = PacketLossParams
    Ranges = PacketLossRanges

    def draw(
        self,
        rng: np.random.Generator,
        audio: Audio,
        sample_rate: int,
        ranges: PacketLossRanges,
        placement: PlacementRanges = PlacementRanges(),  # noqa: B008
        codec: CodecSettings | None = None,
    ) -> PacketLossParams:
        """Draw a loss (PADAM §3.1.1) in a stream of `codec`, or of one drawn here."""
        interval, channels = draw_placement(rng, audio, sample_rate, placement, sustained=False)
        amount = int(rng.integers(*ranges.amount, endpoint=True))
        dropamount = int(rng.integers(*ranges.dropamount, endpoint=True))
        drops = rng.random() < ranges.dropamount_probability
        share = float(rng.uniform(*ranges.packet_drop_share))
        loses = rng.random() < ranges.packet_drop_probability
        return PacketLossParams(
            interval=interval,
            channels=channels,
            codec=codec or draw_codec(rng, CodecRanges()),
            amount=amount,
            dropamount=dropamount if drops else None,
            packet_drop_share=share if loses else 0.0,
            mean_burst_packets=float(rng.uniform(*ranges.mean_burst_packets)),
            conceal="stretch" if rng.random() < ranges.stretch_probability else "timestamps",
            # the bitstream filter is seeded by an int
            seed=int(rng.integers(2**31)),
        )

    def apply(self, audio: Audio, sample_rate: int, params: PacketLossParams) -> Audio:
        """Encode, lose, decode."""
        streams = encode_streams(audio, sample_rate, params.codec)
        return self.lose(decode_streams(streams), streams, sample_rate, params)

    def lose(
        self,
        intact: Audio,
        streams: tuple[EncodedAudio, ...],
        sample_rate: int,
        params: PacketLossParams,
    ) -> Audio:
        """As `apply`, from the streams and what they decode to without loss."""
        lost = self.lost(intact, streams, sample_rate, params)
        return replaced(intact, sample_rate, params, lost)

    def lost(
        self,
        intact: Audio,
        streams: tuple[EncodedAudio, ...],
        sample_rate: int,
        params: PacketLossParams,
    ) -> Audio:
        """As `lose`, but the affected samples only, (affected channels, samples)."""
        where = params.interval.slice(sample_rate, intact.shape[1])
        damaged = decode_streams(streams, _packet_filter(params), params.conceal, where)
        kept = affected(intact, sample_rate, params)
        fade = edge_fade(intact, sample_rate, params)
        lost: Audio = kept + fade * (damaged[list(params.channels)] - kept)
        return lost


def _packet_filter(params: PacketLossParams) -> PacketFilter:
    corrupt = noise_bitstream_filter(
        params.codec.codec, params.amount, params.dropamount, params.seed
    )

    def lose(packets: list[bytes]) -> list[bytes | None]:
        corrupted = corrupt(packets)
        kept = packet_drops(_lost_packets(len(packets), params))(packets)
        return [None if k is None else c for c, k in zip(corrupted, kept, strict=True)]

    return lose


def _lost_packets(count: int, params: PacketLossParams) -> list[int]:
    """Indices of lost packets, in bursts by a two-state Markov chain (Gilbert's channel)."""
    if params.packet_drop_share == 0 or count == 0:
        return []
    rng = np.random.default_rng(params.seed)
    end_burst = 1 / params.mean_burst_packets
    start_burst = end_burst * params.packet_drop_share / (1 - params.packet_drop_share)
    lost = False
    indices = []
    for index, chance in enumerate(rng.random(count)):
        lost = chance >= end_burst if lost else chance < start_burst
        if lost:
            indices.append(index)
    return indices or [int(rng.integers(count))]
