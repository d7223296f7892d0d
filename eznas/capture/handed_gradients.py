"""Runs a backward pass that hands on each gradient when it is there, instead of all gradients at its end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from eznas.capture.state import running_backward

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from eznas.capture.layer import Recorded


def hand_on_gradients(
    objective: Tensor,
    tensors: Sequence[Recorded],
    leaf: Tensor | None,
    hand_on: Callable[[Recorded, Tensor], None],
    *,
    retain_graph: bool,
) -> Tensor | None:
    """Run backward from a number, and hand on its gradients with respect to recorded tensors.

    The pass ends at the tensors from which it reaches none of the others, such as weights. Their gradients come when it
    has ended; all others while it runs.

    Args:
        objective: The number.
        tensors: The records, in the order of the forward pass.
        leaf: The images, if their gradient is wanted too.
        hand_on: Called once with each record on which the number depends, and its gradient.
        retain_graph: Whether another backward pass follows.

    Returns:
        The gradient of the images; None where it was not asked for, or where the number does not depend on them.
    """
    if not objective.requires_grad:
        return None
    backward = _Backward(hand_on)
    images = [] if leaf is None else [leaf]
    below = _Below([torch.autograd.graph.get_gradient_edge(tensor).node for tensor in images])
    ends: list[Recorded] = []
    handles = []
    for recorded in tensors:
        edge = _edge(recorded)
        if edge is not None and below.reached_from(edge.node):
            handles.append(edge.node.register_prehook(partial(backward.reached, recorded, edge.output_nr)))
        elif edge is not None:
            ends.append(recorded)
            below.add(edge.node)
    edges = [*[recorded.through or recorded.edge for recorded in ends], *images]
    if not edges:
        return None
    retain_graph |= any(recorded.through is not None for recorded in ends)
    try:
        with running_backward(objective.device):
            found: list[Tensor | None] = [
                *torch.autograd.grad(objective, edges, retain_graph=retain_graph, allow_unused=True)
            ]
    finally:
        for handle in handles:
            handle.remove()
    for index, recorded in enumerate(ends):
        gradient, found[index] = found[index], None  # freed when it was handed on
        backward.arrived(recorded, gradient)
    return found[-1] if images else None


def _edge(recorded: Recorded) -> torch.autograd.graph.GradientEdge | None:
    """Return the edge at which the gradient of a record comes, or of the output through which it goes."""
    edge = recorded.through or recorded.edge
    return torch.autograd.graph.get_gradient_edge(edge) if isinstance(edge, Tensor) else edge


class _Backward:
    """A backward pass that runs.

    Args:
        hand_on: See ``hand_on_gradients``.
    """

    def __init__(self, hand_on: Callable[[Recorded, Tensor], None]) -> None:
        self._hand_on = hand_on
        self._inside = False

    def reached(self, recorded: Recorded, output: int, arriving: tuple[Tensor | None, ...]) -> None:
        """Take the gradients that arrive at the node of a record."""
        gradient = arriving[output]
        if gradient is not None and not self._inside:
            self.arrived(recorded, gradient)

    def arrived(self, recorded: Recorded, gradient: Tensor | None) -> None:
        """Hand on the gradient of a record, or of the output of an activation through which its gradient goes."""
        if recorded.through is not None and gradient is not None:
            self._inside = True  # the pass through the activation reaches the same node
            try:
                (gradient,) = torch.autograd.grad(
                    [recorded.through], [recorded.edge], [gradient], retain_graph=True, allow_unused=True
                )
            finally:
                self._inside = False
        if gradient is not None:
            self._hand_on(recorded, gradient)


class _Below:
    """Nodes of a graph, and whether a backward pass from another node reaches one of them."""

    def __init__(self, nodes: Iterable[Any]) -> None:
        self._nodes: set[Any] = {*nodes}
        self._apart: set[Any] = set()

    def add(self, node: Any) -> None:
        """Add a node."""
        self._nodes.add(node)

    def reached_from(self, start: Any) -> bool:
        """Return whether a backward pass goes from a node to one of the nodes, which are behind it."""
        stack, seen = [start], {start}
        while stack:
            for node, _ in stack.pop().next_functions:
                if node in self._nodes:
                    self._nodes.add(start)
                    return True
                if node is not None and node not in seen and node not in self._apart:
                    seen.add(node)
                    stack.append(node)
        self._apart |= seen
        return False
