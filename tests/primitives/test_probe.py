"""What registration refuses, and how it says so."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor

from eznas import primitives
from eznas.primitives import (
    MAP_KINDS,
    TENSOR_KINDS,
    Kind,
    KindError,
    Parameter,
    ProbeError,
    keeping,
    primitive,
    reducing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RANDOM = torch.Generator()


@pytest.fixture(autouse=True)
def own_register() -> Iterator[None]:
    """Take back what a test registers."""
    before = list(primitives.all_primitives())
    yield
    primitives.unregister([record for record in primitives.all_primitives() if record not in before])
    assert list(primitives.all_primitives()) == before


def in_place(x: Tensor) -> Tensor:
    return x.clamp_(min=0).clone()


def mixes_units(x: Tensor) -> Tensor:
    return x - x.mean()


def shares_an_undefined_unit(x: Tensor) -> Tensor:
    return x + 0 * x.nan_to_num(torch.inf, 0, 0).sum()


def loses_the_unit_axis(x: Tensor) -> Tensor:
    return x.sum()


def adds_an_axis(x: Tensor) -> Tensor:
    return x[:, None]


def doubles_an_axis(x: Tensor) -> Tensor:
    return torch.cat([x, x], 1)


def widens(x: Tensor) -> Tensor:
    return x.double()


def booleans(x: Tensor) -> Tensor:
    return x > 0


def raises_on_infinities(x: Tensor) -> Tensor:
    values: Tensor = torch.linalg.eigvalsh(x.flatten(2) @ x.flatten(2).mT)
    return values[:, 0]


def is_random(x: Tensor) -> Tensor:
    return x + torch.rand((), generator=RANDOM)


def is_a_number(x: Tensor) -> Tensor:
    return float(x.sum())  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("function", "result", "said"),
    [
        (in_place, Kind.WEIGHT, "changes its input"),
        (mixes_units, Kind.WEIGHT, "same value alone and in a stack"),
        (shares_an_undefined_unit, Kind.WEIGHT, "same value alone and in a stack"),
        (loses_the_unit_axis, Kind.UNIT, "must return unit of shape"),
        (loses_the_unit_axis, Kind.WEIGHT, "must return weight of shape"),
        (adds_an_axis, Kind.WEIGHT, "must return weight of shape"),
        (doubles_an_axis, Kind.WEIGHT, "must return weight of shape"),
        (widens, Kind.WEIGHT, "float64"),
        (booleans, Kind.WEIGHT, "bool"),
        (raises_on_infinities, Kind.UNIT, "must not raise"),
        (is_random, Kind.WEIGHT, "another value when called again"),
        (is_a_number, Kind.UNIT, "must return a tensor, got float"),
    ],
)
def test_the_probe_refuses(function: Callable[[Tensor], Tensor], result: Kind, said: str) -> None:
    with pytest.raises(ProbeError, match=said) as caught:
        primitive(([Kind.WEIGHT], result), formula="none")(function)
    assert function.__name__ in str(caught.value)
    assert "weight" in str(caught.value)
    assert primitives.overloads(function.__name__) == ()


def whole_norm(x: Tensor) -> Tensor:
    return x / x.sum()


def same_for_all_networks(x: Tensor) -> Tensor:
    return x.sum(-1).mean().expand(x.shape[:-1]).clone()


def reads_the_first_network(x: Tensor) -> Tensor:
    return x.reshape(-1, x.shape[-1])[0].sum()


@pytest.mark.parametrize(
    ("function", "result"),
    [(whole_norm, Kind.UNIT), (same_for_all_networks, Kind.NETWORK), (reads_the_first_network, Kind.NETWORK)],
)
def test_the_probe_refuses_what_mixes_networks(function: Callable[[Tensor], Tensor], result: Kind) -> None:
    with pytest.raises(ProbeError):
        primitive(([Kind.UNIT], result), formula="none")(function)


def mixes_the_units_of_a_network(x: Tensor) -> Tensor:
    return x.flip(-1)


def softmin(x: Tensor) -> Tensor:
    return (-x).softmax(-1)


def identity(x: Tensor) -> Tensor:
    return x.clone()


def total(x: Tensor) -> Tensor:
    return x.sum(-1)


def minus(x: Tensor, y: Tensor) -> Tensor:
    return x - y


def clipped(x: Tensor, p: float) -> Tensor:
    return x.clamp(max=p)


@pytest.mark.parametrize(
    ("function", "fact", "promise"),
    [
        (mixes_the_units_of_a_network, {"entrywise": True}, "entrywise"),
        (softmin, {"entrywise": True}, "entrywise"),
        (identity, {"nonnegative": "always"}, "nonnegative always"),
        (torch.neg, {"nonnegative": "if arguments are"}, "nonnegative if arguments are"),
        (torch.relu, {"increasing": True}, "increasing"),
        (identity, {"shape_only": True}, "shape_only"),
        (total, {"ignores_size": True}, "ignores_size"),
        (minus, {"commutative": True}, "commutative"),
        (identity, {"commutative": True}, "commutative"),
        (identity, {"ignores": ("neg",)}, "ignores neg"),
        (identity, {"ignores": ("abs", "relu")}, "ignores abs"),
        (torch.neg, {"keeps": ("abs",)}, "keeps abs"),
        (torch.neg, {"ignores": ("opposite",)}, "ignores opposite"),
    ],
)
def test_the_probe_refuses_a_wrong_fact(function: Callable[..., Tensor], fact: dict[str, object], promise: str) -> None:
    def opposite(*values: Tensor) -> Tensor:
        return function(*values)

    signature = (
        ([Kind.UNIT], Kind.NETWORK) if function is total else ([Kind.UNIT] * (1 + (function is minus)), Kind.UNIT)
    )
    primitive(signature, formula="right")(opposite)
    primitives.unregister(primitives.overloads("opposite"))
    with pytest.raises(ProbeError, match=rf"opposite\(unit.* is declared {promise}, but it is not"):
        primitive(signature, formula="wrong", **fact)(opposite)


def test_a_fact_of_one_argument_is_refused_for_two() -> None:
    with pytest.raises(ProbeError, match=r"minus\(unit, unit\) .* must not raise"):
        primitive(*keeping([Kind.UNIT], arity=2), formula="x - y", increasing=True)(minus)


def test_a_fact_may_depend_on_the_literal() -> None:
    parameter = Parameter("cap", choices=(1.0, 20.0), low=0, high=99)
    with pytest.raises(ProbeError, match="is declared increasing"):
        primitive(*keeping([Kind.UNIT], literal=True), formula="x", parameter=parameter, increasing=True)(clipped)
    facts = {"parameter": parameter, "increasing": lambda p: p > 10}
    primitive(*keeping([Kind.UNIT], literal=True), formula="min(x, p)", **facts)(clipped)


def test_importing_the_language_does_not_probe() -> None:
    code = "import eznas.primitives.probe as probe; print(probe._stack.cache_info().currsize)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == [b"0"]


def test_a_name_that_no_program_can_spell_is_refused() -> None:
    with pytest.raises(KindError, match="must be made of a-z, 0-9 and _, got 'Identity'"):
        primitive(*keeping([Kind.UNIT]), name="Identity", formula="x")(identity)


def needs_equal_shapes(x: Tensor, y: Tensor) -> Tensor:
    return torch.baddbmm(torch.zeros(len(x), 1, 1, dtype=x.dtype), x.reshape(len(x), 1, -1), y.reshape(len(y), -1, 1))[
        :, 0, 0
    ]


def test_the_probe_tries_reduced_operands() -> None:
    with pytest.raises(ProbeError, match="must not raise"):
        primitive(([Kind.INPUT, Kind.INPUT], Kind.UNIT), formula="x . y")(needs_equal_shapes)


def at_most(x: Tensor, p: float) -> Tensor:
    return x.clamp(max=p) if p < 1 else x[:, :1, :1].sum()


def test_the_probe_tries_every_choice_of_a_literal() -> None:
    parameter = Parameter("cap", choices=(0.5, 2.0), low=0, high=9)
    with pytest.raises(ProbeError):
        primitive(*keeping([Kind.INPUT], literal=True), formula="min(x, p)", parameter=parameter)(at_most)


def spread(x: Tensor) -> Tensor:
    """The difference of the extremes."""
    axes = tuple(range(1, x.dim()))
    return x.amax(axes) - x.amin(axes)


def test_a_new_primitive_is_found_by_name_and_kinds() -> None:
    assert primitive(*reducing(TENSOR_KINDS, Kind.UNIT), formula="max x - min x")(spread) is spread
    found, kind = primitives.resolve("spread", [Kind.SAMPLES])
    assert (found.function, kind, found.arity) == (spread, Kind.UNIT, 1)
    assert found.family == __name__.rpartition(".")[2]
    assert found.latex.format("x") == r"\operatorname{spread}(x)"
    assert str(found.signatures[0]) == "(weight) -> unit"
    assert found in list(primitives.all_primitives())


def test_a_second_primitive_of_the_same_name_and_kinds_is_refused() -> None:
    with pytest.raises(KindError, match=r"mean\(weight\) -> unit is registered already; choose another name"):
        primitive(*reducing([Kind.WEIGHT], Kind.UNIT), name="mean", formula="max x - min x")(spread)
    primitive(*reducing([Kind.WEIGHT], Kind.UNIT), formula="max x - min x")(spread)
    with pytest.raises(KindError, match="registered already"):
        primitive(*reducing(MAP_KINDS, Kind.UNIT), formula="max x - min x")(spread)
    assert len(primitives.overloads("spread")) == 1
    with pytest.raises(KindError):
        primitives.resolve("spread", [Kind.INPUT])


def test_a_wrong_kind_is_answered_with_what_is_taken() -> None:
    with pytest.raises(KindError, match=r"trace does not take \(weight\); it takes \(samples\) -> unit"):
        primitives.resolve("trace", [Kind.WEIGHT])
    with pytest.raises(KindError, match="there is no primitive 'treys'"):
        primitives.resolve("treys", [Kind.WEIGHT])


def test_kinds_cannot_be_mixed() -> None:
    with pytest.raises(KindError):
        primitives.resolve("add", [Kind.INPUT, Kind.OUTPUT])
