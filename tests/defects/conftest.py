from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from padam.audio import Audio

RATE = 48000


def music(seconds: float = 4.0, channels: int = 2, rate: int = RATE, seed: int = 0) -> Audio:
    """Decaying tones over a quiet bed: never silent, nowhere digital zero, peak about 0.5."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    signal = 0.01 * rng.standard_normal((channels, len(time)))
    decay = np.exp(-4 * time[: rate // 2])
    for onset in range(0, len(time), rate // 4):
        note = time[onset : onset + rate // 2]
        for channel in range(channels):
            note_hz = 220 * 2 ** (rng.integers(0, 24) / 12)
            wave = np.sin(2 * np.pi * note_hz * (note - note[0]))
            signal[channel, onset : onset + len(note)] += decay[: len(note)] * wave
    return (0.5 * signal / np.abs(signal).max()).astype(np.float32)


def measured_snr_db(before: Audio, after: Audio) -> float:
    """Energy of a signal over that of what was added to it, from its definition."""
    signal, noise = before.astype(np.float64), after.astype(np.float64) - before
    return 10 * np.log10(np.sum(signal**2) / np.sum(noise**2))


@pytest.fixture(scope="session")
def clip() -> Audio:
    return music()


@pytest.fixture(scope="session")
def long_clip() -> Audio:
    return music(10.0)


@pytest.fixture(scope="session")
def media_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("media")
    write = _writer(root)
    write("music/a.flac", music(26.0, seed=1))
    write("music/b.flac", music(22.0, seed=2))
    write("dialogue/c.flac", music(24.0, 1, seed=3))
    return root


def _writer(root: Path) -> Callable[[str, Audio], None]:
    def write(name: str, audio: Audio, rate: int = RATE) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, audio.T, rate, subtype="PCM_24")

    return write
