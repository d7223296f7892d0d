"""Maximum pooling, against torch's: the same bits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from eznas.networks.max_pooling import MaximumPool

_SHAPES = [(8, 16, 32, 32), (2, 64, 32, 33), (64, 128, 4, 5)]
_OTHERS = [(2, 3, 4, 4), (64, 4, 32, 32), (16, 100, 100), (7, 16, 32, 32)]
_WINDOWS = [(3, 1, 1), (2, 2, 0), (3, 2, 1), (5, 1, 2)]


def _random(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


def _with_ties(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return _random(*shape, dtype=dtype).relu()


def _values_and_derivatives(pool: nn.Module, x: Tensor) -> list[Tensor]:
    x = x.clone().requires_grad_()
    out = pool(x)
    weight = _random(*out.shape, dtype=out.dtype).requires_grad_()
    (first,) = torch.autograd.grad(out, x, weight, create_graph=True)
    (second,) = torch.autograd.grad(first, weight, _random(*x.shape, dtype=x.dtype))
    return [out.detach(), first.detach(), second]


@pytest.mark.parametrize("window", _WINDOWS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [*_SHAPES, *_OTHERS])
def test_values_and_derivatives_are_torchs_to_the_bit(
    shape: tuple[int, ...], dtype: torch.dtype, window: tuple[int, int, int]
) -> None:
    for x in (_random(*shape, dtype=dtype), _with_ties(*shape, dtype=dtype)):
        pools = (MaximumPool(*window), nn.MaxPool2d(*window))
        for ours, theirs in zip(*(_values_and_derivatives(pool, x) for pool in pools), strict=True):
            assert torch.equal(ours, theirs)
            assert ours.stride() == theirs.stride()


def test_large_maps_go_another_way_than_torchs_own() -> None:
    pool = MaximumPool(3, 1, 1)
    names = [type(pool(_random(*shape).requires_grad_()).grad_fn).__name__ for shape in (*_SHAPES, *_OTHERS)]
    assert ["MaxPool" in name for name in names] == [False] * len(_SHAPES) + [True] * len(_OTHERS)


def test_what_is_not_finite_is_as_in_torch() -> None:
    x = _random(*_SHAPES[0])
    x[0, 0, 3, 3], x[1, 1, 0, 0], x[2, 2] = torch.nan, torch.inf, -torch.inf
    pools = (MaximumPool(3, 1, 1), nn.MaxPool2d(3, 1, 1))
    for ours, theirs in zip(*(_values_and_derivatives(pool, x) for pool in pools), strict=True):
        assert torch.equal(ours.nan_to_num(9, 8, 7), theirs.nan_to_num(9, 8, 7))


@pytest.mark.parametrize("window", _WINDOWS)
def test_the_order_in_memory_is_as_after_torchs(window: tuple[int, int, int]) -> None:
    x = _random(*_SHAPES[0])
    for one in (x.contiguous(memory_format=torch.channels_last), x.transpose(2, 3), x[:, :, ::2]):
        ours, theirs = (pool(one) for pool in (MaximumPool(*window), nn.MaxPool2d(*window)))
        assert torch.equal(ours, theirs)
        assert ours.stride() == theirs.stride()


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # torch's own, on first use
def test_under_the_transforms_of_torch_func() -> None:
    stack, pools = _random(3, *_SHAPES[0]), (MaximumPool(3, 1, 1), nn.MaxPool2d(3, 1, 1))
    ours, theirs = (torch.func.vmap(pool)(stack) for pool in pools)
    assert torch.equal(ours, theirs)
    ours, theirs = (torch.func.vmap(torch.func.grad(lambda x, of=pool: of(x).square().sum()))(stack) for pool in pools)
    assert torch.equal(ours, theirs)
    ours, theirs = (torch.func.jvp(pool, (stack[0],), (stack[1],))[1] for pool in pools)
    assert torch.equal(ours, theirs)
