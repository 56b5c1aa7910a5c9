import pytest
import torch
from torch.nn import functional

from padam.quality.spectral_convolution import (
    SpectralConvolution,
    cut_blocks,
    input_block,
    join_neighbours,
)

TAPS = 15


def direct(signals: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, stride: int):
    """The definition, in double precision."""
    result = functional.conv1d(
        signals.double(), weight.double(), bias.double(), stride=stride, padding=TAPS // 2
    )
    return functional.leaky_relu(result, 0.1)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("length", [1, 7, 49, 50, 51, 400, 1203])
def test_equals_the_direct_convolution(stride: int, length: int) -> None:
    generator = torch.Generator().manual_seed(length)
    signals = torch.randn(2, 3, length, generator=generator)
    weight = torch.randn(5, 3, TAPS, generator=generator)
    bias = torch.randn(5, generator=generator)
    convolution = SpectralConvolution(weight, bias, stride, negative_slope=0.1)
    result = convolution(cut_blocks(signals, input_block(TAPS), multiple=1))
    expected = direct(signals, weight, bias, stride)
    assert result.length == expected.shape[2]
    found = result.per_signal().permute(2, 1, 3, 0).reshape(2, 5, -1)
    assert torch.allclose(found[:, :, : result.length].double(), expected, atol=2e-5)
    assert not found[:, :, result.length :].any()


def test_a_stack_over_two_rates_equals_the_direct_one() -> None:
    generator = torch.Generator().manual_seed(1)
    signals = torch.randn(2, 2, 731, generator=generator)
    layers = [
        (torch.randn(2, 2, TAPS, generator=generator) / 5, torch.randn(2, generator=generator), s)
        for s in (1, 2, 1)
    ]
    blocks = cut_blocks(signals, input_block(TAPS), multiple=2)
    expected = signals
    for weight, bias, stride in layers:
        convolution = SpectralConvolution(weight, bias, stride, negative_slope=0.1)
        if blocks.samples.shape[0] < convolution.block:
            blocks = join_neighbours(blocks)
        blocks = convolution(blocks)
        expected = direct(expected, weight, bias, stride)
    assert torch.allclose(blocks.time_mean().double(), expected.mean(dim=2), atol=1e-5)


def test_many_steps_equal_one(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(2)
    blocks = cut_blocks(torch.randn(1, 2, 20000, generator=generator), input_block(TAPS), 1)
    convolution = SpectralConvolution(
        torch.randn(2, 2, TAPS, generator=generator), torch.zeros(2), 1, negative_slope=0.1
    )
    whole = convolution(blocks).samples
    monkeypatch.setattr("padam.quality.spectral_convolution._SCRATCH_BYTES", 1)
    monkeypatch.setattr("padam.quality.spectral_convolution._MIN_COLUMNS", 7)
    assert torch.allclose(convolution(blocks).samples, whole, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_bfloat16_has_neither_gain_nor_offset(stride: int) -> None:
    generator = torch.Generator().manual_seed(3)
    signals = torch.randn(1, 64, 20000, generator=generator).bfloat16()
    weight = torch.randn(8, 64, TAPS, generator=generator) / 30
    # halfway between two bfloat16 numbers
    bias = torch.full((8,), 1 + 2**-8)
    convolution = SpectralConvolution(weight, bias, stride, 1.0, dtype=torch.bfloat16)
    result = convolution(cut_blocks(signals, input_block(TAPS), multiple=1))
    found = result.per_signal().permute(2, 1, 3, 0).reshape(8, -1)[:, : result.length].double()
    expected = functional.conv1d(
        signals.double(), weight.double(), stride=stride, padding=TAPS // 2
    )[0]
    varying = found - found.mean(1, keepdim=True)
    gain = (varying * expected).sum() / expected.square().sum()
    assert gain.item() == pytest.approx(1, abs=3e-4)
    assert (found - expected).mean().item() == pytest.approx(bias[0].item(), abs=1e-3)
