"""Exact zeros where a batch normalisation receives constant gradients.

A batch normalisation makes the mean of its outputs over the batch independent of its inputs. So where the gradient of a
number with respect to these outputs is the same everywhere in a channel, its gradient with respect to the inputs of
the channel is zero. An example is the sum of all logits of a network that ends in a batch normalisation, a global
average and a linear layer, such as those of TransNAS-Bench-101. torch computes this zero as differences of equal
numbers, and returns what rounding leaves of them, which is not small to statistics such as ranks and correlations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_ROUNDINGS = 4
"""Differences of gradients in a channel, in roundings of the greatest, that count as none."""


def clear_constant_gradients(out: Tensor) -> None:
    """Let backward passes compute exact zeros where they would compute rounding.

    Only the last batch normalisations before ``out`` are changed: those behind them receive zeros, or gradients that
    are not constant. A backward pass whose own graph is created is not changed.

    Args:
        out: The output of a network, with or without a graph.
    """
    nodes = [out.grad_fn]
    seen = set(nodes)
    while nodes:
        node: Any = nodes.pop()
        if _normalises_batch(node):
            node.register_hook(_cleared)
        elif node is not None:
            following = [below for below, _ in node.next_functions if below not in seen]
            seen.update(following)
            nodes += following


def _normalises_batch(node: Any) -> bool:
    """Return whether a node is that of a batch normalisation with the statistics of the batch."""
    if getattr(node, "_saved_training", False):
        return "BatchNorm" in node.name()
    return getattr(getattr(node, "_forward_cls", None), "normalises_batch", False)


def _cleared(
    gradients: tuple[Tensor | None, ...], of_outputs: tuple[Tensor | None, ...]
) -> tuple[Tensor | None, ...] | None:
    """Return the gradients with respect to the inputs and the weight of a normalisation, or None to leave them."""
    of_output = of_outputs[0]
    if of_output is None or torch.is_grad_enabled():
        return None
    channels = of_output.movedim(1, 0).flatten(1)
    tolerance = _ROUNDINGS * torch.finfo(channels.dtype).eps
    ends = channels[:, [0, -1]]
    if not bool(((ends[:, 0] - ends[:, 1]).abs() <= tolerance * ends.abs().amax(1)).any()):
        return None  # the most frequent case, without a look at all
    low, high = torch.aminmax(channels, dim=1)
    constant = high - low <= tolerance * torch.maximum(high.abs(), low.abs())
    if not bool(constant.any()):
        return None
    of_input, of_weight, *others = gradients
    if of_input is not None:
        of_input = torch.where(constant.view(-1, *(1,) * (of_input.dim() - 2)), 0, of_input)
    if of_weight is not None:
        of_weight = torch.where(constant, 0, of_weight)
    return (of_input, of_weight, *others)
