"""Layers of a forward pass and their tensors.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eznas.capture.image_axis import Place

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(eq=False)
class Recorded:
    """One tensor at one moment of the forward pass.

    Args:
        shape: Its shape.
        value: The detached tensor; None where it was not requested. It shares memory with the network's own
            tensor until an operation is about to overwrite that memory.
        version: The number of writes to that memory at this moment, as torch counts them.
        edge: The gradient edge of the tensor at this moment; None where no gradient was requested or the tensor
            depends on nothing that requires one.
        through: The gradient edge of the output of an activation that several calls compute; the gradient of its input
            goes through this output alone. None for tensors that one call reads.
        place: Where it has the images.
    """

    shape: tuple[int, ...]
    value: Any = None
    version: int = 0
    edge: Any = None
    through: Any = None
    place: Place = field(default_factory=Place)

    def images_first(self, tensor: Tensor) -> Tensor:
        """Return a tensor of this shape with the axis of the images first."""
        return self.place.images_first(tensor)


@dataclass(eq=False)
class Layer:
    """One run of a layer.

    Args:
        name: The module that holds the weight; the second run of one weight is called ``name#2``.
        kind: The function of torch, such as ``"conv2d"`` or ``"linear"``.
        weight: The weight.
        activation_input: The input of the activation in front of the layer; None without one.
        conv_in: The input of the layer.
        conv_out: The output of the layer.
        norm_out: The output of the normalisation behind the layer; None without one.
        leaves: The names of the parameters from which the weight is computed; empty where it is a parameter.
        front: The function in front of the layer, such as ``"gelu"``; empty without one.
        behind: The function behind the layer; empty without one.
        entering: The input of the function in front, which may be a normalisation; None without one.
        leaving: The output of the function behind, which may be an activation; None without one.
    """

    name: str
    kind: str
    weight: Recorded
    activation_input: Recorded | None
    conv_in: Recorded
    conv_out: Recorded
    norm_out: Recorded | None = None
    leaves: tuple[str, ...] = ()
    front: str = ""
    behind: str = ""
    entering: Recorded | None = None
    leaving: Recorded | None = None

    @property
    def linear(self) -> bool:
        """Whether the channels are the last axis of its output, and not the second one."""
        return self.kind in CHANNELS_LAST

    @property
    def has_maps(self) -> bool:
        """Whether input and output can be read as ``b x c x h x w``."""
        axis = self.conv_in.place.axis
        if self.linear:
            return len(self.conv_out.shape) > 1 and 0 <= axis < len(self.conv_out.shape) - 1
        return axis == 0 and len(self.conv_in.shape) == len(self.weight.shape)

    @property
    def has_tokens(self) -> bool:
        """Whether it is a layer of channels alone that reads a sequence of them for each image."""
        shape, place = self.conv_out.shape, self.conv_out.place
        return self.linear and len(shape) in (2, 3) and (len(shape) == 3 or place.rows(shape) > 1)  # noqa: PLR2004

    def recorded(self, quantity: str) -> Recorded:
        """Return a quantity of the unit, such as ``"conv_in"``."""
        if quantity == "input":
            return self.activation_input or self.conv_in
        if quantity == "norm_out":
            return self.norm_out or self.conv_out
        tensor: Recorded = getattr(self, quantity)
        return tensor

    def shape(self, quantity: str) -> tuple[int, ...]:
        """Return the shape of a quantity: ``c_out x c_in x k x k`` or ``b x c x h x w``.

        A linear layer is a 1x1 convolution: ``b x c`` becomes ``b x c x 1 x 1``, ``b x t x c`` becomes
        ``b x c x t x 1`` and ``b x h x w x c`` becomes ``b x c x h x w``. Tokens on the axis of the images or on
        further axes are one sequence. A 1-d convolution has maps ``t x 1``, and a 3-d convolution ``(d h) x w``.
        """
        recorded = self.recorded(quantity)
        if quantity == "weight":
            shape = recorded.shape
            if self.kind in _INPUTS_FIRST:
                shape = (shape[1], shape[0], *shape[2:])
        else:
            shape = recorded.place.first(recorded.shape)
            if self.linear:
                rows, *tokens, channels = shape
                each = recorded.place.rows(recorded.shape)
                many = each > 1 and tokens
                tokens = [each * math.prod(tokens)] if many else [each, *tokens] if each > 1 else tokens
                if len(tokens) > 2:  # noqa: PLR2004
                    tokens = [math.prod(tokens)]
                shape = (rows // each, channels, *tokens)
        if len(shape) == 5:  # noqa: PLR2004
            shape = (*shape[:2], shape[2] * shape[3], shape[4])
        return (*shape, *(1,) * (4 - len(shape)))

    def shaped(self, quantity: str, tensor: Tensor) -> Tensor:
        """Return a quantity or its gradient in the shape that ``shape`` gives."""
        recorded, shape = self.recorded(quantity), self.shape(quantity)
        if quantity == "weight":
            return (tensor.transpose(0, 1) if self.kind in _INPUTS_FIRST else tensor).reshape(shape)
        tensor = recorded.images_first(tensor)
        if self.linear:
            tensor = tensor.reshape(shape[0], -1, shape[1]).movedim(-1, 1)
        return tensor if tensor.shape == shape else tensor.reshape(shape)

    def reads(self, front: Recorded) -> bool:
        """Return whether a tensor has a place for each entry of the layer's input, so that it can be its ``input``."""
        own = self.conv_in
        if not self.linear:
            return front.shape == own.shape and front.place == own.place
        return math.prod(front.shape) == math.prod(own.shape) and front.shape[-1:] == own.shape[-1:]


CHANNELS_LAST = frozenset(("addmm", "embedding", "linear", "matmul", "mm", "__matmul__"))
"""Layers whose channels are the last axis."""

_INPUTS_FIRST = frozenset((
    "addmm", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "embedding", "matmul", "mm", "__matmul__",
))  # fmt: skip
"""Layers whose weight has the inputs on its first axis and the outputs on its second one."""
