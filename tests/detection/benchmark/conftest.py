"""Sources of three kinds in two splits, and look-alikes, small enough to render in a second."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from padam.audio.media import write_flac
from padam.detection.benchmark.config import BenchmarkConfig

RATE = 48_000
KINDS = ("dialogue", "effects", "music")
SHORT = {
    "channels": 1,
    "duration_s": (11.0, 13.0),
    "defect_s": (1.0, 3.0),
    "programme": {"passage_s": (3.0, 6.0), "crossfade_s": (0.1, 0.4), "pause_s": (0.3, 0.6)},
}


def short(**changes: object) -> BenchmarkConfig:
    """A configuration of titles of 12 s."""
    return BenchmarkConfig.model_validate({**SHORT, **changes})


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """Two sources of 14 s of each kind and split: tones that swell, over noise."""
    root = tmp_path_factory.mktemp("benchmark_sources")
    rng = np.random.default_rng(0)
    time_s = np.arange(14 * RATE) / RATE
    rows = []
    for split in ("test", "train", "validation"):
        for kind in KINDS:
            for number in range(2):
                pitches = rng.uniform(100, 5000, 8)
                tones = sum(np.sin(2 * np.pi * f * time_s + f) / (1 + f / 500) for f in pitches)
                swell = 0.7 + 0.3 * np.sin(2 * np.pi * (1 + number) * time_s)
                audio = tones * swell + 0.02 * rng.standard_normal(len(time_s))
                audio = (0.5 * audio / np.abs(audio).max())[None].astype(np.float32)
                source = f"{kind}/{split}_{number}.flac"
                (root / kind).mkdir(exist_ok=True)
                write_flac(root / source, audio, RATE)
                rows.append((source, kind, 14.0, split))
    for name in ("rain", "wind"):
        folder = root / "look_alikes" / name
        folder.mkdir(parents=True)
        clip = 0.1 * rng.standard_normal((1, 2 * RATE)).astype(np.float32)
        write_flac(folder / "clip.flac", clip, RATE)
    return root, pd.DataFrame(rows, columns=["source", "kind", "duration_s", "split"])


@pytest.fixture
def no_look_alikes() -> pd.DataFrame:
    """Of recordings, none."""
    return pd.DataFrame(columns=["source", "name", "split"])
