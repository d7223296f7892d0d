"""Primitives on the three kinds of maps: b x c x h x w, b x tokens x channels, and b x channels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eznas import primitives
from eznas.primitives import Floor, Kind

X, Y = Kind.INPUT, Kind.OUTPUT
SIZES = st.integers(2, 5)


def function(name: str, *kinds: Kind) -> Any:
    return primitives.resolve(name, list(kinds))[0].function


def tokens(seed: int, samples: int, channels: int, length: int) -> Tensor:
    """Return one unit's tokens, ``1 x b x c x t x 1``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(1, samples, channels, length, 1, generator=generator)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5, 5), (2, 3, 4, 5, 1), (2, 3, 5, 3, 1), (2, 3, 4, 1, 1), (2, 3, 4, 3, 2)])
@pytest.mark.parametrize("record", list(primitives.all_primitives()), ids=lambda record: record.name)
def test_every_primitive_has_a_value_on_every_kind_of_map(record: Any, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(3)
    for signature in record.signatures:
        if signature.args[0] not in (X, Y) or any(kind.floor is Floor.UNIT for kind in signature.args):
            continue
        args: list[Any] = [
            record.parameter.choices[0] if kind is Kind.LITERAL else torch.rand(shape, generator=generator) + 0.1
            for kind in signature.args
        ]
        out = record.function(*args)
        assert out.isfinite().all(), record.name
        if signature.result in (X, Y):
            torch.broadcast_shapes(out.shape, shape)
            assert out.dim() == len(shape)


@given(st.integers(0, 1000), SIZES, SIZES, SIZES)
@settings(max_examples=30, deadline=None)
def test_matrix_functions_of_tokens_are_those_of_tokens_by_channels(
    seed: int, samples: int, channels: int, length: int
) -> None:
    x = tokens(seed, samples, channels, length)
    values = [np.linalg.svd(sample[:, :, 0].T.double().numpy(), compute_uv=False) for sample in x[0]]
    products = torch.tensor([value.prod() for value in values]).float()
    ratios = torch.tensor([value[0] / value[-1] for value in values]).float()
    for name, expected in (("det", products), ("logdet", products.log()), ("eig_ratio", ratios)):
        out = function(name, X)(x)
        assert out.shape == (1, samples, 1, 1, 1)
        torch.testing.assert_close(out.flatten(), expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(function("sym_eig_ratio", X)(x), function("eig_ratio", X)(x))


@given(st.integers(0, 1000), SIZES, SIZES, SIZES)
@settings(max_examples=30, deadline=None)
def test_products_of_tokens(seed: int, samples: int, channels: int, length: int) -> None:
    x, y = tokens(seed, samples, channels, length), tokens(seed + 1, samples, channels, length)
    out = function("matmul", X, X)(x, y)
    left, right = (one[0, :, :, :, 0].mT for one in (x, y))
    torch.testing.assert_close(out[0, :, :, :, 0].mT, left @ right.mT @ right, rtol=1e-4, atol=1e-4)


@given(st.integers(0, 1000), SIZES, SIZES, st.permutations(range(4)))
@settings(max_examples=30, deadline=None)
def test_the_order_of_tokens_makes_no_difference(seed: int, samples: int, channels: int, order: list[int]) -> None:
    x = tokens(seed, samples, channels, 4)
    for name in ("det", "logdet", "eig_ratio", "sym_eig_ratio"):
        torch.testing.assert_close(function(name, X)(x[:, :, :, order]), function(name, X)(x), rtol=1e-3, atol=1e-4)
    moved = function("matmul", X, X)(x[:, :, :, order], x[:, :, :, order])
    torch.testing.assert_close(moved, function("matmul", X, X)(x, x)[:, :, :, order], rtol=1e-4, atol=1e-4)


def test_by_hand() -> None:
    x = torch.tensor([[3.0, 0.0, 0.0], [0.0, 2.0, 0.0]]).reshape(1, 1, 2, 3, 1)  # two channels of three tokens
    assert function("det", X)(x).item() == pytest.approx(6)
    assert function("logdet", X)(x).item() == pytest.approx(math.log(6))
    assert function("eig_ratio", X)(x).item() == pytest.approx(1.5)
    assert function("matmul", X, X)(x, x).flatten().tolist() == [27, 0, 0, 0, 8, 0]
