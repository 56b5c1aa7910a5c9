"""What a step of stage 1 costs at the paper's size, and from it the paper's whole training.

Run as `python benchmarks/paper_training.py [--quick] [--json PATH]`. Two clips go forwards and
backwards through both encoders in mixed precision, on all cores; floating-point operations are
those that torch's `FlopCounterMode` counts, and the rate is compared with that of large matrix
products in the same run. The rows for GPUs are computed: so many operations, at the same share of
the published dense half-precision peak (V100 125, H100 SXM 989 TFLOP/s).
"""

import os
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from padam.models.losses import info_nce
from padam.training.audio_visual import WINDOW_S, AudioVisualConfig, AudioVisualModule
from padam.training.embedding import resolve_precision
from report import Row, parser, publish, row

CLIPS = 2
PAPER_CLIPS = 1e6
GEMM_SIZE = 2048
GEMM_PRODUCTS = 20
PEAK_TFLOPS = {"v100": 125.0, "h100": 989.0}


def main() -> None:
    arguments = parser("A training step of stage 1 at the paper's size.").parse_args()
    cores = os.cpu_count() or 1
    torch.set_num_threads(cores)
    rounds, clip_s = (1, 0.8) if arguments.quick else (3, 2.0)
    config = AudioVisualConfig(
        audio_encoder="paper", video_encoder="paper", clip_s=clip_s, batch_size=CLIPS
    )
    dtype = resolve_precision("auto", torch.device("cpu"))
    publish(rows(config, dtype, rounds, cores), arguments.json, threads=cores)


def rows(config: AudioVisualConfig, dtype: torch.dtype, rounds: int, cores: int) -> list[Row]:
    """Return all rows."""
    step = training_step(config, dtype)
    # the counter does not know the fused attention of CPUs
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        training_step(config.model_copy(update={"clip_s": WINDOW_S}), dtype)()
    tflop = counter.get_total_flops() / CLIPS / 1e12 * config.clip_s / WINDOW_S
    step()
    left, right = torch.randn(2, GEMM_SIZE, GEMM_SIZE).to(dtype)
    took: dict[str, list[float]] = {"step": [], "gemm": []}
    for _ in range(rounds):
        took["step"].append(seconds(step))
        took["gemm"].append(seconds(lambda: [left @ right for _ in range(GEMM_PRODUCTS)]))
    clip_s = statistics.median(took["step"]) / CLIPS
    peak = GEMM_PRODUCTS * 2 * GEMM_SIZE**3 / statistics.median(took["gemm"]) / 1e12
    share = tflop / clip_s / peak
    whole = PAPER_CLIPS * tflop * 10 / config.clip_s
    kind = str(dtype).removeprefix("torch.")
    return [
        row("tflop_per_clip", tflop, "TFLOP", f"forwards and backwards, {config.clip_s:g} s"),
        row("s_per_clip", clip_s, "s", f"{kind} mixed, {cores} threads, wall time"),
        row("share_of_gemm_peak", share, "", f"of {peak * 1e3:.0f} GFLOP/s"),
        row("eflop_1m_clips", whole / 1e6, "EFLOP", "1 M clips of 10 s, once"),
        row(
            "minutes_1m_clips_64_v100",
            whole / (64 * PEAK_TFLOPS["v100"] * share) / 60,
            "min",
            "computed, at the share above",
        ),
        row(
            "hours_1m_clips_1_h100",
            whole / (PEAK_TFLOPS["h100"] * share) / 3600,
            "h",
            "computed, at the share above",
        ),
    ]


def training_step(config: AudioVisualConfig, dtype: torch.dtype) -> Callable[[], None]:
    """Return a forward and backward pass over noise; cost does not depend on what is learned."""
    torch.manual_seed(0)
    module = AudioVisualModule(config)
    assert module.video_encoder is not None
    height, width = module.video_encoder.config.frame_size
    batch = {
        "audio": 0.1 * torch.randn(CLIPS, round(config.clip_s * 16_000)),
        "frames": torch.randint(
            0, 256, (CLIPS, config.clip_frames, height, width, 3), dtype=torch.uint8
        ),
    }

    def step() -> None:
        module.zero_grad()
        with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
            first, second = module(batch)
        info_nce(first.float(), second.float()).backward()

    return step


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
