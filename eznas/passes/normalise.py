"""Batch normalisation whose second derivative costs little more than its first.

torch's second derivative takes about thirty sums over the input, half of the time of a Hessian-vector product. Let
``m`` be the means of the input ``x`` and ``s`` the inverse of its deviations, ``n = (x - m) s``, ``w`` the weight and
``E`` the mean over images and space. For the gradient ``g`` of the output, the gradient in ``x`` is

    w s (g - E[g] - n E[g n]).

Its product with ``u`` has the gradients

    w s (u - E[u] - n E[u n])                                       in g, which is the same function of u,
    -w s^2 ((c - 3 a b) n + b (u - E[u]) + a (g - E[g]))            in x,
    N s (c - a b)                                                   in w, N the number of terms of E,

with ``a = E[u n]``, ``b = E[g n]`` and ``c = E[u g] - E[u] E[g]``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional


def batch_norm(
    input: Tensor,  # noqa: A002
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = True,  # noqa: ARG001
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Return the output of torch's function of this name in training, to the last bit.

    The second derivatives leave out the gradients of ``weight`` and ``bias``; so torch's function runs where these are
    computed from other tensors. It also runs on devices other than the CPU, which have other kernels.
    """
    leaves = all(parameter is None or parameter.is_leaf for parameter in (weight, bias))
    if leaves and input.is_cpu and input.dtype in (torch.float32, torch.float64) and input.numel() > input.shape[1]:
        settings = (running_mean, running_var, momentum, eps)
        out: Tensor = _Normalise.apply(input, weight, bias, *settings)  # type: ignore[no-untyped-call]
        return out
    return functional.batch_norm(input, running_mean, running_var, weight, bias, True, momentum, eps)


def _derivative(gradient: Tensor, x: Tensor, weight: Tensor | None, *statistics: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients in ``x``, the weight and the bias."""
    mean, scale, eps = statistics
    gradients: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.native_batch_norm_backward(
        gradient, x, weight, None, None, mean, scale, True, eps, [True, True, True]
    )
    return gradients


class _Normalise(torch.autograd.Function):
    graphed = True  # no layer runs inside, which check_graph would refuse
    normalises_batch = True  # read by clear_constant_gradients

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, *settings: Any) -> Tensor:
        *running, momentum, ctx.eps = settings
        out: Tensor
        out, *statistics = torch.ops.aten.native_batch_norm(x, weight, bias, *running, True, momentum, ctx.eps)
        ctx.save_for_backward(x, weight, *statistics)
        ctx.weighted = weight is not None
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        gradients = _Derivative.apply(gradient, *ctx.saved_tensors, ctx.eps)  # type: ignore[no-untyped-call]
        needed = zip(gradients, ctx.needs_input_grad, strict=False)
        return (*(gradient if needs else None for gradient, needs in needed), *[None] * 4)


class _Derivative(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: Tensor, x: Tensor, weight: Tensor | None, *statistics: Any) -> Any:
        *kept, ctx.eps = statistics
        of_x, *sums = _derivative(gradient, x, weight, *statistics)
        ctx.save_for_backward(gradient, x, weight, *kept, *sums)
        ctx.mark_non_differentiable(*sums)
        return (of_x, *sums)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, along: Tensor, *_: Any) -> Any:
        gradient, x, weight, mean, scale, *sums = ctx.saved_tensors
        of_gradient, *along_sums = _derivative(along, x, weight, mean, scale, ctx.eps)
        count = x.numel() // x.shape[1]
        b, g = (total / count for total in sums)
        a, u = (total / count for total in along_sums)
        c = (along * gradient).sum((0, *range(2, x.dim()))) / count - u * g
        factor = -scale.square() if weight is None else -weight * scale.square()
        shape = (-1, *(1,) * (x.dim() - 2))
        of_x = (x - mean.view(shape)).mul_((factor * (c - 3 * a * b) * scale).view(shape))
        of_x.addcmul_(along, (factor * b).view(shape)).addcmul_(gradient, (factor * a).view(shape))
        of_x.sub_((factor * (b * u + a * g)).view(shape))
        return of_gradient, of_x, None if weight is None else count * scale * (c - a * b), None, None, None
