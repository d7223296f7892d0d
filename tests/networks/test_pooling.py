"""Average pooling, against torch's: the same bits."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from eznas.minibatch import Minibatch
from eznas.networks.pooling import AveragePool
from eznas.scoring.score_many import measure

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHAPES = [(8, 8, 16, 16), (2, 16, 32, 16), (8, 17, 11, 12), (32, 64, 3, 5)]
_CONVOLVED = [(16, 16, 16, 16), (3, 33, 15, 37), (4, 64, 24, 24), (32, 64, 5, 4), (64, 600, 1, 1)]
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
@pytest.mark.parametrize("shape", [*_SHAPES, *_CONVOLVED, *_OTHERS])
def test_values_and_derivatives_are_torchs_to_the_bit(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    for ours, theirs in zip(
        _values_and_derivatives(AveragePool(), shape, dtype),
        _values_and_derivatives(_torchs(), shape, dtype),
        strict=True,
    ):
        assert torch.equal(ours, theirs)
        assert ours.stride() == theirs.stride()


def test_large_maps_go_another_way_than_torchs_own() -> None:
    shapes = (*_SHAPES, *_CONVOLVED, *_OTHERS)
    names = [type(AveragePool()(_random(*shape).requires_grad_()).grad_fn).__name__ for shape in shapes]
    assert [name == "_PoolBackward" for name in names] == [True] * (len(shapes) - len(_OTHERS)) + [False] * len(_OTHERS)


class _Names(TorchDispatchMode):
    """Collects the names of operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def _is_convolved(*shape: int) -> bool:
    with _Names() as found:
        AveragePool()(_random(*shape))
    return "mkldnn_convolution" in found.names


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
def test_larger_maps_are_convolved_unless_that_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [_is_convolved(*shape) for shape in (*_SHAPES, *_CONVOLVED)] == [False] * 4 + [True] * len(_CONVOLVED)
    with monkeypatch.context() as without:
        without.setattr(torch.backends.mkldnn, "is_available", lambda: False)
        assert not _is_convolved(*_CONVOLVED[0])
    settings: Any = getattr(torch.backends.mkldnn, "conv", None)
    if settings is not None:
        before = settings.fp32_precision
        try:
            settings.fp32_precision = "bf16"
            assert not _is_convolved(*_CONVOLVED[0])
        finally:
            settings.fp32_precision = before


@pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN:UserWarning")  # torch's own, for its flags
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own, when it compiles
def test_larger_maps_are_compiled_and_run_as_fake_tensors() -> None:
    x = _random(*_CONVOLVED[0])
    compiled = torch.compile(AveragePool(), backend="eager")
    assert torch.equal(compiled(x), _torchs()(x))
    with FakeTensorMode():
        assert AveragePool()(torch.randn(_CONVOLVED[0])).shape == _CONVOLVED[0]
    with torch.backends.mkldnn.flags(enabled=False):
        assert not _is_convolved(*_CONVOLVED[0])


def test_pooling_has_no_flops_and_is_no_layer() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), AveragePool(), nn.Flatten(), nn.Linear(8 * 64 * 64, 2))
    images = _random(1, 3, 64, 64)
    found = measure(network, Minibatch(images, torch.zeros(1, dtype=torch.long), 2, "test"), ["flops", "depth"])
    assert found["flops"].value == 3 * 8 * 64 * 64 + 2 * 8 * 64 * 64
    assert found["depth"].value == 2


@pytest.mark.parametrize("shape", [_SHAPES[0], _CONVOLVED[0]])
def test_a_window_of_negative_zeros_is_a_positive_zero_as_in_torch(shape: tuple[int, ...]) -> None:
    x = torch.full(shape, -0.0)
    for pool in (AveragePool(), _torchs()):
        assert not pool(x).signbit().any()


@pytest.mark.parametrize("shape", [_SHAPES[0], _CONVOLVED[0]])
def test_what_is_not_finite_stays_in_its_windows(shape: tuple[int, ...]) -> None:
    x = _random(*shape)
    x[0, 0, 3, 3], x[1, 1, 0, 0] = torch.nan, torch.inf
    assert torch.equal(AveragePool()(x).nan_to_num(9, 8, 7), _torchs()(x).nan_to_num(9, 8, 7))


@pytest.mark.parametrize("shape", [_SHAPES[0], _CONVOLVED[0]])
@pytest.mark.parametrize("orders", list(product((torch.channels_last, torch.contiguous_format), repeat=2)))
def test_the_order_in_memory_is_as_after_torchs(orders: Sequence[torch.memory_format], shape: tuple[int, ...]) -> None:
    ours, theirs = (_values_and_derivatives(pool, shape, orders=orders) for pool in (AveragePool(), _torchs()))
    assert all(map(torch.equal, ours, theirs))
    assert [one.stride() for one in ours[:2]] == [one.stride() for one in theirs[:2]]


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # torch's own, on first use
@pytest.mark.parametrize("shape", [_SHAPES[0], _CONVOLVED[0]])
def test_under_the_transforms_of_torch_func(shape: tuple[int, ...]) -> None:
    stack, pools = _random(3, *shape), (AveragePool(), _torchs())
    ours, theirs = (torch.func.vmap(pool, in_dims=1, out_dims=1)(stack.movedim(0, 1)) for pool in pools)
    assert torch.equal(ours, theirs)
    ours, theirs = (torch.func.vmap(torch.func.grad(partial(_sum_of_squares, pool)))(stack) for pool in pools)
    assert torch.equal(ours, theirs)
    ours, theirs = (torch.func.jvp(pool, (stack[0],), (stack[1],))[1] for pool in pools)
    assert torch.equal(ours, theirs)
    ours, theirs = (torch.func.jacfwd(partial(_of_numbers, pool, stack[0]))(torch.ones(2)) for pool in pools)
    assert torch.equal(ours, theirs)
