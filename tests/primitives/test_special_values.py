from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from eznas.primitives.special_values import exponential, logarithm, over, powered, root, times_log

if TYPE_CHECKING:
    from collections.abc import Callable

INF, NAN = math.inf, math.nan
SPECIAL = [0.0, -0.0, 1.0, -1.0, INF, -INF, NAN, 4.0, 9.0, 2.5, 100.0, -100.0, 88.7, -87.0, 1e-30, 3e38, 1e-45, -1e-45]
ORDERS = (-8.0, -2.5, -2.0, -1.0, -0.5, 0.0, 0.25, 0.5, 1 / 3, 1.0, 2.0, 2.5, 3.0, 4.0)
FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "exponential": (exponential, torch.exp),
    "logarithm": (logarithm, torch.log),
    "root": (root, torch.sqrt),
    "times_log": (times_log, lambda x: torch.special.xlogy(x, x)),
}


def values(dtype: torch.dtype) -> Tensor:
    drawn = torch.randn(500, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 20
    return torch.cat([torch.tensor(SPECIAL, dtype=torch.float64), drawn]).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_those_of_torch(name: str, dtype: torch.dtype) -> None:
    ours, theirs = FUNCTIONS[name]
    x = values(dtype)
    expected = theirs(x)
    if name == "exponential" and dtype == torch.float32:
        expected[expected < 1.35e-38] = 0  # NaN stays
    torch.testing.assert_close(ours(x), expected, rtol=4 * torch.finfo(dtype).eps, atol=0, equal_nan=True)


@pytest.mark.parametrize("order", ORDERS)
def test_powers_are_those_of_torch(order: float) -> None:
    x = values(torch.float32)
    expected = x.double().pow(order).float()
    expected[(x == -INF) & (order % 1 != 0)] = NAN  # as any other number below 0
    expected[(x == 0) & (order < 0)] = INF  # whatever the zero's sign
    found = powered(x, order)
    found[(x == 0) & (order < 0)] = found[(x == 0) & (order < 0)].abs()
    torch.testing.assert_close(found, expected, rtol=2e-6, atol=1e-44, equal_nan=True)


def test_quotients() -> None:
    x, y = torch.meshgrid(torch.tensor(SPECIAL), torch.tensor([0.0, -0.0, 2.0, INF, NAN, -3.0]), indexing="ij")
    torch.testing.assert_close(over(x, y), x / torch.where(y == 0, INF, y), rtol=0, atol=0, equal_nan=True)
    assert over(torch.ones(4, 1, 3), torch.zeros(2, 3)).shape == (4, 2, 3)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_value_depends_on_its_entry_alone(name: str) -> None:
    """What torch's own functions do not keep at the end of a tensor, ``sigmoid`` and ``pow`` for example."""
    function, x = FUNCTIONS[name][0], values(torch.float32)
    expected = function(x)
    for start, end in ((0, 1), (1, 14), (3, 36), (100, 117), (7, 500)):
        assert torch.equal(function(x[start:end]).nan_to_num(), expected[start:end].nan_to_num())


@pytest.mark.parametrize("order", ORDERS)
def test_a_power_depends_on_its_entry_alone(order: float) -> None:
    x = values(torch.float32)
    expected = powered(x, order)
    for start, end in ((0, 1), (1, 14), (3, 36), (100, 117)):
        assert torch.equal(powered(x[start:end], order).nan_to_num(), expected[start:end].nan_to_num())
