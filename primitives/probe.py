"""The probe: the contract of a primitive and its declared facts, tried on values that make functions fail."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from eznas.primitives.kinds import Floor, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from eznas.primitives.records import Primitive, Signature

    Function = Callable[..., Tensor]
    Overloads = Callable[[str], Sequence[Primitive]]


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
    """A function does not keep the contract of a primitive, or has not a fact that its record declares."""


def probe(record: Primitive, overloads: Overloads) -> None:
    """Check that a primitive is pure, keeps dtype and declared shape, treats each unit by itself, and has its facts.

    Its function is called on a stack of five members (units on the tensor floor, networks above it) that hold normal
    values, zeros, negatives, infinities and a NaN, and on each member alone; in float32 and float64, with every choice
    of the literal, and with every combination of arguments whose last axes are reduced to length 1.

    Args:
        record: The primitive.
        overloads: Finds the primitives that ``ignores`` and ``keeps`` name.

    Raises:
        ProbeError: The message names the primitive, the kinds and the promise that is broken.
    """
    with torch.inference_mode():
        for signature, dtype in itertools.product(record.signatures, (torch.float32, torch.float64)):
            literals: list[tuple[float, ...]] = (
                [(value,) for value in record.parameter.choices] if record.parameter else [()]
            )
            for literal in literals:
                case = f"{record.name}{signature} in {str(dtype).removeprefix('torch.')}"
                function = functools.partial(_with_literal, record.function, literal)
                operands = [kind for kind in signature.args if kind is not Kind.LITERAL]
                for narrow in itertools.product(*[(False, True) if _SHAPES[kind] else (False,) for kind in operands]):
                    tensors = [
                        _stack(kind, reduced, dtype, place)
                        for place, (kind, reduced) in enumerate(zip(operands, narrow, strict=True))
                    ]
                    _check_contract(case, function, tensors, operands[0].floor, signature.result)
                tensors = [_stack(kind, False, dtype, place) for place, kind in enumerate(operands)]
                checked = functools.partial(_call, case, function)
                for promise, holds in _facts(record, signature, checked, tensors, literal, overloads):
                    if not holds:
                        raise ProbeError(f"{case}: is declared {promise}, but it is not")


def _with_literal(function: Function, literal: tuple[float, ...], *values: Tensor) -> Tensor:
    return function(*values, *literal)


def _check_contract(case: str, function: Function, tensors: list[Tensor], floor: Floor, result: Kind) -> None:
    inputs = [tensor.clone() for tensor in tensors]
    out = _call(case, function, *inputs)
    if not all(map(_same, tensors, inputs)):
        raise ProbeError(f"{case}: changes its input")
    if out.dtype != tensors[0].dtype:
        raise ProbeError(f"{case}: must return that type, got {out.dtype}")
    # On the tensor floor the members are the units, so a reduction gives one number for each member.
    want = (len(_FILLS), *(() if floor is Floor.TENSOR and result is Kind.UNIT else _SHAPES[result]))
    got = tuple(out.shape)
    if len(got) != len(want) or got[0] != want[0] or any(n not in (1, m) for n, m in zip(got, want, strict=True)):
        raise ProbeError(f"{case}: must return {result.value} of shape {want} or with axes of 1, got {got}")
    if not _same(out, _call(case, function, *tensors)):
        raise ProbeError(f"{case}: gives another value when called again")
    members = [slice(i, i + 1) if floor is Floor.TENSOR else i for i in range(len(_FILLS))]
    alone = [_call(case, function, *[tensor[member] for tensor in tensors]) for member in members]
    for member, value, fill in zip(members, alone, _FILLS, strict=True):
        if value.shape != out[member].shape:
            raise ProbeError(f"{case}: must give the {fill} member the same shape alone and in a stack")
    if not _close(torch.stack(alone).view_as(out), out):
        raise ProbeError(f"{case}: must give each member the same value alone and in a stack of {_FILLS}")


def _facts(
    record: Primitive,
    signature: Signature,
    function: Function,
    tensors: list[Tensor],
    literal: tuple[float, ...],
    overloads: Overloads,
) -> Iterator[tuple[str, bool]]:
    """Iterate over the declared facts, each with whether it holds on these tensors."""
    kind, out = signature.args[0], function(*tensors)
    if record.entrywise:
        order = torch.randperm(tensors[0].numel(), generator=torch.Generator().manual_seed(0))
        mixed = function(*[tensor.flatten()[order].view_as(tensor) for tensor in tensors])
        yield "entrywise", out.shape == tensors[0].shape and _close(mixed, out.flatten()[order].view_as(out))
    if record.commutative:
        yield "commutative", len(tensors) > 1 and _close(function(*reversed(tensors)), out)
    if record.is_increasing(*literal):
        grid = torch.linspace(-10, 10, 201, dtype=tensors[0].dtype).view(-1, *[1] * len(_SHAPES[kind]))
        values = function(grid)
        yield "increasing", bool((values[values.isfinite()].diff() > 0).all())
    if record.nonnegative:
        values = out if record.nonnegative == "always" else function(*[tensor.abs() for tensor in tensors])
        yield f"nonnegative {record.nonnegative}", not bool((values.signbit() & ~values.isnan()).any())
    if record.shape_only:
        yield "shape_only", bool((out == out.flatten()[0]).all())
    if record.ignores_size:
        equal = torch.tensor([0.0, 0.75, -2.0], dtype=tensors[0].dtype)
        shapes = (_SHAPES[kind], (1,) * len(_SHAPES[kind]))
        many, single = (function(equal.view(-1, *[1] * len(shape)).expand(-1, *shape).clone()) for shape in shapes)
        yield "ignores_size", _close(many, single)
    for name in (*record.ignores, *record.keeps):
        verb = "ignores" if name in record.ignores else "keeps"
        for inner in (record if name == record.name else None, *overloads(name)):
            if inner is not None and any(other.args == (kind,) and other.result is kind for other in inner.signatures):
                below = inner.function(tensors[0])
                yield f"{verb} {name}", _equal(function(below, *tensors[1:]), out if verb == "ignores" else below)


def _call(case: str, function: Function, *tensors: Tensor) -> Tensor:
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


def _equal(left: Tensor, right: Tensor) -> bool:
    """Compare values with the signs of zeros; NaN equals NaN."""
    same = (left == right) & ((left.signbit() == right.signbit()) | (left != 0))
    return bool((same | (left.isnan() & right.isnan())).all())


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
