"""Average pooling by faster functions with the same values.

On a CPU, torch's average pooling is mostly four to ten times as slow in the contiguous format as in the channels-last
format, and its derivative two to seven times as slow: up to a third of the time of a cell network. The pooling here
converts the format. It sums the windows of larger maps by oneDNN's convolution with a kernel of ones, which is up to
five times as fast again. Values and derivatives of any order are those of torch's average pooling to the bit, as was
tested on x86 processors with SSE4.1, AVX2 and AVX-512; only a zero that is the mean of subnormal numbers may have
another sign. ``torch.fx`` and TorchScript cannot trace the pooling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable


_CHANNELS, _ENTRIES = 8, 2**14
"""The smallest channels and entries for which the conversion pays."""

_CONVOLVED = 2**15
"""The smallest entries for which the convolution pays."""


class AveragePool(nn.AvgPool2d):
    """The mean over 3x3 windows at stride 1, padding not counted: ``b x c x h x w`` to the same shape."""

    def __init__(self) -> None:
        super().__init__(3, stride=1, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the means."""
        large = x.dim() == 4 and x.shape[1] >= _CHANNELS and x.numel() >= _ENTRIES  # noqa: PLR2004
        exact = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
        return _apply(x, False) if large and exact else super().forward(x)


class _Pool(torch.autograd.Function):
    """The means, or their transpose, which gives each pixel its share of each mean. Each is the other's derivative."""

    @staticmethod
    def forward(x: Tensor, transposed: bool) -> Tensor:
        return _sums(x / _counts(x)) if transposed else _means(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, bool], output: Tensor) -> None:
        ctx.order, ctx.transposed = _order(output), inputs[1]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return _apply(grads[0].contiguous(memory_format=ctx.order), not ctx.transposed), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return _apply(tangents[0], ctx.transposed)

    @staticmethod
    def vmap(info: Any, dims: tuple[int, None], x: Tensor, transposed: bool) -> tuple[Tensor, int]:
        stacked = x.movedim(dims[0], 0).flatten(0, 1)
        return torch.unflatten(_apply(stacked, transposed), 0, (info.batch_size, -1)), 0


_apply: Callable[[Tensor, bool], Tensor] = _Pool.apply


def _means(x: Tensor) -> Tensor:
    return _convolved(x).div_(_counts(x)) if _convolves(x) else _pooled(x, None)


def _sums(x: Tensor) -> Tensor:
    return _convolved(x) if _convolves(x) else _pooled(x, 1)


def _pooled(x: Tensor, divisor: int | None) -> Tensor:
    """Return the sums of windows divided by a number, or by the number of their pixels where it is None."""
    last = x.contiguous(memory_format=torch.channels_last)
    pooled = functional.avg_pool2d(last, 3, 1, 1, count_include_pad=False, divisor_override=divisor)
    return pooled.contiguous(memory_format=_order(x))


def _convolved(x: Tensor) -> Tensor:
    """Return the sums of windows."""
    channels = x.shape[1]
    ones = x.new_ones(channels, 1, 3, 3)
    # Not functional.conv2d, which counts as a layer of the network.
    return torch.mkldnn_convolution(x, ones, None, (1, 1), (1, 1), (1, 1), channels)


def _convolves(x: Tensor) -> bool:
    """Return whether the convolution pays, takes the tensor, and does not round to fewer bits."""
    if x.numel() < _CONVOLVED or x.dtype is not torch.float32 or not x.is_contiguous():
        return False
    if torch.compiler.is_compiling() or type(x) is not Tensor:  # oneDNN cannot run on fake tensors
        return False
    mkldnn: Any = torch.backends.mkldnn
    precision = getattr(getattr(mkldnn, "conv", None), "fp32_precision", "none")  # torch 2.9 and later
    return bool(mkldnn.is_available() and mkldnn.enabled) and precision in ("none", "ieee")


def _order(x: Tensor) -> torch.memory_format:
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def _counts(x: Tensor) -> Tensor:
    """Return the number of pixels in each window: ``1 x 1 x h x w``."""
    return functional.avg_pool2d(x.new_ones(1, 1, *x.shape[-2:]), 3, 1, 1, divisor_override=1)
