"""Convolution along time by short Fourier transforms, for networks with long kernels.

A direct convolution with 15 taps multiplies 15 times per output and channel pair. Here the signal
is cut into blocks, each block is transformed (DFT), multiplied by the transformed kernel and
transformed back (overlap-save). A complex product takes three real ones (Gauss), so a DFT of length
N with N - 14 valid outputs needs about 1.5 N products: with N = 64, 1.9 per output instead of 15.
The whole is three matrix products, `synthesis @ (kernel * (analysis @ block))`, and all of them run
in the precision of the weights. In bfloat16 the DFT's few cosines are off by up to 0.2 %, the same
in every block: an error in gain that a network of many layers adds up. So the kernel's transform is
not the DFT but the least-squares fit to the two rounded matrices, which takes the bias out.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

TRANSFORM_SIZE = 64
# scratch memory of one step: more leaves the cache, less repeats the reading of the kernels
_SCRATCH_BYTES = 8 << 20
_MIN_COLUMNS = 96


@dataclass
class Blocks:
    """Equally long signals cut into blocks.

    `samples` has shape (block length, channels, columns): signal s has its blocks in columns
    1 + s * (count + 1) onwards, and a column of zeros stands before, between and after signals. All
    samples from `length` on are zero: they are the padding that the next convolution sees.
    """

    samples: Tensor
    count: int
    length: int

    def per_signal(self) -> Tensor:
        """View (block length, channels, signals, count) of the blocks alone."""
        size, channels, columns = self.samples.shape
        signals = (columns - 1) // (self.count + 1)
        view = self.samples[:, :, 1:].view(size, channels, signals, self.count + 1)
        return view[..., : self.count]

    def clear_padding(self) -> None:
        """Set every sample outside the signals to zero, in place."""
        self.samples[:, :, :: self.count + 1] = 0
        last, used = divmod(self.length, self.samples.shape[0])
        blocks = self.per_signal()
        blocks[used:, :, :, last : last + 1] = 0
        blocks[:, :, :, last + 1 :] = 0

    def time_mean(self) -> Tensor:
        """Mean over the signals' time, float32 (signals, channels)."""
        return self.per_signal().float().sum(dim=(0, 3)).T / self.length


def cut_blocks(signals: Tensor, block: int, multiple: int) -> Blocks:
    """Cut (signals, channels, time) into blocks, their count a multiple of `multiple`."""
    number, channels, length = signals.shape
    count = -(-length // (block * multiple)) * multiple
    blocks = _zero_blocks(signals, block, channels, number, count, length)
    padded = functional.pad(signals, (0, count * block - length))
    blocks.per_signal().copy_(padded.view(number, channels, count, block).permute(3, 1, 0, 2))
    return blocks


def join_neighbours(blocks: Blocks) -> Blocks:
    """Join blocks in pairs: twice as long, half as many. Needs an even count."""
    source = blocks.per_signal()
    size, channels, number, count = source.shape
    joined = _zero_blocks(source, 2 * size, channels, number, count // 2, blocks.length)
    target = joined.per_signal()
    target[:size] = source[..., 0::2]
    target[size:] = source[..., 1::2]
    return joined


def _zero_blocks(
    like: Tensor, size: int, channels: int, number: int, count: int, length: int
) -> Blocks:
    samples = like.new_zeros(size, channels, number * (count + 1) + 1)
    return Blocks(samples, count, length)


class SpectralConvolution:
    """1-D convolution, zero-padded by half a kernel on both sides, then leaky ReLU.

    weight: (out, in, taps), taps odd; bias: (out,). A stride of 2 keeps every second output and
    takes the two phases of the input as separate channels, so that its transform is half as long.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        stride: int,
        negative_slope: float,
        dtype: torch.dtype = torch.float32,
        transform_size: int = TRANSFORM_SIZE,
    ) -> None:
        out_channels, in_channels, taps = weight.shape
        self.stride = stride
        self.negative_slope = negative_slope
        self.halo = taps // 2
        self.block = input_block(taps, transform_size)
        phase_taps = -(-taps // stride)
        phases = functional.pad(weight.double(), (0, phase_taps * stride - taps))
        phases = phases.view(out_channels, in_channels, phase_taps, stride)
        phases = phases.permute(0, 3, 1, 2).reshape(out_channels, stride * in_channels, phase_taps)
        self.transform_size = transform_size // stride
        analysis, kernel, synthesis = _transforms(self.transform_size, phase_taps, dtype)
        self.analysis = analysis.to(dtype)
        self.synthesis = synthesis.to(dtype)
        self.weight = torch.einsum("mt,oit->moi", kernel, phases).to(dtype).contiguous()
        # A constant is the transform's first row alone. In float32: rounded to bfloat16, a bias is
        # off by as much as everything else together, while the sum's rounding averages out.
        self.offset = (bias.double() * self.transform_size).float()[:, None]

    def __call__(self, blocks: Blocks) -> Blocks:
        """Convolve blocks of `self.block` samples; returns blocks of `self.block // stride`."""
        samples = blocks.samples
        columns = samples.shape[2]
        out_block, products = self.synthesis.shape
        out_channels, channels = self.weight.shape[1:]
        output = samples.new_empty(out_block, out_channels, columns)
        column_bytes = products * max(channels, out_channels) * samples.element_size()
        step = max(_MIN_COLUMNS, _SCRATCH_BYTES // column_bytes)
        for first in range(1, columns - 1, step):
            last = min(first + step, columns - 1)
            block = torch.cat(
                [
                    samples[self.block - self.halo :, :, first - 1 : last - 1],
                    samples[:, :, first:last],
                    samples[: self.halo, :, first + 1 : last + 1],
                ]
            )
            # rows alternate between the phases, so that this view puts them side by side
            spectrum = self.analysis @ block.view(self.transform_size, -1)
            product = torch.bmm(self.weight, spectrum.view(products, channels, last - first))
            product[0] += self.offset
            result = self.synthesis @ product.view(products, -1)
            functional.leaky_relu_(result, self.negative_slope)
            output[:, :, first:last] = result.view(out_block, out_channels, last - first)
        convolved = Blocks(output, blocks.count, -(-blocks.length // self.stride))
        convolved.clear_padding()
        return convolved


def input_block(taps: int, transform_size: int = TRANSFORM_SIZE) -> int:
    """Block length of a convolution with `taps` taps: the valid outputs of one transform."""
    return transform_size - taps + 1


@cache
def _transforms(size: int, taps: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Matrices of the bilinear form, in double precision, the outer two rounded to `dtype`.

    analysis (products, size), kernel (products, taps), synthesis (size - taps + 1, products): the
    outputs are synthesis @ ((kernel @ weight) * (analysis @ block)). With X = a + ib the spectrum
    of the block and the conjugate kernel spectrum c + id, the three products are c(a + b),
    (d - c)a and (c + d)b; the first less the third is the real part, the first plus the second the
    imaginary part. The spectrum's two ends are real: one product each.
    """
    frequency = torch.arange(size // 2 + 1, dtype=torch.float64)[:, None]
    angle = 2 * torch.pi * frequency * torch.arange(size, dtype=torch.float64) / size
    real, imaginary = torch.cos(angle), -torch.sin(angle)
    ends, inner = [0, size // 2], slice(1, size // 2)
    analysis = torch.cat(
        [real[ends], (real + imaginary)[inner], real[inner], imaginary[inner]],
    )
    valid = size - taps + 1
    from_real, from_imaginary = real[:, :valid] * 2 / size, imaginary[:, :valid] * 2 / size
    synthesis = torch.cat(
        [
            from_real[ends] / 2,
            (from_real + from_imaginary)[inner],
            from_imaginary[inner],
            -from_real[inner],
        ]
    ).T.contiguous()
    analysis, synthesis = (matrix.to(dtype).double() for matrix in (analysis, synthesis))
    return analysis, _fitted_kernel(analysis, synthesis), synthesis


def _fitted_kernel(analysis: Tensor, synthesis: Tensor) -> Tensor:
    """Kernel's transform (products, taps) with which the two matrices convolve best.

    A kernel that is one at tap t shall give output j = sample j + t: tap by tap, and by least
    squares over all outputs and samples. Given the exact matrices this is the kernel's DFT: the
    real spectrum c at the two ends, then c, d - c and c + d.
    """
    valid, size = len(synthesis), analysis.shape[1]
    gram = (synthesis.T @ synthesis) * (analysis @ analysis.T)
    wanted = [(synthesis.T * analysis[:, t : t + valid]).sum(1) for t in range(size - valid + 1)]
    return torch.linalg.solve(gram, torch.stack(wanted, dim=1))
