"""Reductions over one named axis; the axis stays with length 1.

``samples`` and ``filters`` are the first axis after the units, ``channels`` the second, ``space`` the maps.
Standard deviations have the denominator n: they are 0 where all entries are equal, also for a single entry,
and NaN where one is not finite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.primitives.kinds import BATCH_KINDS, MAP_KINDS, Kind
from eznas.primitives.registry import keeping, primitive

if TYPE_CHECKING:
    from torch import Tensor


def _over(axis: str, names: str) -> tuple[str, ...]:
    """Return the primitives of one axis: those in ``keeps`` leave it with length 1, so there is nothing to reduce."""
    return tuple(f"{name}_over_{axis}" for name in names.split())


def _deviation(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    # The clamp makes the mean of equal values exactly that value, so that they deviate by exactly 0.
    mean = x.mean(axes, keepdim=True).clamp(x.amin(axes, keepdim=True), x.amax(axes, keepdim=True))
    return (x - mean).square_().mean(axes, keepdim=True).sqrt_()


def _length(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return x.square().sum(axes, keepdim=True).sqrt_()


@primitive(
    *keeping(BATCH_KINDS),
    formula="mean of x over samples",
    nonnegative="if arguments are",
    keeps=_over("samples", "std l2"),
)
def mean_over_samples(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x 1 x c x h x w``: the mean."""
    return x.mean(1, keepdim=True)


@primitive(
    *keeping(BATCH_KINDS),
    formula="root of the mean squared deviation of x over samples",
    nonnegative="always",
)
def std_over_samples(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x 1 x c x h x w``: the population standard deviation."""
    return _deviation(x, (1,))


@primitive(
    *keeping(BATCH_KINDS),
    formula="sum of x over samples",
    nonnegative="if arguments are",
    keeps=_over("samples", "std l2"),
)
def sum_over_samples(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x 1 x c x h x w``: the sum."""
    return x.sum(1, keepdim=True)


@primitive(
    *keeping(BATCH_KINDS),
    formula="greatest x over samples",
    nonnegative="if arguments are",
    keeps=_over("samples", "mean sum max std l2"),
)
def max_over_samples(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x 1 x c x h x w``: the greatest."""
    return x.amax(1, keepdim=True)


@primitive(
    *keeping(BATCH_KINDS),
    formula="root of the sum of squares of x over samples",
    nonnegative="always",
)
def l2_over_samples(x: Tensor) -> Tensor:
    """``u x b x c x h x w`` to ``u x 1 x c x h x w``: the Euclidean norm."""
    return _length(x, (1,))


@primitive(
    *keeping([Kind.WEIGHT]),
    formula="mean of x over filters",
    nonnegative="if arguments are",
    keeps=_over("filters", "std l2"),
)
def mean_over_filters(x: Tensor) -> Tensor:
    """``u x c_out x c_in x k x k`` to ``u x 1 x c_in x k x k``: the mean."""
    return x.mean(1, keepdim=True)


@primitive(
    *keeping([Kind.WEIGHT]),
    formula="root of the mean squared deviation of x over filters",
    nonnegative="always",
)
def std_over_filters(x: Tensor) -> Tensor:
    """``u x c_out x c_in x k x k`` to ``u x 1 x c_in x k x k``: the population standard deviation."""
    return _deviation(x, (1,))


@primitive(
    *keeping([Kind.WEIGHT]),
    formula="sum of x over filters",
    nonnegative="if arguments are",
    keeps=_over("filters", "std l2"),
)
def sum_over_filters(x: Tensor) -> Tensor:
    """``u x c_out x c_in x k x k`` to ``u x 1 x c_in x k x k``: the sum."""
    return x.sum(1, keepdim=True)


@primitive(
    *keeping([Kind.WEIGHT]),
    formula="greatest x over filters",
    nonnegative="if arguments are",
    keeps=_over("filters", "mean sum max std l2"),
)
def max_over_filters(x: Tensor) -> Tensor:
    """``u x c_out x c_in x k x k`` to ``u x 1 x c_in x k x k``: the greatest."""
    return x.amax(1, keepdim=True)


@primitive(
    *keeping([Kind.WEIGHT]),
    formula="root of the sum of squares of x over filters",
    nonnegative="always",
)
def l2_over_filters(x: Tensor) -> Tensor:
    """``u x c_out x c_in x k x k`` to ``u x 1 x c_in x k x k``: the Euclidean norm."""
    return _length(x, (1,))


@primitive(
    *keeping(MAP_KINDS),
    formula="mean of x over channels",
    nonnegative="if arguments are",
    keeps=_over("channels", "std l2"),
)
def mean_over_channels(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x 1 x h x w``: the mean."""
    return x.mean(2, keepdim=True)


@primitive(
    *keeping(MAP_KINDS),
    formula="root of the mean squared deviation of x over channels",
    nonnegative="always",
)
def std_over_channels(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x 1 x h x w``: the population standard deviation."""
    return _deviation(x, (2,))


@primitive(
    *keeping(MAP_KINDS),
    formula="sum of x over channels",
    nonnegative="if arguments are",
    keeps=_over("channels", "std l2"),
)
def sum_over_channels(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x 1 x h x w``: the sum."""
    return x.sum(2, keepdim=True)


@primitive(
    *keeping(MAP_KINDS),
    formula="greatest x over channels",
    nonnegative="if arguments are",
    keeps=_over("channels", "mean sum max std l2"),
)
def max_over_channels(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x 1 x h x w``: the greatest."""
    return x.amax(2, keepdim=True)


@primitive(
    *keeping(MAP_KINDS),
    formula="root of the sum of squares of x over channels",
    nonnegative="always",
)
def l2_over_channels(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x 1 x h x w``: the Euclidean norm."""
    return _length(x, (2,))


@primitive(
    *keeping(MAP_KINDS),
    formula="mean of x over space",
    nonnegative="if arguments are",
    keeps=_over("space", "std l2"),
)
def mean_over_space(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x c x 1 x 1``: the mean."""
    return x.mean((3, 4), keepdim=True)


@primitive(
    *keeping(MAP_KINDS),
    formula="root of the mean squared deviation of x over space",
    nonnegative="always",
)
def std_over_space(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x c x 1 x 1``: the population standard deviation."""
    return _deviation(x, (3, 4))


@primitive(
    *keeping(MAP_KINDS),
    formula="sum of x over space",
    nonnegative="if arguments are",
    keeps=_over("space", "std l2"),
)
def sum_over_space(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x c x 1 x 1``: the sum."""
    return x.sum((3, 4), keepdim=True)


@primitive(
    *keeping(MAP_KINDS),
    formula="greatest x over space",
    nonnegative="if arguments are",
    keeps=_over("space", "mean sum max std l2"),
)
def max_over_space(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x c x 1 x 1``: the greatest."""
    return x.amax((3, 4), keepdim=True)


@primitive(
    *keeping(MAP_KINDS),
    formula="root of the sum of squares of x over space",
    nonnegative="always",
)
def l2_over_space(x: Tensor) -> Tensor:
    """``u x a x c x h x w`` to ``u x a x c x 1 x 1``: the Euclidean norm."""
    return _length(x, (3, 4))
