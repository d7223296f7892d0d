"""Functions along the depth of a network.

They take one number for each unit, in execution order, and return one number for each unit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eznas.primitives.kinds import Kind
from eznas.primitives.registry import keeping, primitive


@primitive(
    *keeping([Kind.UNIT]),
    formula="x_i - x_(i-1) for unit i, and 0 for the first unit",
    domain="NaN for the first unit if it is not finite, and for a unit that has the same infinity as the unit before "
    "it",
    latex=r"\Delta_u {0}",
)
def depth_difference(x: Tensor) -> Tensor:
    """``u`` to ``u``: the step from the unit before."""
    return x - torch.cat([x[..., :1], x[..., :-1]], dim=-1)


@primitive(*keeping([Kind.UNIT]), formula="x_1 + ... + x_i for unit i", nonnegative="if arguments are")
def cumulative_sum(x: Tensor) -> Tensor:
    """``u`` to ``u``: the sum up to and including each unit."""
    return x.cumsum(-1)
