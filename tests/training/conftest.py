"""Little films whose picture tells what is heard, and embeddings that hold their labels."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from padam.training.audio_visual import AudioVisualConfig

WIDTH, HEIGHT, FPS, RATE = 80, 48, 25, 16_000
SCENE_S = 0.4


def write_film(
    path: Path,
    seconds: float,
    seed: int = 0,
    sound: bool = True,
    picture: bool = True,
    sound_s: float | None = None,
    sound_start_s: float = 0.0,
) -> Path:
    """Write scenes of 0.4 s: the higher the tone, the brighter and farther right the bar.

    The sound lasts `sound_s`, as long as the picture by default, and starts at `sound_start_s`.
    """
    rng = np.random.default_rng(seed)
    places = rng.random(int(np.ceil(seconds / SCENE_S)))
    with av.open(str(path), "w", format="matroska") as container:
        if picture:
            video = container.add_stream("mpeg4", rate=FPS)
            video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if sound:
            audio = container.add_stream("pcm_s16le", rate=RATE)
            audio.layout = "mono"
        if picture:
            for k in range(round(seconds * FPS)):
                place = places[int(k / FPS / SCENE_S)]
                pixels = np.full((HEIGHT, WIDTH, 3), int(20 + 180 * place), dtype=np.uint8)
                left = int(place * (WIDTH - 16))
                pixels[k % 4 : HEIGHT - 4 + k % 4, left : left + 16] = 230
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                frame.pts, frame.time_base = k, Fraction(1, FPS)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if sound:
            first, last = (round(at * RATE) for at in (sound_start_s, sound_s or seconds))
            time = np.arange(first, last) / RATE
            pitch = 200 * 16 ** places[(time / SCENE_S).astype(int)]
            phase = 2 * np.pi * np.cumsum(pitch) / RATE
            noise = 0.01 * rng.standard_normal(len(time))
            samples = ((0.3 * np.sin(phase) + noise) * 32767).astype(np.int16)
            block = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            block.sample_rate, block.pts = RATE, first
            block.time_base = Fraction(1, RATE)
            container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three films of 8 s; the last serves as validation."""
    folder = tmp_path_factory.mktemp("films")
    return [write_film(folder / f"film_{seed}.mkv", 8.0, seed) for seed in range(3)]


TINY_STAGE_1 = AudioVisualConfig(
    audio_encoder="tiny",
    video_encoder="tiny",
    steps=6,
    validate_every=2,
    batch_size=4,
    clip_s=0.4,
    validation_clips=6,
)


class InterruptionError(RuntimeError):
    """Stands for a killed process."""


class InterruptAt(pl.Callback):
    """Breaks a training off at a step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object) -> None:
        if trainer.global_step == self._step:
            raise InterruptionError


class Steps(pl.Callback):
    """Notes the steps that were taken."""

    def __init__(self, seen: list[int]) -> None:
        self._seen = seen

    def on_train_batch_end(self, trainer: pl.Trainer, *args: object) -> None:
        self._seen.append(trainer.global_step)


def same_weights(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Tell whether two models hold bit-identical tensors."""
    theirs = second.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in first.state_dict().items())
