"""Damage to encoded packets: noise in their bytes, losses of whole packets."""

from collections.abc import Callable, Iterable
from fractions import Fraction

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

PacketFilter = Callable[[list[bytes]], list[bytes | None]]
"""Maps the payloads of a stream's packets, in order, to as many payloads; None is a lost packet."""

_DECODERS = {"aac": "aac", "mp3": "mp3", "opus": "opus"}
_PRIMING_BYTES = 2**16


def noise_bitstream_filter(
    codec: str, amount: int, dropamount: int | None, seed: int
) -> PacketFilter:
    """FFmpeg's `noise` bitstream filter: about one byte in `amount` is overwritten.

    Larger amounts are milder. With `dropamount` about one packet in as many is lost. The filter has
    no seed: its state, a running sum of the bytes, is set by a dummy packet whose length is drawn
    from `seed` (PADAM §3.1.1; FFmpeg's older integer option `drop` is today's `dropamount`).
    """
    if amount < 1 or (dropamount is not None and dropamount < 1):
        raise ValueError(f"amount {amount} and dropamount {dropamount} must be 1 or more")
    description = f"noise=amount={amount}"
    if dropamount is not None:
        description += f":dropamount={dropamount}"
    priming = int(np.random.default_rng(seed).integers(1, _PRIMING_BYTES))

    def apply(payloads: list[bytes]) -> list[bytes | None]:
        noise = BitStreamFilterContext(description, _DECODERS[codec])
        # the first packet of all is dropped when its state of 0 meets `dropamount`; it sets state 1
        noise.filter(packet(bytes(1)))
        noise.filter(packet(bytes(priming)))
        return [_single(noise.filter(packet(payload))) for payload in payloads]

    return apply


def packet_drops(indices: Iterable[int]) -> PacketFilter:
    """Lose the packets of these indices; indices beyond the stream's end are ignored."""
    lost = frozenset(int(index) for index in indices)

    def apply(payloads: list[bytes]) -> list[bytes | None]:
        return [None if index in lost else payload for index, payload in enumerate(payloads)]

    return apply


def filter_span(packet_filter: PacketFilter, span: range) -> PacketFilter:
    """Let `packet_filter` see, and so damage, only the packets `span.start` to `span.stop - 1`."""

    def apply(payloads: list[bytes]) -> list[bytes | None]:
        inside = packet_filter(payloads[span.start : span.stop])
        return [*payloads[: span.start], *inside, *payloads[span.stop :]]

    return apply


def packet(payload: bytes, pts: int | None = None, time_base: Fraction | None = None) -> av.Packet:
    """Make a packet that owns its bytes.

    `av.Packet(payload)` would share them, and a bitstream filter then writes into the caller's.
    """
    owned: av.Packet = av.Packet(len(payload))
    owned.update(payload)
    if pts is not None and time_base is not None:
        owned.pts = owned.dts = pts
        owned.time_base = time_base
    return owned


def _single(packets: list[av.Packet]) -> bytes | None:
    return bytes(packets[0]) if packets else None
