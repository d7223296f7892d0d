"""Hardsigmoid with a second derivative, which torch does not have.

The function is piecewise linear, so its second derivative is 0, as torch has it for ReLU6.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002
    """Return the output of torch's function of this name, to the last bit."""
    out: Tensor = _HardSigmoid.apply(input, inplace)  # type: ignore[no-untyped-call]
    return out


class _HardSigmoid(torch.autograd.Function):
    graphed = True  # no layer runs inside, which check_graph would refuse

    @staticmethod
    def forward(ctx: Any, x: Tensor, inplace: bool) -> Tensor:
        ctx.save_for_backward(x.clone() if inplace else x)
        if inplace:
            ctx.mark_dirty(x)
        return functional.hardsigmoid(x, inplace)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return _Slope.apply(gradient, *ctx.saved_tensors), None  # type: ignore[no-untyped-call]


class _Slope(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        out: Tensor = torch.ops.aten.hardsigmoid_backward(gradient, x)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, along: Tensor) -> Any:
        return torch.ops.aten.hardsigmoid_backward(along, *ctx.saved_tensors), None
