"""Average pooling, against torch's: the same bits."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from eznas.networks.pooling import AveragePool

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHAPES = [(8, 8, 16, 16), (2, 16, 32, 16), (32, 64, 3, 5), (32, 600, 1, 1)]
_OTHERS = [(2, 3, 4, 4), (64, 4, 16, 16), (8, 16, 16)]


def _torchs() -> nn.Module:
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


def _random(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


def _sum_of_squares(pool: nn.Module, x: Tensor) -> Tensor:
    out: Tensor = pool(x)
    return out.square().sum()


def _of_numbers(pool: nn.Module, x: Tensor, numbers: Tensor) -> Tensor:
    out: Tensor = pool(x * numbers[0])
    return out.sum() * numbers[1]


def _values_and_derivatives(
    pool: nn.Module,
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.float32,
    orders: Sequence[torch.memory_format] = (torch.contiguous_format,) * 2,
) -> list[Tensor]:
    x, weight, direction = (_random(*shape, dtype=dtype) * scale for scale in (1, 3, 0.1))
    x, weight = (tensor.contiguous(memory_format=order) for tensor, order in zip((x, weight), orders, strict=True))
    x.requires_grad_()
    weight.requires_grad_()
    out = pool(x)
    (first,) = torch.autograd.grad(out, x, weight, create_graph=True)
    (second,) = torch.autograd.grad(first, weight, direction)
    return [out.detach(), first.detach(), second]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [*_SHAPES, *_OTHERS])
def test_values_and_derivatives_are_torchs_to_the_bit(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    for ours, theirs in zip(
        _values_and_derivatives(AveragePool(), shape, dtype),
        _values_and_derivatives(_torchs(), shape, dtype),
        strict=True,
    ):
        assert torch.equal(ours, theirs)
        assert ours.stride() == theirs.stride()


def test_large_maps_go_another_way_than_torchs_own() -> None:
    names = [type(AveragePool()(_random(*shape).requires_grad_()).grad_fn).__name__ for shape in (*_SHAPES, *_OTHERS)]
    assert [name == "_PoolBackward" for name in names] == [True] * len(_SHAPES) + [False] * len(_OTHERS)


def test_a_window_of_negative_zeros_is_a_positive_zero_as_in_torch() -> None:
    x = torch.full(_SHAPES[0], -0.0)
    for pool in (AveragePool(), _torchs()):
        assert not pool(x).signbit().any()


def test_what_is_not_finite_stays_in_its_windows() -> None:
    x = _random(*_SHAPES[0])
    x[0, 0, 3, 3], x[1, 1, 0, 0] = torch.nan, torch.inf
    assert torch.equal(AveragePool()(x).nan_to_num(9, 8, 7), _torchs()(x).nan_to_num(9, 8, 7))


@pytest.mark.parametrize("orders", list(product((torch.channels_last, torch.contiguous_format), repeat=2)))
def test_the_order_in_memory_is_as_after_torchs(orders: Sequence[torch.memory_format]) -> None:
    ours, theirs = (_values_and_derivatives(pool, _SHAPES[0], orders=orders) for pool in (AveragePool(), _torchs()))
    assert all(map(torch.equal, ours, theirs))
    assert [one.stride() for one in ours[:2]] == [one.stride() for one in theirs[:2]]


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # torch's own, on first use
def test_under_the_transforms_of_torch_func() -> None:
    stack, pools = _random(3, *_SHAPES[0]), (AveragePool(), _torchs())
    ours, theirs = (torch.func.vmap(pool, in_dims=1, out_dims=1)(stack.movedim(0, 1)) for pool in pools)
    assert torch.equal(ours, theirs)
    ours, theirs = (torch.func.vmap(torch.func.grad(partial(_sum_of_squares, pool)))(stack) for pool in pools)
    assert torch.equal(ours, theirs)
    ours, theirs = (torch.func.jvp(pool, (stack[0],), (stack[1],))[1] for pool in pools)
    assert torch.equal(ours, theirs)
    ours, theirs = (torch.func.jacfwd(partial(_of_numbers, pool, stack[0]))(torch.ones(2)) for pool in pools)
    assert torch.equal(ours, theirs)
