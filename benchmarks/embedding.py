"""Stage 1's encoder at the paper's size: its runtimes beside fp32 eager, DNSMOS and NISQA.

Run `python benchmarks/embedding.py [--quick] [--nisqa PATH] [--json PATH]`. Everything takes the
same audio in turn. Seconds are the process's own on one thread, which other work on the machine
does not lengthen; `x_realtime_all_cores` is wall time with a thread for every core and wants an
idle machine. Ours is `embed_audio` with the runtime it picks for this machine, and in float32; the
alternative runs the network in fp32 as written. DNSMOS and NISQA rate segments of 10 s, as
detection does. NISQA's weights (`nisqa.tar`, CC BY-NC-SA) are not ours to ship: its rows are there
where `--nisqa` names the file. The encoder is untrained: speed does not depend on weights.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from padam.audio import Audio
from padam.detection.scorers.nisqa import NisqaScorer
from padam.models.audio_encoder import AUDIO_ENCODER_SIZES, AudioEncoder
from padam.models.log_mel import WINDOW_SAMPLES
from padam.quality.base import Signal
from padam.quality.dnsmos import rate_speech
from padam.training.embedding import SAMPLE_RATE, embed_audio, resolve_precision
from report import Row, parser, publish, row

CHUNK_S = 60
SEGMENT_S = 10
GEMM_SIZE = 2048
GEMM_PRODUCTS = 20


def main() -> None:
    options = parser("Speed of the audio encoder.")
    options.add_argument("--nisqa", type=Path, help="weights of NISQA v2, nisqa.tar")
    arguments = options.parse_args()
    torch.set_num_threads(1)
    rounds, seconds_of_audio = (3, 60) if arguments.quick else (7, 120)
    audio = programme(seconds_of_audio)
    encoder = paper_encoder(audio)
    dtype = resolve_precision("auto", torch.device("cpu"))
    left, right = torch.randn(2, GEMM_SIZE, GEMM_SIZE).to(dtype)
    systems: dict[str, Callable[[], object]] = {
        "ours": lambda: embed_audio(encoder, audio),
        "ours_float32": lambda: embed_audio(encoder, audio, "float32"),
        "fp32_eager": lambda: eager_fp32(encoder, audio),
        "dnsmos": lambda: rate_segments(audio[0]),
        "gemm": lambda: [left @ right for _ in range(GEMM_PRODUCTS)],
    }
    if arguments.nisqa:
        rate = NisqaScorer(arguments.nisqa).rate
        whole = programme(seconds_of_audio, NisqaScorer.sample_rate)
        systems["nisqa"] = lambda: [
            rate(part) for part in segments(whole[0], NisqaScorer.sample_rate)
        ]
    took = in_turn(systems, rounds)
    rows = speeds(took, seconds_of_audio, str(dtype).removeprefix("torch."))
    rows += [agreement(encoder, audio), gemm_share(encoder, audio, took)]
    rows.append(all_cores(encoder, audio, rounds, seconds_of_audio))
    publish(rows, arguments.json, torch=torch.__version__)


def programme(seconds: int, rate: int = SAMPLE_RATE) -> Audio:
    """Draw tones over noise, mono."""
    rng = np.random.default_rng(0)
    time_s = np.arange(seconds * rate) / rate
    tones = sum(np.sin(2 * np.pi * f * time_s) for f in (110, 440, 1760)) / 12
    noise = 0.02 * rng.standard_normal(len(time_s)) * (1 + np.sin(time_s))
    return (tones + noise).astype(np.float32)[None]


def paper_encoder(audio: Audio) -> AudioEncoder:
    torch.manual_seed(0)
    encoder = AudioEncoder(AUDIO_ENCODER_SIZES["paper"]).eval()
    encoder.log_mel.fit_statistics(torch.from_numpy(audio))
    return encoder


def eager_fp32(encoder: AudioEncoder, audio: Audio) -> torch.Tensor:
    """Run the network as written, a minute at a time as ours does."""
    with torch.inference_mode():
        chunks = torch.from_numpy(audio).split(CHUNK_S * SAMPLE_RATE, dim=1)
        return torch.cat([encoder(chunk) for chunk in chunks], dim=1)


def rate_segments(signal: Signal) -> list[float]:
    return [rate_speech(segment)["ovrl"] for segment in segments(signal, SAMPLE_RATE)]


def segments(signal: Signal, rate: int) -> list[Signal]:
    return np.split(signal, len(signal) // (SEGMENT_S * rate))


def all_cores(encoder: AudioEncoder, audio: Audio, rounds: int, seconds: int) -> Row:
    """Return the wall-time speed with a thread for every core."""
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    took = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        embed_audio(encoder, audio)
        took.append(time.perf_counter() - start)
    torch.set_num_threads(1)
    note = f"wall time, {threads} threads, mono"
    return row("x_realtime_all_cores", seconds / statistics.median(took[1:]), "x", note)


def in_turn(systems: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Run A B C A B C … after a round that warms up; return each one's median seconds."""
    took: dict[str, list[float]] = {name: [] for name in systems}
    for turn in range(rounds + 1):
        for name, work in systems.items():
            start = time.process_time()
            work()
            if turn:
                took[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in took.items()}


def speeds(took: dict[str, float], seconds: int, dtype: str) -> list[Row]:
    note = f"paper's size, {dtype}, mono, one thread"
    rows = [
        row("x_realtime", seconds / took["ours"], "x", note),
        row("x_realtime_float32", seconds / took["ours_float32"], "x", "the same in float32"),
        row("x_realtime_fp32_eager", seconds / took["fp32_eager"], "x", "float32 as written"),
        row("x_realtime_dnsmos", seconds / took["dnsmos"], "x", "onnxruntime, segments of 10 s"),
        row("ratio_over_fp32_eager", took["fp32_eager"] / took["ours"], "x", "above 1: faster"),
        row("ratio_over_dnsmos", took["dnsmos"] / took["ours"], "x", "above 1: faster"),
    ]
    if "nisqa" in took:
        rows += [
            row("x_realtime_nisqa", seconds / took["nisqa"], "x", "torchmetrics, segments of 10 s"),
            row("ratio_over_nisqa", took["nisqa"] / took["ours"], "x", "above 1: faster"),
        ]
    return rows


def agreement(encoder: AudioEncoder, audio: Audio) -> Row:
    ours = torch.from_numpy(embed_audio(encoder, audio)).float()
    cosine = functional.cosine_similarity(ours, eager_fp32(encoder, audio), dim=-1)
    return row("cosine_to_fp32_min", cosine.min(), "", f"least of {cosine.numel()} embeddings")


def gemm_share(encoder: AudioEncoder, audio: Audio, took: dict[str, float]) -> Row:
    """Compare with large matrix products in the same type, measured in the same turns."""
    windows = audio.shape[1] // WINDOW_SAMPLES
    rate = windows * flops_per_window(encoder) / took["ours"]
    peak = GEMM_PRODUCTS * 2 * GEMM_SIZE**3 / took["gemm"]
    note = f"{rate / 1e9:.0f} of {peak / 1e9:.0f} GFLOP/s"
    return row("share_of_gemm_peak", rate / peak, "", note)


def flops_per_window(encoder: AudioEncoder) -> float:
    """Return the floating-point operations of the matrix products on one window of 0.4 s."""
    config, tokens = encoder.config, encoder.positions.shape[1]
    linear = config.depth * config.width**2 * (4 + 2 * config.mlp_ratio)
    attention = config.depth * 2 * tokens * config.width
    patches = (tokens - 2) * 256 * config.width
    return 2 * (tokens * (linear + attention) + patches)


if __name__ == "__main__":
    main()
