"""Throughput of stage 2: training steps of the quality head, as a share of the machine's GEMM rate.

Run as `python benchmarks/quality_head.py [--quick] [--json PATH]`. A step is the one that training
takes: the forward pass of 256 rows (the paper's batch, 128 pairs) of 75 embeddings, the three
losses, the backward pass, clipping and SGD. Rounds of float32, of bfloat16 mixed precision and of
large matrix products of both types come in turn in one run, on all cores. Floating-point operations
are those that torch's `FlopCounterMode` counts where the GRU is written out as matrix products, the
same weights and shapes. Where the step's time goes is told by the same step without its GRU.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from padam.defects.registry import DEFECT_NAMES
from padam.training.fitting import Batch
from padam.training.head_module import QualityHeadModule, QualityHeadTraining
from padam.training.pairs import PairedEmbeddings
from report import Row, parser, publish, row

STEPS = 75
GEMM_SIZE = 2048
GEMM_PRODUCTS = 20
DTYPES = (torch.float32, torch.bfloat16)


def main() -> None:
    arguments = parser("A training step of stage 2 at the paper's size.").parse_args()
    cores = os.cpu_count() or 1
    torch.set_num_threads(cores)
    rounds = 2 if arguments.quick else 9
    training = QualityHeadTraining(batch_size=32 if arguments.quick else 256)
    publish(rows(training, rounds, cores), arguments.json, threads=cores)


def rows(training: QualityHeadTraining, rounds: int, cores: int) -> list[Row]:
    """Return all rows."""
    pairs, clips = example_pairs(4 * training.batch_size), training.batch_size
    batch = pairs.batch(np.arange(clips // 2))
    works: dict[str, Callable[[], object]] = {}
    for dtype in DTYPES:
        left, right = torch.randn(2, GEMM_SIZE, GEMM_SIZE).to(dtype)
        name = str(dtype).removeprefix("torch.")
        works[f"step_{name}"] = training_step(training, batch, dtype)
        works[f"gemm_{name}"] = lambda left=left, right=right: [
            left @ right for _ in range(GEMM_PRODUCTS)
        ]
    with without_gru():
        works["rest_float32"] = training_step(training, batch, torch.float32)
    works["batch"] = lambda: pairs.batch(np.random.default_rng().permutation(clips)[: clips // 2])
    gflop = flops_of(training, batch) / clips / 1e9
    took: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if number:  # the first round warms up
                took[name].append(time.perf_counter() - start)
    median = {name: statistics.median(times) for name, times in took.items()}
    found = [row("gflop_per_clip", gflop, "GFLOP", "forwards and backwards, 75 embeddings")]
    for name in ("float32", "bfloat16"):
        peak = GEMM_PRODUCTS * 2 * GEMM_SIZE**3 / median[f"gemm_{name}"] / 1e9
        rate = clips / median[f"step_{name}"]
        note = f"{name}, batch of {clips} rows, {cores} threads"
        found += [
            row(f"clips_per_s_{name}", rate, "clips/s", note),
            row(f"share_of_gemm_rate_{name}", rate * gflop / peak, "", f"of {peak:.0f} GFLOP/s"),
        ]
    return [
        *found,
        row(
            "bfloat16_over_float32",
            median["step_float32"] / median["step_bfloat16"],
            "x",
            "steps a second",
        ),
        row(
            "gru_share_of_step",
            1 - median["rest_float32"] / median["step_float32"],
            "",
            "float32; 75 products one after the other",
        ),
        row("batch_share_of_step", median["batch"] / median["step_float32"], "", "reading a batch"),
    ]


def example_pairs(count: int) -> PairedEmbeddings:
    """Noise of the right shapes: cost does not depend on what is learned."""
    rng = np.random.default_rng(0)
    reference, degraded = rng.standard_normal((2, count, STEPS, 384), dtype=np.float32)
    labels = rng.integers(0, 2, (count, len(DEFECT_NAMES)))
    splits = ["train"] * count
    return PairedEmbeddings.validated(
        reference, degraded, rng.random(count), labels, np.arange(count) // 4, splits
    )


def training_step(
    training: QualityHeadTraining, batch: Batch, dtype: torch.dtype
) -> Callable[[], None]:
    """Return one step of training on a batch."""
    torch.manual_seed(0)
    module = QualityHeadModule(training)
    parameters = list(module.parameters())
    optimizer = torch.optim.SGD(
        parameters, training.max_lr, training.momentum, weight_decay=training.weight_decay
    )
    gru = module.head.gru

    def step() -> None:
        with patch.object(module.head, "gru", gru):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype, enabled=dtype is not torch.float32):
                loss, _, _ = module.losses(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, training.gradient_clip)
            optimizer.step()

    return step


class Identity(nn.Module):
    """Takes the place of the GRU where the rest of the step is timed."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()

    def forward(self, inputs: Tensor) -> tuple[Tensor, None]:
        """Return what came in."""
        return inputs, None


class WrittenOut(nn.GRU):
    """The same recurrence by products that `FlopCounterMode` knows; on CPUs it misses the GRU's."""

    def forward(self, inputs: Tensor, _: Tensor | None = None) -> tuple[Tensor, None]:  # type: ignore[override]
        """Return the hidden states (B, T, H) of inputs (B, T, I)."""
        gates_in = inputs @ self.weight_ih_l0.T + self.bias_ih_l0
        hidden = inputs.new_zeros(inputs.shape[0], self.hidden_size)
        states = []
        for step in range(inputs.shape[1]):
            gates = hidden @ self.weight_hh_l0.T + self.bias_hh_l0
            reset_in, update_in, new_in = gates_in[:, step].chunk(3, dim=1)
            reset, update, new = gates.chunk(3, dim=1)
            gate = torch.sigmoid(update_in + update)
            candidate = torch.tanh(new_in + torch.sigmoid(reset_in + reset) * new)
            hidden = (1 - gate) * candidate + gate * hidden
            states.append(hidden)
        return torch.stack(states, dim=1), None


@contextmanager
def without_gru() -> Iterator[None]:
    with patch("torch.nn.GRU", Identity):
        yield


def flops_of(training: QualityHeadTraining, batch: Batch) -> float:
    """Floating-point operations of a forward and backward pass."""
    with patch("torch.nn.GRU", WrittenOut):
        module = QualityHeadModule(training)
    with FlopCounterMode(display=False) as counter:
        module.losses(batch)[0].backward()
    return float(counter.get_total_flops())


if __name__ == "__main__":
    main()
