"""Exact zeros where a batch normalisation receives constant gradients.

A batch normalisation makes the mean of its outputs over the batch independent of its inputs. So where the gradient of a
number with respect to these outputs is the same everywhere in a channel, its gradient with respect to the inputs of
the channel is zero. An example is the sum of all logits of a network that ends in a batch normalisation, a global
average and a linear layer, such as those of TransNAS-Bench-101. torch computes this zero as differences of equal
numbers, and returns what rounding leaves of them, which is not small to statistics such as ranks and correlations.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from eznas.capture.graph import nodes_behind

_ROUNDINGS = 4
"""Differences of gradients in a channel, in roundings of the greatest, that count as none."""


def clear_constant_gradients(out: Tensor) -> None:
    """Let backward passes compute exact zeros where they would compute rounding.

    Only the last batch normalisations before ``out`` are changed: those behind them receive zeros, or gradients that
    are not constant. A backward pass whose own graph is created is not changed.

    Args:
        out: The output of a network, with or without a graph.
    """
    for node in nodes_behind(out.grad_fn, ends=_normalises_batch):
        if _normalises_batch(node):
            node.register_hook(functools.partial(_cleared, getattr(node, "weighted", True)))


def _normalises_batch(node: Any) -> bool:
    """Return whether a node is that of a batch normalisation with the statistics of the batch."""
    if getattr(node, "_saved_training", False):
        return "BatchNorm" in node.name()
    return getattr(getattr(node, "_forward_cls", None), "normalises_batch", False)


def _cleared(
    weighted: bool, gradients: tuple[Tensor | None, ...], of_outputs: tuple[Tensor | None, ...]
) -> tuple[Tensor | None, ...] | None:
    """Return the gradients of a normalisation, or None to leave them.

    Args:
        weighted: Whether the second gradient is that of the weight.
        gradients: The gradients with respect to the input, the weight and the bias.
        of_outputs: The gradient with respect to the output.
    """
    of_output = of_outputs[0]
    if of_output is None or torch.is_grad_enabled():
        return None
    tolerance = _ROUNDINGS * min(torch.finfo(of_output.dtype).eps, torch.finfo(torch.float32).eps)
    first, last = _corner(of_output, 0), _corner(of_output, -1)
    if not bool(((first - last).abs() <= tolerance * first.abs()).any()):
        return None  # the most frequent case
    others = (0, *range(2, of_output.dim()))
    low, high = of_output.amin(others), of_output.amax(others)
    constant = high - low <= tolerance * torch.maximum(high.abs(), low.abs())
    if not bool(constant.any()):
        return None
    of_input, *rest = gradients
    if of_input is not None:
        of_input = torch.where(constant.view(-1, *(1,) * (of_input.dim() - 2)), 0, of_input)
    if weighted and rest[0] is not None:
        rest[0] = torch.where(constant, 0, rest[0])
    return (of_input, *rest)


def _corner(maps: Tensor, place: int) -> Tensor:
    """Return the first or the last entry of each channel."""
    maps = maps.select(0, place)
    while maps.dim() > 1:
        maps = maps.select(1, place)
    return maps
