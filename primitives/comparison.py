"""Comparisons, giving 1 where they hold and 0 elsewhere; with a NaN none holds.

They write straight into floats (``out`` takes the right shape), which is several times faster than
converting.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eznas.primitives.kinds import TENSOR_KINDS, Kind
from eznas.primitives.registry import keeping, primitive

_KINDS = (*TENSOR_KINDS, Kind.UNIT)


@primitive(
    *keeping(_KINDS, arity=2),
    formula="1 where x < y, else 0",
    domain="everywhere; 0 at NaN",
    latex="[{0} < {1}]",
    entrywise=True,
    nonnegative="always",
)
def lt(x: Tensor, y: Tensor) -> Tensor:
    """Return whether ``x < y``, broadcast."""
    return torch.lt(x, y, out=x.new_empty(0))


@primitive(
    *keeping(_KINDS, arity=2),
    formula="1 where x > y, else 0",
    domain="everywhere; 0 at NaN",
    latex="[{0} > {1}]",
    entrywise=True,
    nonnegative="always",
)
def gt(x: Tensor, y: Tensor) -> Tensor:
    """Return whether ``x > y``, broadcast."""
    return torch.gt(x, y, out=x.new_empty(0))


@primitive(
    *keeping(_KINDS, arity=2),
    formula="1 where x = y, else 0",
    domain="everywhere; 0 at NaN",
    latex="[{0} = {1}]",
    commutative=True,
    entrywise=True,
    nonnegative="always",
)
def eq(x: Tensor, y: Tensor) -> Tensor:
    """Return whether ``x = y``, broadcast."""
    return torch.eq(x, y, out=x.new_empty(0))


@primitive(
    *keeping(_KINDS),
    formula="1 where x < 0, else 0",
    domain="everywhere; 0 at NaN",
    latex="[{0} < 0]",
    entrywise=True,
    nonnegative="always",
    ignores=("sign",),
    rules=("lt0(neg(x)) = gt0(x)",),
)
def lt0(x: Tensor) -> Tensor:
    """Return whether ``x < 0``."""
    return torch.lt(x, 0, out=x.new_empty(0))


@primitive(
    *keeping(_KINDS),
    formula="1 where x > 0, else 0",
    domain="everywhere; 0 at NaN",
    latex="[{0} > 0]",
    entrywise=True,
    nonnegative="always",
    ignores=("relu", "sign", "gt0"),
    rules=("gt0(neg(x)) = lt0(x)",),
)
def gt0(x: Tensor) -> Tensor:
    """Return whether ``x > 0``."""
    return torch.gt(x, 0, out=x.new_empty(0))
