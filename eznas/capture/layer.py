"""Layers of a forward pass and their tensors.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

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
        place: Where it has the images.
    """

    shape: tuple[int, ...]
    value: Any = None
    version: int = 0
    edge: Any = None
    place: Place = field(default_factory=Place)

    def images_first(self, tensor: Tensor) -> Tensor:
        """Return a tensor of this shape with the axis of the images first."""
        return self.place.images_first(tensor)


@dataclass(eq=False)
class Layer:
    """One run of a convolution or linear layer.

    Args:
        name: The module that holds the weight; the second run of one weight is called ``name#2``.
        linear: Whether it is a linear layer.
        weight: The weight.
        activation_input: The input of the activation in front of the layer; None without one.
        conv_in: The input of the layer.
        conv_out: The output of the layer.
        norm_out: The output of the normalisation behind the layer; None without one.
    """

    name: str
    linear: bool
    weight: Recorded
    activation_input: Recorded | None
    conv_in: Recorded
    conv_out: Recorded
    norm_out: Recorded | None = None

    @property
    def has_maps(self) -> bool:
        """Whether input and output can be read as ``b x c x h x w``."""
        return len(self.conv_in.shape) in ((2, 3, 4) if self.linear else (4,))

    def recorded(self, quantity: str) -> Recorded:
        """Return a quantity of the unit, such as ``"conv_in"``."""
        return {
            "weight": self.weight,
            "input": self.activation_input or self.conv_in,
            "conv_in": self.conv_in,
            "conv_out": self.conv_out,
            "norm_out": self.norm_out or self.conv_out,
        }[quantity]

    def shape(self, quantity: str) -> tuple[int, ...]:
        """Return the shape of a quantity: ``c_out x c_in x k x k`` or ``b x c x h x w``.

        A linear layer is a 1x1 convolution: ``b x c`` becomes ``b x c x 1 x 1``, ``b x t x c`` becomes
        ``b x c x t x 1`` and ``b x h x w x c`` becomes ``b x c x h x w``.
        """
        recorded = self.recorded(quantity)
        shape = recorded.place.first(recorded.shape)
        if self.linear:
            shape = shape if quantity == "weight" else (shape[0], shape[-1], *shape[1:-1])
            shape = (*shape, *(1,) * (4 - len(shape)))
        return shape

    def shaped(self, quantity: str, tensor: Tensor) -> Tensor:
        """Return a quantity or its gradient in the shape that ``shape`` gives."""
        tensor = self.recorded(quantity).images_first(tensor)
        if self.linear and quantity != "weight":
            tensor = tensor.movedim(-1, 1)
        return tensor.reshape(self.shape(quantity))
