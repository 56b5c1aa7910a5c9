"""Ogg Opus that a player decodes: aligned, whole, and small."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from padam.audio.media import probe, read_audio
from padam.audio.ogg_opus import ogg_opus


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [48_000, 44_100, 8_000])
def test_it_plays_without_a_lag(channels: int, rate: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    slow = np.cumsum(rng.standard_normal((channels, 2 * rate)), axis=1)
    audio = (0.1 * np.sin(slow * 0.3)).astype(np.float32)
    path = tmp_path / "excerpt.ogg"
    path.write_bytes(ogg_opus(audio, rate))
    info = probe(path)
    assert (info.audio_codec, info.channels, info.sample_rate) == ("opus", channels, 48_000)
    assert info.duration_s == pytest.approx(2, abs=0.04)
    heard = read_audio(path, sample_rate=rate)
    middle = slice(rate // 2, rate)
    products = [
        float((audio[:, middle] * np.roll(heard, -lag, axis=1)[:, middle]).sum())
        for lag in range(-40, 41)
    ]
    assert np.argmax(products) - 40 == 0


def test_another_reader_hears_the_channels_apart() -> None:
    time_s = np.arange(48_000) / 48_000
    tones = [0.5 * np.sin(2 * np.pi * hz * time_s) for hz in (440, 1000)]
    content = ogg_opus(np.array(tones, dtype=np.float32), 48_000)
    heard, rate = soundfile.read(io.BytesIO(content))
    spectrum = np.abs(np.fft.rfft(heard[:rate], axis=0))
    assert spectrum.argmax(axis=0).tolist() == [440, 1000]


def test_twelve_seconds_of_noise_stay_small() -> None:
    noise = 0.3 * np.random.default_rng(0).standard_normal((2, 12 * 48_000)).astype(np.float32)
    assert len(ogg_opus(noise, 48_000)) < 160_000


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (np.zeros((1, 0), np.float32), "no sample"),
        (np.zeros((3, 10), np.float32), "1 or 2 channels"),
        (np.full((1, 10), np.nan, np.float32), "NaN"),
    ],
)
def test_what_it_cannot_encode_is_refused(audio: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ogg_opus(audio, 48_000)
