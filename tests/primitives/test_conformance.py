"""What every primitive promises, tried on every record and signature with drawn shapes and values."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import random
import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eznas import primitives
from eznas.primitives import MAP_KINDS, NUMBER_KINDS, TENSOR_KINDS, Kind, Primitive, Signature
from eznas.primitives.probe import probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

RECORDS = sorted(primitives.all_primitives(), key=lambda record: (record.family, record.name))
quick = settings(max_examples=5, deadline=None)

FILLS: dict[str, Callable[[Tensor], Tensor]] = {
    "normal": lambda x: x,
    "positive": lambda x: x.abs() + 0.1,
    "whole": lambda x: x.round(),
    "zero": torch.zeros_like,
    "constant": lambda x: torch.full_like(x, 0.1),
    "tiny": lambda x: x * 1e-25,
    "huge": lambda x: x * 1e25,
    "infinite": lambda x: torch.where(x > 1, torch.inf, x),
    "infinities": lambda x: torch.where(x.abs() > 1, x.sign() * torch.inf, x),
    "undefined": lambda x: torch.where(x > 1, torch.nan, x),
}


@dataclass(frozen=True)
class Drawn:
    """Sizes and a seed; all else follows from the seed, which keeps drawing cheap."""

    units: int
    rows: int
    channels: int
    height: int
    width: int
    seed: int
    dtype: torch.dtype

    def full(self, kind: Kind) -> tuple[int, ...]:
        if kind in MAP_KINDS:
            return (self.units, self.rows, self.channels, self.height, self.width)
        return {Kind.SAMPLES: (self.units, self.rows, self.rows), Kind.UNIT: (self.units,), Kind.NETWORK: ()}[kind]

    def args(self, record: Primitive, signature: Signature, salt: int = 0) -> list[Tensor | float]:
        chance = random.Random(f"{self.seed} {signature} {salt}")
        generator = torch.Generator().manual_seed(chance.randrange(2**31))
        made: list[Tensor | float] = []
        for kind in signature.args:
            if kind is Kind.LITERAL:
                assert record.parameter is not None
                made.append(record.parameter.choices[self.seed % len(record.parameter.choices)])
                continue
            shape = self.full(kind)
            if kind is Kind.SAMPLES:
                shape = chance.choice([shape, (self.units, 1, 1)])
            elif kind in MAP_KINDS:
                shape = (self.units, *(chance.choice([n, n, 1]) for n in shape[1:]))
            value = torch.randn(shape, generator=generator, dtype=self.dtype)
            fills = [FILLS[chance.choice(sorted(FILLS))] for _ in range(self.units)]
            made.append(
                torch.stack([fill(row) for fill, row in zip(fills, value, strict=True)]) if shape else fills[0](value)
            )
        return made


@st.composite
def sizes(draw: st.DrawFn) -> Drawn:
    small = st.integers(1, 4)
    height = draw(small)
    return Drawn(
        units=draw(st.integers(1, 3)),
        rows=draw(small),
        channels=draw(small),
        height=height,
        width=draw(st.one_of(st.just(height), small)),
        seed=draw(st.integers(0, 2**16)),
        dtype=draw(st.sampled_from([torch.float32, torch.float64])),
    )


def bits(x: Tensor | float) -> object:
    return x.contiguous().flatten().view(torch.uint8).tolist() if isinstance(x, Tensor) else x


def assert_near(got: Tensor, wanted: Tensor) -> None:
    finite = wanted[wanted.isfinite()]
    scale = float(finite.abs().max()) if finite.numel() else 0.0
    eps = 1e-5 if wanted.dtype == torch.float32 else 1e-9
    assert got.shape == wanted.shape
    assert torch.allclose(got, wanted, rtol=100 * eps, atol=eps * scale, equal_nan=True), (got, wanted)


def some(records: Iterable[Primitive]) -> pytest.MarkDecorator:
    chosen = list(records)
    return pytest.mark.parametrize("record", chosen, ids=[f"{one.family}-{one.name}" for one in chosen])


def signatures(record: Primitive, kinds: tuple[Kind, ...]) -> list[Signature]:
    return [signature for signature in record.signatures if signature.args[0] in kinds]


@some(RECORDS)
def test_passes_the_probe(record: Primitive) -> None:
    probe(record, primitives.overloads)


@some(RECORDS)
@quick
@given(drawn=sizes())
def test_is_pure_keeps_dtype_and_gives_the_declared_kind(record: Primitive, drawn: Drawn) -> None:
    for signature in record.signatures:
        args = drawn.args(record, signature)
        before = [bits(arg) for arg in args]
        out = record.function(*args)
        assert [bits(arg) for arg in args] == before
        assert bits(record.function(*args)) == bits(out)
        assert out.dtype == drawn.dtype
        wanted = drawn.full(signature.result)
        assert out.dim() == len(wanted)
        assert all(n in (1, m) for n, m in zip(out.shape, wanted, strict=True))
        assert out.dim() == 0 or out.shape[0] == drawn.units
        assert all(out.data_ptr() != arg.data_ptr() for arg in args if isinstance(arg, Tensor))


@some(record for record in RECORDS if signatures(record, TENSOR_KINDS))
@quick
@given(drawn=sizes())
def test_each_unit_stands_by_itself(record: Primitive, drawn: Drawn) -> None:
    for signature in signatures(record, TENSOR_KINDS):
        args = drawn.args(record, signature)
        out = record.function(*args)
        for unit in range(drawn.units):
            alone = [arg[unit : unit + 1] if isinstance(arg, Tensor) else arg for arg in args]
            assert_near(record.function(*alone), out[unit : unit + 1])


@some(record for record in RECORDS if signatures(record, NUMBER_KINDS))
@quick
@given(drawn=sizes(), networks=st.integers(1, 3))
def test_each_network_stands_by_itself(record: Primitive, drawn: Drawn, networks: int) -> None:
    for signature in signatures(record, NUMBER_KINDS):
        apart = [drawn.args(record, signature, salt) for salt in range(networks)]
        stacked = [
            torch.stack([arg for arg in column if isinstance(arg, Tensor)])
            if isinstance(column[0], Tensor)
            else column[0]
            for column in zip(*apart, strict=True)
        ]
        together = record.function(*stacked)
        for network, args in enumerate(apart):
            assert_near(together[network], record.function(*args))


@some(record for record in RECORDS if record.signatures[0].args[:1] * 2 == record.signatures[0].args)
@quick
@given(drawn=sizes())
def test_reduced_operands_count_as_expanded(record: Primitive, drawn: Drawn) -> None:
    for signature in record.signatures:
        x, y = (torch.as_tensor(arg) for arg in drawn.args(record, signature))
        x_full, y_full = (one.clone() for one in torch.broadcast_tensors(x, y))  # type: ignore[no-untyped-call]
        out = record.function(x, y)
        assert_near(out, record.function(x_full, y_full).expand_as(out))
        if record.commutative:
            assert_near(record.function(y, x), out)
        if x.dim():  # what the images give is one for all units
            assert_near(record.function(x[:1], y), record.function(x[:1].expand_as(x), y).expand_as(out))


@some(RECORDS)
def test_facts_are_complete(record: Primitive) -> None:
    assert record.formula
    assert record.domain
    assert record.function.__doc__
    assert (record.formula + record.domain + record.source + record.latex).isascii()
    assert len({signature.args.index(Kind.LITERAL) for signature in record.signatures if record.parameter}) <= 1
    slots = [f"<{index}>" for index in range(record.arity)]
    shown = record.latex.format(*slots)
    assert all(slot in shown for slot in slots) or record.shape_only
    assert shown.count("{") == shown.count("}")
    if record.parameter is not None:
        assert all(record.parameter.low <= choice <= record.parameter.high for choice in record.parameter.choices)
        assert all(signature.args[-1] is Kind.LITERAL for signature in record.signatures)


@some(RECORDS)
def test_source_stands_alone(record: Primitive) -> None:
    """Exported proxies carry the source of a primitive and of the functions of this package that it calls."""
    todo, seen = [record.function], set()
    while todo:
        function = todo.pop()
        seen.add(function)
        assert function.__closure__ is None
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
        assert isinstance(tree, ast.FunctionDef)
        assert tree.name == function.__name__
        assert not any(isinstance(node, ast.Lambda) for part in tree.body for node in ast.walk(part))
        arguments = {arg.arg for arg in tree.args.args}
        body = [node for part in tree.body for node in ast.walk(part) if isinstance(node, ast.Name)]
        assigned = {node.id for node in body if isinstance(node.ctx, ast.Store)}
        annotations = {"Tensor"}
        free = {node.id for node in body} - arguments - assigned - annotations - set(dir(builtins)) - {"torch", "math"}
        for name in free:
            called = getattr(importlib.import_module(function.__module__), name)
            if isinstance(called, int | float | tuple | dict):
                continue
            assert inspect.isfunction(called), name
            assert called.__module__.startswith("eznas.primitives."), name
            if called not in seen:
                todo.append(called)


def test_function_names_are_unique() -> None:
    """So that the functions of one exported file cannot hide each other."""
    names = Counter(record.function.__name__ for record in RECORDS)
    assert [name for name, times in names.items() if times > 1] == []


TENSOR_OPERATORS = (
    "add", "mul", "matmul", "lt", "gt", "eq", "log", "abs_log", "abs", "square", "exp", "normalize", "relu",
    "sign", "heaviside", "reciprocal", "det", "logdet", "sym_eig_ratio", "eig_ratio", "softmax", "sigmoid",
    "ones_like", "zeros_like", "gt0", "lt0",
)  # fmt: skip
UNIT_OPERATORS = ("frobenius_norm", "mean", "l1", "hamming_distance", "kl_div", "cosine_similarity", "numel")


@pytest.mark.parametrize("kind", MAP_KINDS)
def test_every_operator_of_eznas_exists(kind: Kind) -> None:
    assert len(TENSOR_OPERATORS) + len(UNIT_OPERATORS) == 33
    for names, result in ((TENSOR_OPERATORS, kind), (UNIT_OPERATORS, Kind.UNIT)):
        for name in names:
            arity = primitives.overloads(name)[0].arity
            assert primitives.resolve(name, [kind] * arity)[1] is result
