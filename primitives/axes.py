"""Functions that combine all entries along one named axis, which then has length 1.

``samples`` and ``filters`` are the first axis after the units, ``channels`` the second, and ``space`` the last two.
Standard deviations have the denominator n. They are 0 where all entries are equal, also for a single entry, and NaN
where an entry is not finite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eznas.primitives.kinds import BATCH_KINDS, MAP_KINDS, Kind
from eznas.primitives.registry import keeping, primitive

if TYPE_CHECKING:
    from torch import Tensor


_ARE = "if arguments are"
_FACTS = {
    "mean": ("mean of x", _ARE, ("std", "l2")),
    "std": ("standard deviation of x", "always", ()),
    "sum": ("sum of x", _ARE, ("std", "l2")),
    "max": ("greatest x", _ARE, ("mean", "sum", "max", "std", "l2")),
    "l2": ("root of the sum of x^2", "always", ()),
}
"""For each reduction its formula, whether it is nonnegative, and the reductions that leave nothing for it to reduce."""


def _facts(reduction: str, axis: str) -> dict[str, Any]:
    formula, nonnegative, kept = _FACTS[reduction]
    keeps = tuple(f"{name}_over_{axis}" for name in kept)
    return {"formula": f"{formula} over {axis}", "nonnegative": nonnegative, "keeps": keeps}


def _deviation(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    # The clamp makes the mean of equal values exactly that value, so that they deviate by exactly 0.
    mean = x.mean(axes, keepdim=True).clamp(x.amin(axes, keepdim=True), x.amax(axes, keepdim=True))
    return (x - mean).square_().mean(axes, keepdim=True).sqrt_()


def _length(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return x.square().sum(axes, keepdim=True).sqrt_()


@primitive(*keeping(BATCH_KINDS), **_facts("mean", "samples"))
def mean_over_samples(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x 1 x c x h x w``: the mean."""
    return x.mean(1, keepdim=True)


@primitive(*keeping(BATCH_KINDS), **_facts("std", "samples"))
def std_over_samples(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x 1 x c x h x w``: the population standard deviation."""
    return _deviation(x, (1,))


@primitive(*keeping(BATCH_KINDS), **_facts("sum", "samples"))
def sum_over_samples(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x 1 x c x h x w``: the sum."""
    return x.sum(1, keepdim=True)


@primitive(*keeping(BATCH_KINDS), **_facts("max", "samples"))
def max_over_samples(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x 1 x c x h x w``: the greatest."""
    return x.amax(1, keepdim=True)


@primitive(*keeping(BATCH_KINDS), **_facts("l2", "samples"))
def l2_over_samples(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x 1 x c x h x w``: the Euclidean norm."""
    return _length(x, (1,))


@primitive(*keeping([Kind.WEIGHT]), **_facts("mean", "filters"))
def mean_over_filters(x: Tensor) -> Tensor:
    """``u x c_out x c_in x k x k`` to ``u x 1 x c_in x k x k``: the mean."""
    return x.mean(1, keepdim=True)


@primitive(*keeping([Kind.WEIGHT]), **_facts("std", "filters"))
def std_over_filters(x: Tensor) -> Tensor:
    """``u x c_out x c_in x k x k`` to ``u x 1 x c_in x k x k``: the population standard deviation."""
    return _deviation(x, (1,))


@primitive(*keeping([Kind.WEIGHT]), **_facts("sum", "filters"))
def sum_over_filters(x: Tensor) -> Tensor:
    """``u x c_out x c_in x k x k`` to ``u x 1 x c_in x k x k``: the sum."""
    return x.sum(1, keepdim=True)


@primitive(*keeping([Kind.WEIGHT]), **_facts("max", "filters"))
def max_over_filters(x: Tensor) -> Tensor:
    """``u x c_out x c_in x k x k`` to ``u x 1 x c_in x k x k``: the greatest."""
    return x.amax(1, keepdim=True)


@primitive(*keeping([Kind.WEIGHT]), **_facts("l2", "filters"))
def l2_over_filters(x: Tensor) -> Tensor:
    """``u x c_out x c_in x k x k`` to ``u x 1 x c_in x k x k``: the Euclidean norm."""
    return _length(x, (1,))


@primitive(*keeping(MAP_KINDS), **_facts("mean", "channels"))
def mean_over_channels(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x 1 x h x w``: the mean."""
    return x.mean(2, keepdim=True)


@primitive(*keeping(MAP_KINDS), **_facts("std", "channels"))
def std_over_channels(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x 1 x h x w``: the population standard deviation."""
    return _deviation(x, (2,))


@primitive(*keeping(MAP_KINDS), **_facts("sum", "channels"))
def sum_over_channels(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x 1 x h x w``: the sum."""
    return x.sum(2, keepdim=True)


@primitive(*keeping(MAP_KINDS), **_facts("max", "channels"))
def max_over_channels(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x 1 x h x w``: the greatest."""
    return x.amax(2, keepdim=True)


@primitive(*keeping(MAP_KINDS), **_facts("l2", "channels"))
def l2_over_channels(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x 1 x h x w``: the Euclidean norm."""
    return _length(x, (2,))


@primitive(*keeping(MAP_KINDS), **_facts("mean", "space"))
def mean_over_space(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x c x 1 x 1``: the mean."""
    return x.mean((3, 4), keepdim=True)


@primitive(*keeping(MAP_KINDS), **_facts("std", "space"))
def std_over_space(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x c x 1 x 1``: the population standard deviation."""
    return _deviation(x, (3, 4))


@primitive(*keeping(MAP_KINDS), **_facts("sum", "space"))
def sum_over_space(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x c x 1 x 1``: the sum."""
    return x.sum((3, 4), keepdim=True)


@primitive(*keeping(MAP_KINDS), **_facts("max", "space"))
def max_over_space(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x c x 1 x 1``: the greatest."""
    return x.amax((3, 4), keepdim=True)


@primitive(*keeping(MAP_KINDS), **_facts("l2", "space"))
def l2_over_space(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x c x 1 x 1``: the Euclidean norm."""
    return _length(x, (3, 4))
