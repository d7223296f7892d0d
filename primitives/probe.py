"""The probe that every primitive passes when it is registered."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eznas.primitives.kinds import Floor, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["ProbeError", "probe"]

_SHAPES: dict[Kind, tuple[int, ...]] = {
    Kind.WEIGHT: (4, 3, 2, 2),
    Kind.INPUT: (3, 3, 2, 2),
    Kind.OUTPUT: (3, 4, 2, 2),
    Kind.IMAGE: (3, 3, 2, 2),
    Kind.SAMPLES: (3, 3),
    Kind.UNIT: (3,),
    Kind.NETWORK: (),
}
_FILLS = ("normal", "zero", "negative", "infinite", "undefined")
_FAILURES = (ArithmeticError, IndexError, RuntimeError, TypeError, ValueError)


class ProbeError(ValueError):
    """A function does not keep the contract of a primitive."""


def probe(
    name: str,
    function: Callable[..., Tensor],
    args: Sequence[Kind],
    result: Kind,
    literals: Sequence[float] = (),
    *,
    across_units: bool = False,
) -> None:
    """Check that ``function`` is pure, keeps dtype and declared shape, and treats each unit by itself.

    It is called on a stack of five members (units on the tensor floor, networks above it) that hold normal
    values, zeros, negatives, infinities and a NaN, and on each member alone; in float32 and float64, and with
    every combination of arguments whose last axes are reduced to length 1. From units to units it must also
    treat each unit by itself, unless it is declared ``across_units``.

    Raises:
        ProbeError: It is not; the message names the input.
    """
    operands = [kind for kind in args if kind is not Kind.LITERAL]
    literal_tuples = [(value,) for value in literals] if Kind.LITERAL in args else [()]
    reductions = itertools.product(*[(False, True) if _SHAPES[kind] else (False,) for kind in operands])
    with torch.inference_mode():
        for dtype, reduced, literal in itertools.product((torch.float32, torch.float64), reductions, literal_tuples):
            kinds = ", ".join(kind.value for kind in args)
            case = f"{name}({kinds}) in {str(dtype).removeprefix('torch.')}"
            tensors = [
                _stack(kind, narrow, dtype, position)
                for position, (kind, narrow) in enumerate(zip(operands, reduced, strict=True))
            ]
            called = functools.partial(_with_literal, function, literal)
            _check(case, called, tensors, operands[0].floor, result)
            if operands[0] is result is Kind.UNIT and not across_units:
                _check_units(case, called, tensors)


def _with_literal(function: Callable[..., Tensor], literal: tuple[float, ...], *values: Tensor) -> Tensor:
    return function(*values, *literal)


def _check(case: str, function: Callable[..., Tensor], tensors: list[Tensor], floor: Floor, result: Kind) -> None:
    kept = [tensor.clone() for tensor in tensors]
    out = _call(case, function, kept)
    if not all(map(_same, tensors, kept)):
        raise ProbeError(f"{case}: changes its input")
    if out.dtype != tensors[0].dtype:
        raise ProbeError(f"{case}: must return that type, got {out.dtype}")
    # On the tensor floor the members are the units, so a reduction gives one number for each member.
    want = (len(_FILLS), *(() if floor is Floor.TENSOR and result is Kind.UNIT else _SHAPES[result]))
    got = tuple(out.shape)
    if len(got) != len(want) or got[0] != want[0] or any(n not in (1, m) for n, m in zip(got, want, strict=True)):
        raise ProbeError(f"{case}: must return {result.value} of shape {want} or with axes of 1, got {got}")
    if not _same(out, _call(case, function, tensors)):
        raise ProbeError(f"{case}: gives another value when called again")
    members = [slice(i, i + 1) if floor is Floor.TENSOR else i for i in range(len(_FILLS))]
    alone = [_call(case, function, [tensor[member] for tensor in tensors]) for member in members]
    for member, value, fill in zip(members, alone, _FILLS, strict=True):
        if value.shape != out[member].shape:
            raise ProbeError(f"{case}: must give the {fill} member the same shape alone and in a stack")
    if not _close(torch.stack(alone).view_as(out), out):
        raise ProbeError(f"{case}: must give each member the same value alone and in a stack of {_FILLS}")


def _check_units(case: str, function: Callable[..., Tensor], tensors: list[Tensor]) -> None:
    out = _call(case, function, tensors)
    units = range(out.shape[-1])
    parts = [[one if one.shape[-1] == 1 else one[..., unit : unit + 1] for one in tensors] for unit in units]
    if not _close(torch.cat([_call(case, function, part) for part in parts], -1), out):
        raise ProbeError(f"{case}: must give each unit the same value alone and among others, or say across_units")


def _call(case: str, function: Callable[..., Tensor], tensors: Sequence[Tensor]) -> Tensor:
    try:
        out = function(*tensors)
    except _FAILURES as error:
        raise ProbeError(f"{case}: must not raise, got {type(error).__name__}: {error}") from error
    if not isinstance(out, Tensor):
        raise ProbeError(f"{case}: must return a tensor, got {type(out).__name__}")
    return out


def _close(left: Tensor, right: Tensor) -> bool:
    tolerance = 1e-4 if right.dtype == torch.float32 else 1e-9
    return torch.allclose(left, right, rtol=tolerance, atol=tolerance, equal_nan=True)


def _same(left: Tensor, right: Tensor) -> bool:
    """Compare bits, so that a NaN equals itself."""
    return torch.equal(left.contiguous().view(torch.uint8), right.contiguous().view(torch.uint8))


@functools.cache
def _stack(kind: Kind, reduced: bool, dtype: torch.dtype, position: int) -> Tensor:
    """Return one member for each fill; ``reduced`` shortens the axes of a map or of the units to 1."""
    shape = _SHAPES[kind]
    if reduced:
        kept = max(len(shape) - 2, 0)
        shape = (*shape[:kept], *(1 for _ in shape[kept:]))
    normal = torch.randn(shape, generator=torch.Generator().manual_seed(position), dtype=dtype)
    undefined = normal.clone()
    undefined.view(-1)[0] = torch.nan
    members = {
        "normal": normal,
        "zero": torch.zeros_like(normal),
        "negative": -normal.abs() - 0.5,
        "infinite": torch.where(normal > 0, torch.inf, normal),
        "undefined": undefined,
    }
    return torch.stack([members[fill] for fill in _FILLS])
