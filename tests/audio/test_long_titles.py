"""Long audio is taken a piece at a time: the pieces give what the whole gives."""

import numpy as np
import pytest

from padam.audio import codecs, filters, levels, loudness
from padam.audio.codec_settings import CodecSettings
from padam.audio.filters import lowpass
from padam.audio.loudness import integrated_loudness_lufs
from padam.audio.media import read_audio, write_flac
from tests.audio.signals import lag_samples, programme

RATE = 48_000
SETTINGS = [
    CodecSettings(codec="aac", sample_rate=44100, bitrate_kbps=128),
    CodecSettings(codec="mp3", sample_rate=32000, bitrate_kbps=128),
    CodecSettings(codec="opus", bitrate_kbps=128, cutoff_hz=13000),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: settings.codec)
def test_a_stream_of_pieces_is_one_stream(
    settings: CodecSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = programme(RATE, 5.0)
    whole = codecs.encode(audio, RATE, settings)
    monkeypatch.setattr(codecs, "_PIECE_S", 1.3)
    pieces = list(codecs._pieces(audio, RATE, settings))
    assert len(pieces) == 4
    monkeypatch.setattr(codecs, "_PIECE_S", 200.0)
    (at_once,) = codecs._pieces(audio, RATE, settings)
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), at_once, atol=2e-6)
    monkeypatch.setattr(codecs, "_PIECE_S", 1.3)
    stream = codecs.encode(audio, RATE, settings)
    assert (stream.pts, stream.samples) == (whole.pts, whole.samples)
    decoded = codecs.decode_all(stream)
    assert decoded.shape == audio.shape
    assert lag_samples(audio, decoded) == 0
    # no joint stands out: the codec's error is as great as over the whole
    error = (decoded - audio).astype(np.float64) ** 2
    for joint in range(62_400, audio.shape[1], 62_400):
        assert error[:, joint - 480 : joint + 480].mean() < 20 * error.mean()
    once = codecs.decode(stream)
    # but for the noise that AAC's decoder makes up anew
    tolerance = 0.1 if settings.codec == "aac" else 1e-4
    assert np.abs(decoded - once).max() < tolerance


def test_a_zero_phase_low_pass_of_pieces_is_that_of_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    audio = programme(RATE, 5.0)
    whole = lowpass(audio, RATE, 3500, order=1, zero_phase=True)
    monkeypatch.setattr(filters, "_PIECE_S", 1.3)
    pieces = lowpass(audio, RATE, 3500, order=1, zero_phase=True)
    np.testing.assert_allclose(pieces, whole, atol=1e-7)


@pytest.mark.parametrize("seconds", [5.0, 5.03, 5.37])
def test_loudness_of_pieces_is_that_of_the_whole(
    seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio = programme(RATE, seconds)
    audio[:, : 2 * RATE] *= 0.1
    whole = integrated_loudness_lufs(audio, RATE)
    monkeypatch.setattr(loudness, "_BLOCKS_AT_ONCE", 7)
    assert integrated_loudness_lufs(audio, RATE) == pytest.approx(whole, abs=1e-3)


def test_level_of_pieces_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = programme(RATE, 2.0)
    expected = np.sqrt(np.mean(audio.astype(np.float64) ** 2))
    monkeypatch.setattr(levels, "_PIECE", 1000)
    assert levels.rms(audio) == pytest.approx(expected, rel=1e-12)
    assert levels.rms(audio[:, ::3]) == pytest.approx(
        np.sqrt(np.mean(audio[:, ::3].astype(np.float64) ** 2)), rel=1e-12
    )


def test_a_file_longer_than_a_piece_is_written_whole(tmp_path) -> None:
    audio = np.round(programme(RATE, 25.0) * 2**22).astype(np.float32) / 2**22
    write_flac(tmp_path / "long.flac", audio, RATE)
    np.testing.assert_array_equal(read_audio(tmp_path / "long.flac", sample_rate=RATE), audio)
