from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.signal import butter, sosfilt

from padam.audio.codec_settings import CodecSettings
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


def _grid():
    """Codec x bitrate x rate x profile x sample format; the ends of the cutoff by turns."""
    variants = [
        *product(["aac"], (32000, 44100, 48000), ["aac_low", "mpeg2_aac_low"], ["float"]),
        *product(["mp3"], (32000, 44100, 48000), ["joint_stereo", "stereo"], ["float", "s16"]),
        *product(["opus"], [48000], ["lowdelay"], ["float", "s16"]),
    ]
    return [
        CodecSettings(
            codec=codec,
            bitrate_kbps=bitrate,
            sample_rate=rate,
            profile=profile,
            sample_format=sample_format,
            cutoff_hz=12000 if number % 2 or rate == 32000 else 16000,
        )
        for number, bitrate in enumerate((32, 48, 64, 80, 96, 112, 128))
        for codec, rate, profile, sample_format in variants
    ]


GRID = _grid()


def _marked(grid):
    """Every seventh is tested by default: each variant once, each bitrate about three times."""
    return [
        pytest.param(s, marks=() if number % 7 == 0 else pytest.mark.slow)
        for number, s in enumerate(grid)
    ]


def _name(settings):
    return "-".join(
        str(getattr(settings, part))
        for part in ("codec", "bitrate_kbps", "sample_rate", "profile", "sample_format")
    )


def bursts(seconds=2.0, channels=2):
    """Broadband noise in decaying bursts, of a length that no packet size divides."""
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE) - 37) / RATE
    band = butter(2, [60, 6000], "bandpass", fs=RATE, output="sos")
    noise = sosfilt(band, rng.standard_normal((channels, len(time))))
    audio = noise * (0.05 + np.exp(-12 * (time % 0.2)))
    return (0.5 * audio / np.abs(audio).max()).astype(np.float32)


BURSTS = bursts()


def subsample_lag(before, after, reach=64):
    """Peak of the cross-correlation, in samples, by a parabola through its three highest."""
    inner = before[reach:-reach].astype(np.float64)
    correlation = np.correlate(after.astype(np.float64), inner, "valid")
    top = int(np.argmax(correlation))
    assert 0 < top < 2 * reach, "no peak within reach"
    left, middle, right = correlation[top - 1 : top + 2]
    return top - reach + 0.5 * (left - right) / (left - 2 * middle + right)


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


@pytest.mark.parametrize("settings", _marked(GRID), ids=_name)
def test_no_codec_that_can_be_drawn_shifts_the_sound(settings):
    """Lag under half a sample, over the whole and at the end, in stereo and mono; same length."""
    for audio in (BURSTS, BURSTS[:1]):
        decoded = encode(audio, RATE, settings)
        assert decoded.shape == audio.shape
        end = audio.shape[1] * 3 // 4
        for before, after in zip(audio, decoded, strict=True):
            assert abs(subsample_lag(before, after)) < 0.5
            assert abs(subsample_lag(before[end:], after[end:])) < 0.5


def test_the_grid_holds_whatever_is_drawn():
    rng = np.random.default_rng(2)
    grid = {s.model_copy(update={"cutoff_hz": None}) for s in GRID}
    drawn = {
        draw_codec(rng, CodecRanges()).model_copy(update={"cutoff_hz": None}) for _ in range(3000)
    }
    assert drawn == grid


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
