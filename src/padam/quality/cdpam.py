"""CDPAM, a learned perceptual distance (Manocha et al., ICASSP 2021).

The published network in another form: the batch norm is folded into the convolutions, only the
outputs that are used are computed, and the convolutions run by `spectral_convolution`. In float32
the distance is the published one up to rounding.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from padam.quality.base import MetricScore, Signal
from padam.quality.crops import most_damaged_window
from padam.quality.guards import unscorable_pair
from padam.quality.installed_weights import read_installed_weights
from padam.quality.spectral_convolution import (
    SpectralConvolution,
    cut_blocks,
    input_block,
    join_neighbours,
)

Precision = Literal["auto", "float32", "bfloat16"]

WEIGHTS_SHA256 = "453c8b6edee1a94f0120236156436ff28fe4d8d884485e4a67695c8e8570bdfe"
_SCALE = 32768.0
_LAYERS = 16
_LAYERS_PER_STAGE = 4
_NEGATIVE_SLOPE = 0.1


class Cdpam:
    """CDPAM distance, 0 (same) upwards, about 1 for heavy damage (PADAM §3.2).

    crop_s: length of the window that is scored, the one with the greatest error energy; None
    scores the whole signal, as published. precision: `auto` takes bfloat16 where the CPU has it.
    """

    name = "cdpam"
    sample_rate = 22050
    higher_is_better = False
    needs_reference = True

    def __init__(self, crop_s: float | None = None, precision: Precision = "auto") -> None:
        self.crop_s = crop_s
        self.dtype = resolve_precision(precision)

    def score(self, reference: Signal, degraded: Signal) -> MetricScore:
        """Score one channel at 22.05 kHz."""
        if reason := unscorable_pair(self, reference, degraded):
            return MetricScore.missing(reason)
        if reference.size != degraded.size:
            lengths = f"{reference.size} and {degraded.size} samples"
            return MetricScore.missing(f"reference and degraded differ in length: {lengths}")
        if self.crop_s is not None:
            window = most_damaged_window(reference, degraded, round(self.crop_s * self.sample_rate))
            reference, degraded = reference[window], degraded[window]
        with torch.inference_mode(), _one_thread():
            value = float(_network(self.dtype).distance(reference, degraded))
        return MetricScore(value) if np.isfinite(value) else MetricScore.missing("CDPAM: NaN")


def resolve_precision(precision: Precision) -> torch.dtype:
    """The number type to compute in; `auto` is bfloat16 only where the CPU multiplies it fast."""
    if precision == "auto":
        return torch.bfloat16 if _has_fast_bfloat16() else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]


def _has_fast_bfloat16() -> bool:
    # torch names these checks as its own, and not every build has them
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(getattr(torch.cpu, check, lambda: False)()) for check in checks)


class CdpamNetwork:
    """CDPAM's encoder and distance head for pairs of mono signals at 22.05 kHz.

    state: the published `state_dict`. The encoder has 16 convolutions of 15 taps, each with batch
    norm and leaky ReLU, of which every fourth halves the rate. Its mean over time has a half
    for acoustics and one for content; the distance takes the first.
    """

    def __init__(self, state: Mapping[str, Tensor], dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._first, *rest = (_folded_layer(state, layer) for layer in range(_LAYERS))
        self._layers = [
            SpectralConvolution(
                weight,
                bias,
                stride=2 if layer % _LAYERS_PER_STAGE == 0 else 1,
                negative_slope=_NEGATIVE_SLOPE,
                dtype=dtype,
            )
            for layer, (weight, bias) in enumerate(rest, start=2)
        ]
        self._head = [
            tuple(
                state[key].float()
                for key in (
                    f"model_dist.convs.{layer}.0.weight",
                    f"model_dist.convs.{layer}.0.bias",
                    f"model_dist.chan_w.{layer}",
                )
            )
            for layer in range(4)
        ]

    def distance(self, reference: Signal, degraded: Signal) -> Tensor:
        """Distance of two signals of equal length in [-1, 1]."""
        pair = torch.from_numpy(np.stack([reference, degraded])).float()
        # the network was trained on 16-bit sample values
        first, second = functional.normalize(self.encode(torch.round(pair * _SCALE)), dim=1)
        distance = torch.zeros(())
        for layer, (weight, bias, channel_weight) in enumerate(self._head, start=1):
            first = functional.linear(first, weight, bias)
            second = functional.linear(second, weight, bias)
            if layer < len(self._head):
                first, second = functional.leaky_relu(first), functional.leaky_relu(second)
            distance = distance + ((second - first) * channel_weight).abs().sum()
        return distance

    def encode(self, signals: Tensor) -> Tensor:
        """Acoustic embedding of (signals, samples) in 16-bit sample values: (signals, 512)."""
        weight, bias = self._first
        taps = weight.shape[2]
        features = functional.conv1d(signals[:, None], weight, bias, padding=taps // 2)
        functional.leaky_relu_(features, _NEGATIVE_SLOPE)
        # three stages halve the rate before the last, hence a count that halves three times
        blocks = cut_blocks(features.to(self.dtype), input_block(taps), multiple=8)
        for layer in self._layers:
            if blocks.samples.shape[0] < layer.block:
                blocks = join_neighbours(blocks)
            blocks = layer(blocks)
        return blocks.time_mean()


def _folded_layer(state: Mapping[str, Tensor], layer: int) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with its batch norm folded in."""
    convolution, norm = f"base_encoder.encoder.{layer}", f"base_encoder.ebatch.{layer}"
    gain = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + 1e-5)
    weight = state[f"{convolution}.weight"] * gain[:, None, None]
    shift = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain
    bias = state[f"{convolution}.bias"] * gain + shift
    if layer == _LAYERS - 1:
        # the content half is never used
        weight, bias = weight[: len(weight) // 2], bias[: len(bias) // 2]
    return weight.contiguous(), bias.contiguous()


def published_state() -> dict[str, Tensor]:
    """The published `state_dict`, read from the installed wheel. Raises WeightsError."""
    content = read_installed_weights(
        "cdpam", "cdpam/CDPAM_trained/scratchJNDdefault_best_model.pth", WEIGHTS_SHA256
    )
    # the file is older than torch's restricted reader, which refuses it; the hash vouches for it
    checkpoint = torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)
    state: dict[str, Tensor] = checkpoint["state"]
    return state


@cache
def _network(dtype: torch.dtype) -> CdpamNetwork:
    return CdpamNetwork(published_state(), dtype)


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread per worker process: more only slow each other down."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
