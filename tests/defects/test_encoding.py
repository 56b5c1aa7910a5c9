import numpy as np
import pytest
from pydantic import ValidationError

from padam.audio.codecs import CodecSettings
from padam.audio.loudness import integrated_loudness_lufs
from padam.defects.encoding import (
    CodecRanges,
    TranscodeParams,
    TranscodeRanges,
    bandwidth_hz,
    draw_codec,
    draw_transcode,
    encode,
    transcode,
)
from tests.defects.conftest import RATE, music

AAC = CodecSettings(codec="aac", bitrate_kbps=128)


def test_codecs_are_drawn_within_the_papers_ranges():
    rng = np.random.default_rng(0)
    drawn = [draw_codec(rng, CodecRanges()) for _ in range(300)]
    assert {d.codec for d in drawn} == {"aac", "mp3", "opus"}
    assert all(32 <= d.bitrate_kbps <= 128 for d in drawn)
    assert {d.sample_rate for d in drawn} == {32000, 44100, 48000}
    assert all(d.cutoff_hz is None or 12000 <= d.cutoff_hz <= 16000 for d in drawn)
    assert {d.sample_rate for d in drawn if d.codec == "opus"} == {48000}


def test_every_drawn_codec_can_be_run():
    rng = np.random.default_rng(1)
    audio = music(0.6)
    for _ in range(25):
        degraded = encode(audio, RATE, draw_codec(rng, CodecRanges()))
        assert degraded.shape == audio.shape
        assert np.corrcoef(audio[0], degraded[0])[0, 1] > 0.8


def test_a_transcode_is_aac_with_loudness_and_lowpass_in_a_tenth_each():
    rng = np.random.default_rng(0)
    drawn = [draw_transcode(rng, TranscodeRanges()) for _ in range(1000)]
    assert {d.codec.codec for d in drawn} == {"aac"}
    assert {d.loudness_lufs for d in drawn} == {None, -23.0}
    assert np.mean([d.loudness_lufs is not None for d in drawn]) == pytest.approx(0.1, abs=0.03)
    cutoffs = [d.lowpass_hz for d in drawn if d.lowpass_hz is not None]
    assert len(cutoffs) / 1000 == pytest.approx(0.1, abs=0.03)
    assert min(cutoffs) >= 3500
    assert max(cutoffs) <= 7000


def test_loudness_is_normalised(clip):
    params = TranscodeParams(codec=AAC, loudness_lufs=-23.0, lowpass_hz=None)
    assert integrated_loudness_lufs(transcode(clip, RATE, params), RATE) == pytest.approx(
        -23, abs=0.3
    )


def test_normalisation_never_clips():
    rng = np.random.default_rng(0)
    audio = (0.001 * rng.standard_normal((2, 2 * RATE))).astype(np.float32)
    audio[:, RATE] = 0.5
    params = TranscodeParams(codec=AAC, loudness_lufs=-23.0, lowpass_hz=None)
    assert np.mean(np.abs(transcode(audio, RATE, params)) >= 1) < 1e-4


def test_the_lowpass_attenuates_and_does_not_delay():
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 2 * RATE)).astype(np.float32)
    params = TranscodeParams(codec=AAC, loudness_lufs=None, lowpass_hz=3500.0)
    degraded = transcode(noise, RATE, params)
    power = [np.abs(np.fft.rfft(a[0])) ** 2 for a in (noise, degraded)]
    bins = slice(2 * 6900, 2 * 7100)
    assert 10 * np.log10(power[1][bins].sum() / power[0][bins].sum()) == pytest.approx(-14, abs=2)
    lags = np.correlate(degraded[0, 1000:20000], noise[0, 1010:19990], "valid")
    assert np.argmax(lags) == 10


def test_surround_is_encoded_pair_by_pair():
    audio = music(0.5, 5)
    degraded = encode(audio, RATE, AAC)
    assert degraded.shape == audio.shape
    assert np.array_equal(degraded[2:4], encode(audio[2:4], RATE, AAC))
    params = TranscodeParams(codec=AAC, loudness_lufs=-23.0, lowpass_hz=None)
    assert transcode(music(0.5, 6), RATE, params).shape == (6, RATE // 2)


def test_the_narrowest_stage_sets_the_bandwidth():
    narrow = CodecSettings(codec="mp3", sample_rate=32000, cutoff_hz=12000)
    last = TranscodeParams(codec=AAC, loudness_lufs=None, lowpass_hz=5000.0)
    assert bandwidth_hz(48000, None, None) == 24000
    assert bandwidth_hz(48000, narrow, None) == 12000
    assert bandwidth_hz(48000, narrow, last) == 5000
    assert bandwidth_hz(8000, narrow, last) == 4000


def test_sample_rates_that_codecs_do_not_share_are_refused():
    with pytest.raises(ValidationError, match="32000, 44100, 48000"):
        CodecRanges(sample_rates=(96000,))
