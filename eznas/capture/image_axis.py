"""Follows the axis of the images through a forward pass.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from eznas.capture.calls import Call


class ImageAxis:
    """Knows the axis of the images of tensors on which it is not the first.

    Transpositions and permutations move the axis. Operations that keep the shape there keep the axis, and operations
    that drop the axes in front of it, such as a mean over tokens, make it the first again.

    Attributes:
        images: The number of images; 0 until the network runs.
    """

    def __init__(self) -> None:
        self.images = 0
        self._axes: dict[int, tuple[weakref.ref[Tensor], int]] = {}

    def of(self, tensor: Tensor) -> int:
        """Return the axis of the images of a tensor."""
        known = self._axes.get(id(tensor))
        return known[1] if known and known[0]() is tensor else 0

    def copy(self, tensor: Tensor, view: Tensor) -> None:
        """Give a view the axis of its tensor."""
        if axis := self.of(tensor):
            self._axes[id(view)] = (weakref.ref(view), axis)

    def follow(self, call: Call, out: Any) -> None:
        """Follow the axis through a call that has run."""
        if call.name not in _MOVING and call.name not in ("einsum", "stack") and not self._axes:
            return
        tensors = call.tensors
        axis, source = max([(self.of(tensor), place) for place, tensor in enumerate(tensors)], default=(0, 0))
        for result in out if isinstance(out, tuple) else (out,):
            if not isinstance(result, Tensor) or not tensors:
                continue
            before = tensors[source]
            if call.name in _MOVING:
                moved = self._moved(call, before, result, axis)
            elif call.name == "stack":
                moved = self._stacked(call, before, result, axis)
            elif call.name == "einsum" and isinstance(call.args[0], str) and "->" in call.args[0]:
                moved = self._summed(call.args[0], tensors)
            elif result.dim() == before.dim() - 1 and axis and result.shape[axis - 1] == before.shape[axis]:
                moved = axis - 1
            else:
                moved = axis if axis < result.dim() and result.shape[axis] == before.shape[axis] else 0
            if moved or self.of(result):
                self._axes[id(result)] = (weakref.ref(result), moved)

    def _moved(self, call: Call, before: Tensor, result: Tensor, axis: int) -> int:
        """Return the axis of the images after a permutation of axes."""
        constant = before.is_leaf and before.requires_grad  # such as a weight
        if before.shape[axis : axis + 1] != (self.images,) or constant or before.dim() != result.dim():
            return 0
        shape = tuple(range(1, before.dim() + 1))  # distinct sizes, which show where each axis goes
        probe = before.new_empty(1, device="meta").expand(shape)
        args = [probe if arg is before else arg for arg in call.args]
        kwargs = {name: probe if arg is before else arg for name, arg in call.kwargs.items()}
        return tuple(call.func(*args, **kwargs).shape).index(axis + 1)

    def _stacked(self, call: Call, before: Tensor, result: Tensor, axis: int) -> int:
        """Return the axis of the images after a new axis; where that one may be the images', it is the first."""
        new = (call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", 0)) % result.dim()
        unknown = before.shape[axis : axis + 1] != (self.images,) or (not axis and result.shape[new] == self.images)
        return 0 if unknown else axis + (new <= axis)

    def _summed(self, equation: str, tensors: list[Tensor]) -> int:
        """Return the axis of the images in the result of an equation of ``einsum``."""
        terms, _, out = equation.replace(" ", "").partition("->")
        for term, tensor in zip(terms.split(","), tensors, strict=False):
            axis = self.of(tensor)
            constant = tensor.is_leaf and tensor.requires_grad
            if "." not in equation and not constant and tensor.shape[axis : axis + 1] == (self.images,):
                return max(out.find(term[axis]), 0)
        return 0


_MOVING = frozenset(("transpose", "permute", "movedim", "moveaxis", "swapaxes", "swapdims", "t", "adjoint", "__get__"))
"""Functions that permute axes; ``__get__`` reads attributes such as ``T`` and ``mT``."""
