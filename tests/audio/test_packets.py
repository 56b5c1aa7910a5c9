import numpy as np
import pytest

from padam.audio.codec_settings import CodecSettings
from padam.audio.codecs import round_trip
from padam.audio.packets import filter_span, noise_bitstream_filter, packet, packet_drops
from tests.audio.signals import programme


def payloads(count=40, size=300):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, size, dtype=np.uint8).tobytes() for _ in range(count)]


def noise_model(packets, amount, dropamount, state):
    """FFmpeg's documented algorithm: a running sum of the bytes decides."""
    result = []
    for data in packets:
        if dropamount is not None and state % dropamount == 0:
            state += 1
            result.append(None)
            continue
        out = bytearray(data)
        for i, byte in enumerate(data):
            state += byte + 1
            if state % amount == 0:
                out[i] = state & 0xFF
        result.append(bytes(out))
    return result


@pytest.mark.parametrize("dropamount", [None, 7])
@pytest.mark.parametrize("seed", [0, 1, 99])
def test_noise_follows_its_algorithm_from_the_seeded_state(dropamount, seed):
    packets = payloads()
    priming = int(np.random.default_rng(seed).integers(1, 2**16))
    expected = noise_model(packets, 200, dropamount, state=1 + priming)
    assert noise_bitstream_filter("aac", 200, dropamount, seed)(packets) == expected


def test_noise_overwrites_about_one_byte_in_amount():
    packets = payloads(200)
    for amount in (50, 500):
        damaged = noise_bitstream_filter("mp3", amount, None, 5)(packets)
        changed = sum(
            a != b for x, y in zip(packets, damaged, strict=True) for a, b in zip(x, y, strict=True)
        )
        # the sum grows by 128.5 a byte, so that one byte in `amount` lands on a multiple
        assert changed == pytest.approx(200 * 300 / amount, rel=0.3)


@pytest.mark.parametrize("amount", [1000, 3000, 9000])
def test_noise_keeps_its_share_over_the_amounts_of_the_paper(amount):
    packets = payloads(4000, 500)
    before = np.frombuffer(b"".join(packets), np.uint8)
    damaged = noise_bitstream_filter("aac", amount, None, 8)(packets)
    share = np.mean(np.frombuffer(b"".join(damaged), np.uint8) != before)
    assert share * amount == pytest.approx(255 / 256, rel=0.2)


@pytest.mark.parametrize("codec", ["aac", "mp3", "opus"])
def test_noise_keeps_its_share_on_encoded_packets(codec):
    pairs = []

    def damage(packets):
        damaged = noise_bitstream_filter(codec, 1000, None, 2)(packets)
        pairs.extend(zip(packets, damaged, strict=True))
        return damaged

    round_trip(programme(duration_s=6.0), 48000, CodecSettings(codec=codec), damage)
    before, after = (np.frombuffer(b"".join(side), np.uint8) for side in zip(*pairs, strict=True))
    assert len(before) > 80_000, "128 kbit/s over 6 s"
    assert np.mean(before != after) * 1000 == pytest.approx(1, rel=0.35)


@pytest.mark.parametrize("dropamount", [20, 100])
def test_about_one_packet_in_dropamount_is_lost(dropamount):
    packets = payloads(20_000, 40)
    kept = noise_bitstream_filter("mp3", 9000, dropamount, 3)(packets)
    assert kept.count(None) == pytest.approx(20_000 / dropamount, rel=0.2)


def test_noise_leaves_its_input_alone_and_starts_anew_each_time():
    packets = payloads()
    before = [bytes(bytearray(p)) for p in packets]
    noise = noise_bitstream_filter("opus", 20, 5, 1)
    assert noise(packets) == noise(packets)
    assert packets == before


@pytest.mark.parametrize(("amount", "dropamount"), [(0, None), (-1, None), (100, 0)])
def test_noise_refuses_nonsense(amount, dropamount):
    with pytest.raises(ValueError, match="1 or more"):
        noise_bitstream_filter("aac", amount, dropamount, 0)


def test_drops_lose_just_those_packets():
    packets = payloads(5)
    assert packet_drops([1, 3, 77])(packets) == [packets[0], None, packets[2], None, packets[4]]
    assert packet_drops(np.array([0]))(packets)[0] is None
    assert packet_drops([])(packets) == packets
    assert packet_drops([0])([]) == []


def test_a_span_limits_a_filter():
    packets = payloads(5)
    limited = filter_span(lambda inside: [None] * len(inside), range(2, 4))
    assert limited(packets) == [packets[0], packets[1], None, None, packets[4]]
    beyond = filter_span(lambda inside: [None] * len(inside), range(4, 9))
    assert beyond(packets) == [*packets[:4], None]


def test_a_packet_owns_its_bytes():
    payload = b"abc"
    owned = packet(payload, pts=7)
    assert bytes(owned) == payload
    assert owned.buffer_ptr != np.frombuffer(payload, np.uint8).ctypes.data
