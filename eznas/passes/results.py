"""Results of the passes of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class WeightGradient:
    """A weight, ``c_out x *``, and its gradient."""

    weight: Tensor
    gradient: Tensor


@dataclass(frozen=True)
class LayerGradient:
    """The output of one run of a layer, ``b x c x *``, its gradient, and the products summed in each of its numbers."""

    out: Tensor
    gradient: Tensor
    fan_in: int


@dataclass(frozen=True)
class Attention:
    """One product of attention maps with values, or the gradients of its tensors.

    Args:
        name: The module in which it runs, then ``attention``.
        maps: The maps behind the softmax, ``b x heads x tokens x keys``; windows of an image count as heads.
        heads: The outputs of the heads, ``b x heads x tokens x d``.
    """

    name: str
    maps: Tensor
    heads: Tensor
