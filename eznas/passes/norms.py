"""Follows normalisations that are written by hand to the outputs that torch's functions for them would have."""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.capture.elementwise import COPYING, MULTIPLYING, kind_of
from eznas.capture.function import Shape, version
from eznas.capture.record import latest

if TYPE_CHECKING:
    from torch import Tensor

    from eznas.capture.call import Call
    from eznas.capture.function import Function, Step

_VIEWS = frozenset(("flatten", "reshape", "reshape_as", "unflatten", "view", "view_as"))
_AFFINE = frozenset(("add", "addcmul", "iadd", "radd", "sub", "isub", "subtract")) | MULTIPLYING


@dataclass(frozen=True)
class Norm:
    """The output of a normalisation, which the network may go on to scale, to shift and to reshape.

    Args:
        step: The output.
        channels: The number of its channels.
        channels_last: Whether channels are its last axis, and not its second.
        entering: The shape of the tensor of which the normalised one is a view; None where it is none.
    """

    step: Step
    channels: int
    channels_last: bool
    entering: tuple[int, ...] | None = None


class NormFollower:
    """Finds the outputs of normalisations that several calls compute.

    A normalisation by hand divides a tensor by a sum or a mean that grows as the tensor does. Its output is the result
    behind the product with a constant a channel, the sum with one, and copies. Where it normalises a view, such as that
    of groups of channels, its output is the view back.
    """

    def __init__(self) -> None:
        self._norms: dict[int, tuple[weakref.ref[Tensor], int, Norm]] = {}
        self._views: dict[Step, tuple[int, ...]] = {}

    def known(self, call: Call) -> tuple[Tensor, Norm] | None:
        """Return the output of a normalisation that a call reads; to be asked before the call runs."""
        if not self._norms:
            return None
        for tensor in call.tensors:
            norm: Norm | None = latest(self._norms, tensor)
            if norm is not None:
                return tensor, norm
        return None

    def note_view(self, call: Call, out: Step) -> None:
        """Note the result of a call that may be a view."""
        if call.name in _VIEWS and call.tensors:
            self._views[out] = tuple(call.tensors[0].shape)

    def add(self, out: Tensor, norm: Norm) -> None:
        """Follow the output of a normalisation."""
        self._norms[id(out)] = weakref.ref(out), version(out), norm

    def entering(self, function: Function) -> tuple[int, ...] | None:
        """Return the shape of the tensor of which the source of a normalisation is a view; None where it is none."""
        return next((self._views[step] for step in function.source.sources() if step in self._views), None)


def continues(call: Call, function: Function | None, tensor: Tensor, norm: Norm, out: Tensor) -> bool:
    """Return whether the result of a call on the output of a normalisation is the output of that normalisation."""
    if call.name in _VIEWS:
        return tuple(out.shape) == norm.entering != tuple(tensor.shape)
    name = kind_of(call)
    if out.shape != tensor.shape:
        return False
    if name in COPYING:
        return True
    if name not in _AFFINE or function is None or function.shape is not Shape.AFFINE:
        return False
    constants = constants_of(call, tensor)
    return all(is_for_channels(one, norm.channels) for one in constants) if constants else name in MULTIPLYING


def factors_of(call: Call, tensor: Tensor) -> list[Tensor]:
    """Return the constants by which a call multiplies a tensor."""
    name = kind_of(call)
    if name == "addcmul":
        if call.argument(0, "input") is tensor:
            return []
        factors = call.argument(1, "tensor1"), call.argument(2, "tensor2")
        return [one for one in factors if one is not tensor and one.dim()]
    return constants_of(call, tensor) if name in MULTIPLYING else []


def is_for_channels(constant: Tensor, channels: int) -> bool:
    """Return whether a constant has a number for each channel, also where it is expanded."""
    sizes = zip(constant.shape, constant.stride(), strict=True)
    return math.prod(size for size, stride in sizes if stride or size == 1) == channels


def constants_of(call: Call, tensor: Tensor) -> list[Tensor]:
    """Return the tensors that a call reads beside one."""
    return [one for one in call.tensors if one is not tensor and one.dim()]
