import numpy as np
import pytest

from padam.audio.codec_settings import CodecSettings
from padam.defects.audibility import error_level_db
from padam.defects.base import PlacementRanges
from padam.defects.encoding import encode
from padam.defects.interval import Interval
from padam.defects.packet_loss import PacketLoss, PacketLossParams, PacketLossRanges, _lost_packets
from tests.defects.conftest import RATE

CODECS = [
    CodecSettings(codec="aac", bitrate_kbps=96),
    CodecSettings(codec="mp3", bitrate_kbps=96),
    CodecSettings(codec="opus", bitrate_kbps=96),
]


def params(codec, **changes):
    given = {
        "interval": Interval(start_s=1, duration_s=2),
        "channels": (0, 1),
        "codec": codec,
        "amount": 1000,
        "dropamount": None,
        "packet_drop_share": 0.1,
        "mean_burst_packets": 2.0,
        "conceal": "timestamps",
        "seed": 4,
    }
    return PacketLossParams(**{**given, **changes})


@pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.codec)
@pytest.mark.parametrize("conceal", ["timestamps", "stretch"])
def test_loss_is_audible_inside_and_absent_outside(clip, codec, conceal):
    drawn = params(codec, conceal=conceal)
    intact = encode(clip, RATE, codec)
    degraded = PacketLoss().apply(clip, RATE, drawn)
    inside = slice(RATE, 3 * RATE)
    assert error_level_db(intact[:, inside], degraded[:, inside], RATE, 24000) > -10
    assert np.array_equal(degraded[:, :RATE], intact[:, :RATE])
    assert np.array_equal(degraded[:, 3 * RATE :], intact[:, 3 * RATE :])
    assert np.abs(degraded).max() <= 1


def test_other_channels_are_those_of_the_intact_stream(clip):
    codec = CODECS[0]
    degraded = PacketLoss().apply(clip, RATE, params(codec, channels=(1,)))
    intact = encode(clip, RATE, codec)
    assert np.array_equal(degraded[0], intact[0])
    assert not np.array_equal(degraded[1], intact[1])


def test_corruption_alone_damages_too(clip):
    drawn = params(CODECS[0], packet_drop_share=0.0)
    intact = encode(clip, RATE, CODECS[0])
    assert error_level_db(intact, PacketLoss().apply(clip, RATE, drawn), RATE, 24000) > -10


def test_another_seed_damages_elsewhere(clip):
    first, second = (PacketLoss().apply(clip, RATE, params(CODECS[1], seed=s)) for s in (1, 2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("share", [0.01, 0.05, 0.10])
@pytest.mark.parametrize("mean_burst", [1.0, 2.5, 4.0])
def test_lost_packets_have_the_share_and_the_bursts_asked_for(share, mean_burst):
    """Gilbert's channel: the share of lost packets, and bursts of geometric length."""
    drawn = params(CODECS[0], packet_drop_share=share, mean_burst_packets=mean_burst)
    lost = np.zeros(200_000, dtype=bool)
    lost[_lost_packets(len(lost), drawn)] = True
    edges = np.flatnonzero(np.diff(lost, prepend=False, append=False))
    bursts = edges[1::2] - edges[::2]
    assert lost.mean() == pytest.approx(share, rel=0.1)
    assert bursts.mean() == pytest.approx(mean_burst, rel=0.1)
    assert np.mean(bursts == 1) == pytest.approx(1 / mean_burst, rel=0.1)


def test_at_least_one_packet_is_lost_where_loss_was_drawn():
    assert all(
        len(_lost_packets(20, params(CODECS[0], packet_drop_share=0.001, seed=s))) >= 1
        for s in range(50)
    )
    assert _lost_packets(20, params(CODECS[0], packet_drop_share=0.0)) == []


def test_draws_stay_in_the_papers_ranges(clip):
    rng = np.random.default_rng(0)
    ranges = PacketLossRanges(packet_drop_probability=0.0)
    drawn = [PacketLoss().draw(rng, clip, RATE, ranges, PlacementRanges()) for _ in range(100)]
    assert all(1000 <= d.amount <= 9000 for d in drawn)
    assert all(d.dropamount is None or 10000 <= d.dropamount <= 20000 for d in drawn)
    assert 25 < sum(d.dropamount is None for d in drawn) < 75
    assert all(d.packet_drop_share == 0 for d in drawn)
    assert {d.codec.codec for d in drawn} == {"aac", "mp3", "opus"}
    assert {d.conceal for d in drawn} == {"timestamps", "stretch"}
