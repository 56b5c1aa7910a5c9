"""Throughput of the AA system beside PADAM's encoder: scoring, training, simulation.

Run as `python benchmarks/audio_artifacts.py [--quick] [--json PATH]`. Scoring is of stereo at each
system's own rate: CNN6 with its front end and the resampling of its chunks, against `embed_audio`
at the paper's size, both in the precision they pick for this machine, in turn. Training is the step
that training takes, Adam and clipping included. Simulation is of a piece of a file: six versions,
chunks and spectrograms. Everything is in seconds of the process on one thread, which other work on
the machine hardly lengthens. Networks are untrained: speed does not depend on weights.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch.nn import functional

from padam.audio import Audio
from padam.defects.audio_artifacts.config import SAMPLE_RATE, SimulationConfig
from padam.defects.audio_artifacts.titles import TitlePlanConfig
from padam.detection.scorers.audio_artifacts import AudioArtifactsScorer
from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder
from padam.models.cnn6 import Cnn6, Cnn6Config
from padam.training.artifact_chunks import render_pieces
from padam.training.embedding import SAMPLE_RATE as ENCODER_RATE
from padam.training.embedding import embed_audio, resolve_precision
from report import Row, parser, publish, row

BATCH = 64


def main() -> None:
    arguments = parser("Speed of Audio Artifacts.").parse_args()
    torch.set_num_threads(1)
    rounds, seconds = (2, 20) if arguments.quick else (7, 60)
    dtype = resolve_precision("auto", torch.device("cpu"))
    rows = scoring(rounds, seconds) + simulation(rounds, seconds)
    rows += training(rounds, {"float32": torch.float32, "auto": dtype})
    publish(rows, arguments.json, torch=torch.__version__)


def scoring(rounds: int, seconds: int) -> list[Row]:
    """Return the rows of scoring, on one thread."""
    scorer = AudioArtifactsScorer(Cnn6().eval())
    own, other = (programme(seconds, rate) for rate in (SAMPLE_RATE, ENCODER_RATE))
    encoder = AudioEncoder(AUDIO_ENCODER_SIZES["paper"]).eval()
    encoder.log_mel.fit_statistics(torch.from_numpy(other))
    took = in_turn(
        {
            "ours": lambda: scorer.score([own]),
            "encoder": lambda: embed_audio(encoder, other),
        },
        rounds,
    )
    audio_s = len(own) * seconds
    note = "mono seconds a CPU second, one thread"
    return [
        row("x_realtime", audio_s / took["ours"], "x", f"CNN6 and its front end; {note}"),
        row("x_realtime_padam_encoder", audio_s / took["encoder"], "x", f"paper's size; {note}"),
        row("ratio_over_padam_encoder", took["encoder"] / took["ours"], "x", "above 1: faster"),
    ]


def simulation(rounds: int, seconds: int) -> list[Row]:
    """Return the rows of making training chunks, on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        audio = programme(seconds, SAMPLE_RATE)
        soundfile.write(Path(folder) / "a.wav", audio.T, SAMPLE_RATE)
        samples = seconds * SAMPLE_RATE
        piece = {
            "source": "a.wav", "split": "train", "kind": "music", "channels": 2, "seed": 0,
            "samples": 600 * SAMPLE_RATE, "gain": 1.0, "peak": 20_000, "start": 0,
            "length": samples,
        }  # fmt: skip
        render = (Path(folder), [piece], TitlePlanConfig(), SimulationConfig())
        chunks = len(render_pieces(*render).rows)
        took = in_turn({"ours": lambda: render_pieces(*render)}, rounds)
    note = "six versions, chunks and spectrograms, one thread"
    return [row("simulated_chunks_per_cpu_s", chunks / took["ours"], "chunks/s", note)]


def training(rounds: int, dtypes: dict[str, torch.dtype]) -> list[Row]:
    """Return the rows of training, on one thread."""
    steps = {name: training_step(dtype) for name, dtype in dtypes.items()}
    took = in_turn(steps, rounds)
    names = {name: str(dtype).removeprefix("torch.") for name, dtype in dtypes.items()}
    return [
        row(
            "training_clips_per_s" + ("" if name == "auto" else f"_{name}"),
            BATCH / took[name],
            "clips/s",
            f"{names[name]}, batch of {BATCH} seconds, one thread, by CPU time",
        )
        for name in ("auto", "float32")
    ]


def training_step(dtype: torch.dtype) -> Callable[[], None]:
    """Return one step of training on a batch."""
    torch.manual_seed(0)
    model = Cnn6(Cnn6Config(conv_dropout=0.0)).train()
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, 1e-3)
    log_mel, label = torch.randn(BATCH, 1, 101, 64), torch.randint(0, 5, (BATCH,))

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
            logits = model(log_mel)
        functional.cross_entropy(logits.float(), label).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return step


def programme(seconds: int, rate: int) -> Audio:
    """Draw tones over noise, stereo."""
    rng = np.random.default_rng(0)
    time_s = np.arange(seconds * rate) / rate
    tones = sum(np.sin(2 * np.pi * f * time_s) for f in (110, 440, 1760)) / 12
    noise = 0.02 * rng.standard_normal((2, len(time_s))) * (1 + np.sin(time_s))
    return (tones + noise).astype(np.float32)


def in_turn(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Run A B A B … after a round that warms up; return each one's median CPU seconds."""
    took: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            start = time.process_time()
            work()
            if turn:
                took[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in took.items()}


if __name__ == "__main__":
    main()
