import numpy as np
import numpy.typing as npt
import pytest

Signal = npt.NDArray[np.float32]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def speech_like(rng: np.random.Generator, seconds: float, rate: int) -> Signal:
    """Syllables of filtered noise and harmonics, (samples,), peak 0.5."""
    time = np.arange(round(seconds * rate)) / rate
    envelope = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1) ** 2
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    voice = sum(np.sin(h * phase) / h for h in range(1, 25))
    signal = envelope * (voice + 0.1 * rng.standard_normal(time.size))
    return (0.5 * signal / np.abs(signal).max()).astype(np.float32)


@pytest.fixture
def speech(rng: np.random.Generator) -> Signal:
    """Three seconds at 48 kHz, (samples,)."""
    return speech_like(rng, 3.0, 48000)
