"""Average pooling in the faster memory format.

On a CPU, torch's average pooling is mostly four to ten times as slow in the contiguous format as in the channels-last
format, and its derivative two to seven times as slow: up to a third of the time of a cell network. The pooling here
converts the format, and has the same values and derivatives of any order to the bit. ``torch.fx`` and TorchScript
cannot trace it.
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
        return _pooled(x / _counts(x), 1) if transposed else _pooled(x, None)

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


def _pooled(x: Tensor, divisor: int | None) -> Tensor:
    last = x.contiguous(memory_format=torch.channels_last)
    pooled = functional.avg_pool2d(last, 3, 1, 1, count_include_pad=False, divisor_override=divisor)
    return pooled.contiguous(memory_format=_order(x))


def _order(x: Tensor) -> torch.memory_format:
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def _counts(x: Tensor) -> Tensor:
    """Return the number of pixels in each window: ``1 x 1 x h x w``."""
    return functional.avg_pool2d(x.new_ones(1, 1, *x.shape[-2:]), 3, 1, 1, divisor_override=1)
