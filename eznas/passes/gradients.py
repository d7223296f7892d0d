"""Gradients of numbers with respect to edges of the autograd graph."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import torch

from eznas.capture.call import RecordError
from eznas.capture.graph import nodes_behind
from eznas.capture.state import running_backward
from eznas.errors import UndefinedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor


def differentiate(number: Tensor, edges: Sequence[Any], *, create_graph: bool = False) -> tuple[Tensor | None, ...]:
    """Return the gradient of a number with respect to each edge, None where it depends on none; keep the graph.

    Raises:
        RecordError: The backward pass raises.
        UndefinedError: ``create_graph`` is set, and an autograd function of the network has no second derivative.
    """
    if not edges or not number.requires_grad:
        return (None,) * len(edges)
    with running_backward(number.device):
        gradients = torch.autograd.grad(number, edges, retain_graph=True, create_graph=create_graph, allow_unused=True)
    roots = [gradient.grad_fn for gradient in gradients if gradient is not None] if create_graph else []
    if any(node.name() == _ENDS for node in nodes_behind(*roots)):  # torch takes the derivative behind it for 0
        raise UndefinedError(f"{_TWICE}; {_OWN}")
    return gradients


@contextlib.contextmanager
def second_derivatives() -> Iterator[None]:
    """Raise ``UndefinedError`` where a backward pass in the block says that a function has no second derivative."""
    try:
        yield
    except RecordError as error:
        once = _ONCE.search(str(error))
        if once is None:
            raise
        which = f"torch has none of {once['name']}" if once["name"] else _OWN
        raise UndefinedError(f"{_TWICE}; {which}") from None


_TWICE = "every function of the network must have a second derivative"
_OWN = "an autograd function has none"
_ENDS = "torch::autograd::Error"
"""The node of a function whose backward pass is ``once_differentiable``."""

_ONCE = re.compile(
    r"derivative for '?(?:aten::)?_*(?P<name>\w+?)(_backward)?'? is not implemented"
    "|differentiate twice|double backward",
    re.IGNORECASE,
)
"""What torch says of functions without a second derivative."""


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
