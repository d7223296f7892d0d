"""Comparisons are 1 where they hold and 0 elsewhere; no comparison with a NaN holds."""

# The functions write straight into floats, which is several times faster than converting; out takes the right shape.

from __future__ import annotations

import torch
from torch import Tensor

from eznas.primitives.kinds import TENSOR_KINDS, Kind
from eznas.primitives.registry import keeping, primitive

_KINDS = (*TENSOR_KINDS, Kind.UNIT)
_ONE = keeping(_KINDS)
_TWO = keeping(_KINDS, arity=2)
_COMPARISON = {"domain": "everywhere; 0 where an argument is NaN", "entrywise": True, "nonnegative": "always"}


@primitive(*_TWO, formula="1 where x < y, else 0", latex="[{0} < {1}]", **_COMPARISON)
def lt(x: Tensor, y: Tensor) -> Tensor:
    """Return whether ``x < y``, broadcast."""
    return torch.lt(x, y, out=x.new_empty(0))


@primitive(*_TWO, formula="1 where x > y, else 0", latex="[{0} > {1}]", **_COMPARISON)
def gt(x: Tensor, y: Tensor) -> Tensor:
    """Return whether ``x > y``, broadcast."""
    return torch.gt(x, y, out=x.new_empty(0))


@primitive(*_TWO, formula="1 where x = y, else 0", latex="[{0} = {1}]", commutative=True, **_COMPARISON)
def eq(x: Tensor, y: Tensor) -> Tensor:
    """Return whether ``x = y``, broadcast."""
    return torch.eq(x, y, out=x.new_empty(0))


@primitive(
    *_ONE,
    formula="1 where x < 0, else 0",
    latex="[{0} < 0]",
    ignores=("sign",),
    rules=("lt0(neg(x)) = gt0(x)",),
    **_COMPARISON,
)
def lt0(x: Tensor) -> Tensor:
    """Return whether ``x < 0``."""
    return torch.lt(x, 0, out=x.new_empty(0))


@primitive(
    *_ONE,
    formula="1 where x > 0, else 0",
    latex="[{0} > 0]",
    ignores=("relu", "sign", "gt0"),
    rules=("gt0(neg(x)) = lt0(x)",),
    **_COMPARISON,
)
def gt0(x: Tensor) -> Tensor:
    """Return whether ``x > 0``."""
    return torch.gt(x, 0, out=x.new_empty(0))
