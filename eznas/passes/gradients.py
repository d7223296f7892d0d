"""Gradients of numbers with respect to edges of the autograd graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from eznas.capture.state import fixed_random
from eznas.errors import UndefinedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor


def differentiate(number: Tensor, edges: Sequence[Any], *, create_graph: bool = False) -> tuple[Tensor | None, ...]:
    """Return the gradient of a number with respect to each edge, None where it depends on none; keep the graph."""
    if not edges or not number.requires_grad:
        return (None,) * len(edges)
    with fixed_random(number.device):  # for backward passes that draw numbers
        return torch.autograd.grad(number, edges, retain_graph=True, create_graph=create_graph, allow_unused=True)


def zeros_for_none(gradients: Iterable[Tensor | None], like: Iterable[Tensor]) -> list[Tensor]:
    """Return detached gradients, zeros of the shape of ``like`` where there is none."""
    return [
        torch.zeros_like(tensor) if gradient is None else gradient.detach()
        for gradient, tensor in zip(gradients, like, strict=True)
    ]


def check_finite(what: str, tensors: Iterable[Tensor]) -> None:
    """Raise where a tensor holds NaN or an infinity, which counts and signs would hide."""
    if not all(bool(tensor.isfinite().all()) for tensor in tensors):
        raise UndefinedError(f"{what} must be finite; the network computes NaN or an infinity")


def reachable(root: Any) -> set[Any]:
    """Return every node of the graph that a backward pass from ``root`` visits."""
    nodes = {root} if root is not None else set()
    stack = list(nodes)
    while stack:
        for node, _ in getattr(stack.pop(), "next_functions", ()):
            if node is not None and node not in nodes:
                nodes.add(node)
                stack.append(node)
    return nodes
