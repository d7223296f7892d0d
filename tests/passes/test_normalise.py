"""Batch normalisation with its own second derivative against torch's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from eznas.passes.normalise import batch_norm

SHAPES = [(6, 3), (4, 3, 7), (4, 3, 5, 5)]


def derivatives(function: Any, shape: tuple[int, ...], *, affine: bool) -> tuple[list[Tensor], list[Tensor]]:
    """Return what is to be equal to the last bit, and what to rounding."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    x = (3 + 2 * drawn(*shape)).requires_grad_()
    settings = [drawn(3).requires_grad_(), drawn(3).requires_grad_()] if affine else [None, None]
    asked = [x, *(one for one in settings if one is not None)]
    out = function(x, None, None, *settings, training=True)
    first = torch.autograd.grad((out.sin() * drawn(*shape)).sum(), asked, create_graph=True)
    along = (first[0] * drawn(*shape)).sum()
    return [out.detach(), *first], list(torch.autograd.grad(along, asked[:2]))


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_derivatives_are_those_of_torch(shape: tuple[int, ...], affine: bool) -> None:
    exact, close = derivatives(batch_norm, shape, affine=affine)
    expected, nearly = derivatives(functional.batch_norm, shape, affine=affine)
    assert all(torch.equal(one, other) for one, other in zip(exact, expected, strict=True))
    for one, other in zip(close, nearly, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def test_a_weight_that_is_computed_has_torchs_derivatives() -> None:
    x = torch.randn((4, 3, 2), generator=torch.Generator().manual_seed(0))
    expected = 30 * functional.batch_norm(x, None, None, training=True).pow(3).sum((0, 2))  # of (n w^2)^3 at w = 1
    for function in (batch_norm, functional.batch_norm):
        base = torch.ones(3, requires_grad=True)
        out = function(x, None, None, base.square(), None, training=True)
        (first,) = torch.autograd.grad(out.pow(3).sum(), [base], create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), [base])
        torch.testing.assert_close(second, expected, rtol=1e-4, atol=1e-4)


def test_running_statistics_are_written_alike() -> None:
    x = torch.randn((4, 3, 2), generator=torch.Generator().manual_seed(0))
    ours, theirs = ([torch.zeros(3), torch.ones(3)] for _ in range(2))
    batch_norm(x, ours[0], ours[1], training=True)
    functional.batch_norm(x, theirs[0], theirs[1], training=True)
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_one_value_a_channel_is_refused_as_by_torch() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        batch_norm(torch.zeros(1, 3, 1, 1), None, None)
