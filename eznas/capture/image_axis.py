"""Follows the axis of the images through a forward pass.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.capture.call import Call


@dataclass(frozen=True)
class Place:
    """Where a tensor has its images.

    Args:
        axis: The axis of the images; -1 where they are spread over several axes.
        outer: The number of rows of the axis that lie in front of each image: an axis of ``outer * images * inner``
            entries is ``outer x images x inner`` in the order of rows. 1 where the rows of an image are consecutive.
        images: The number of images.
    """

    axis: int = 0
    outer: int = 1
    images: int = 1

    def rows(self, shape: Sequence[int]) -> int:
        """Return how many rows of the axis belong to one image; 1 where the axis is none of images."""
        size = shape[self.axis] if shape else 1
        return size // self.images if size % self.images == 0 else 1

    def first(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return a shape with the axis of the images first."""
        return tuple(shape) if self.axis <= 0 else (shape[self.axis], *shape[: self.axis], *shape[self.axis + 1 :])

    def images_first(self, tensor: Tensor) -> Tensor:
        """Return a tensor with the axis of the images first, and the rows of an image consecutive."""
        if self.outer > 1:
            split = tensor.unflatten(self.axis, (self.outer, self.images, -1))  # type: ignore[no-untyped-call]
            first: Tensor = split.movedim((self.axis + 1, self.axis, self.axis + 2), (0, 1, 2)).flatten(0, 2)
            return first
        return tensor.movedim(self.axis, 0) if self.axis > 0 else tensor


class ImageAxis:
    """Knows the places of the images in tensors that do not have them first.

    Transpositions and permutations move the axis. Operations that change the shape alone, such as ``reshape``, leave
    the images at their distance in memory order, which shows the axis that they are on. Operations that keep the shape
    there keep the axis, and operations that drop the axes in front of it, such as a mean over tokens, make it the first
    again.

    Attributes:
        images: The number of images; 0 until the network runs.
    """

    def __init__(self) -> None:
        self.images = 0
        # for each tensor whose images do not come first: the entries from one image to the next, in memory order
        self._strides: dict[int, tuple[weakref.ref[Tensor], int]] = {}

    def of(self, tensor: Tensor) -> Place:
        """Return the place of the images of a tensor."""
        known = self._strides.get(id(tensor))
        if known and known[0]() is tensor:
            return self._place(tensor.shape, known[1])
        return Place(images=max(self.images, 1))

    def copy(self, tensor: Tensor, view: Tensor) -> None:
        """Give a view the place of its tensor."""
        known = self._strides.get(id(tensor))
        if known and known[0]() is tensor:
            self._strides[id(view)] = weakref.ref(view), known[1]

    def follow(self, call: Call, out: Any) -> None:
        """Follow the images through a call that has run."""
        if not self._strides and call.name not in _AXIS_CALLS:
            return
        tensors = call.tensors
        if not tensors or not self.images:
            return
        before = next((tensor for tensor in tensors if self._known(tensor)), tensors[0])
        for result in out if isinstance(out, tuple) else (out,):
            if isinstance(result, Tensor):
                stride = self._followed(call, before, result)
                if stride and stride * self.images != result.numel():
                    self._strides[id(result)] = weakref.ref(result), stride
                elif self._known(result):
                    del self._strides[id(result)]

    def _known(self, tensor: Tensor) -> bool:
        known = self._strides.get(id(tensor))
        return known is not None and known[0]() is tensor

    def _place(self, shape: Sequence[int], stride: int) -> Place:
        """Return the place of images that are ``stride`` entries apart; of several axes, the shortest."""
        places, behind = [], 1
        for axis in reversed(range(len(shape))):
            inner, rest = divmod(stride, behind)
            if not rest and inner and shape[axis] % (inner * self.images) == 0:
                places.append((shape[axis], Place(axis, shape[axis] // (inner * self.images), self.images)))
            behind *= shape[axis]
        return min(places, key=lambda place: place[0])[1] if places else Place(-1, 1, self.images)

    def _followed(self, call: Call, before: Tensor, result: Tensor) -> int:
        """Return how many entries lie between two images of a result; 0 where images come first or are unknown."""
        place, known = self.of(before), self._known(before)
        constant = not known and before.is_leaf and before.requires_grad  # such as a weight
        images = not constant and before.dim() > 0 and (known or before.shape[0] % self.images == 0)
        if call.name == "einsum" and isinstance(call.args[0], str) and "->" in call.args[0]:
            return self._summed(call.args[0], call.tensors, result)
        if not images:
            return 0
        same_order = call.name in _KEEPING_ORDER or (call.name == "__getitem__" and result.dim() > before.dim())
        if same_order and result.numel() == before.numel():
            return self._strides[id(before)][1] if known else before.numel() // self.images
        moved = -1 if place.axis < 0 else self._kept_axis(call, before, result, place.axis)
        if not 0 <= moved < result.dim() or result.shape[moved] != before.shape[place.axis]:
            return 0
        inner: int = before.shape[place.axis] // (place.outer * self.images)
        return inner * math.prod(result.shape[moved + 1 :])

    def _kept_axis(self, call: Call, before: Tensor, result: Tensor, axis: int) -> int:
        """Return the axis of a result at which the axis of the images is; -1 where that is unknown."""
        if call.name in MOVING_AXES and before.dim() == result.dim():
            return moved_axis(call, before, axis)
        if call.name == "stack":
            new: int = (call.args[1] if len(call.args) > 1 else call.kwargs.get("dim", 0)) % result.dim()
            if before.shape[axis] != self.images or (not axis and result.shape[new] == self.images):
                return -1
            return axis + (new <= axis)
        dropped = result.dim() == before.dim() - 1 and axis and result.shape[axis - 1] == before.shape[axis]
        return axis - 1 if dropped else axis

    def _summed(self, equation: str, tensors: list[Tensor], result: Tensor) -> int:
        """Return how many entries lie between two images of the result of an equation of ``einsum``."""
        terms, _, out = equation.replace(" ", "").partition("->")
        for term, tensor in zip(terms.split(","), tensors, strict=False):
            axis = self.of(tensor).axis
            constant = tensor.is_leaf and tensor.requires_grad
            if "." not in equation and not constant and tensor.shape[axis : axis + 1] == (self.images,):
                return math.prod(result.shape[out.find(term[axis]) + 1 :])
        return 0


def moved_axis(call: Call, before: Tensor, axis: int) -> int:
    """Return the axis to which a permutation moves an axis."""
    shape = tuple(range(1, before.dim() + 1))  # distinct sizes, which show where each axis goes
    probe = before.new_empty(1, device="meta").expand(shape)
    args = [probe if arg is before else arg for arg in call.args]
    kwargs = {name: probe if arg is before else arg for name, arg in call.kwargs.items()}
    shape = tuple(call.func(*args, **kwargs).shape)
    return shape.index(axis + 1)


MOVING_AXES = frozenset(
    ("transpose", "permute", "movedim", "moveaxis", "swapaxes", "swapdims", "t", "adjoint", "__get__")
)
"""Functions that permute axes; ``__get__`` reads attributes such as ``T`` and ``mT``."""

_KEEPING_ORDER = frozenset((
    "contiguous", "flatten", "ravel", "reshape", "reshape_as", "squeeze", "squeeze_", "unflatten", "unsqueeze",
    "unsqueeze_", "view", "view_as",
))  # fmt: skip
"""Functions that keep the order of the entries."""

_AXIS_CALLS = MOVING_AXES | _KEEPING_ORDER | {"einsum", "stack"}
