"""The catalogue of the language: the facts on the records of primitives and statistics as plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eznas import primitives
from eznas.errors import unknown
from eznas.primitives import ALIASES, MAP_KINDS, STATISTICS, TENSOR_KINDS, Floor, Kind, Primitive, Statistic
from eznas.programs.parse import parse
from eznas.programs.rules import rule_texts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eznas.programs.tree import Node


_EXAMPLES = {
    Kind.WEIGHT: ("weight", "weight_grad.data"),
    Kind.INPUT: ("conv_in.data", "conv_in_grad.data"),
    Kind.OUTPUT: ("norm_out.data", "norm_out.noise"),
    Kind.IMAGE: ("image.data", "image.noise"),
    Kind.SAMPLES: ("gram(norm_out.data)", "gram(norm_out.noise)"),
    Kind.UNIT: ("mean(norm_out.data)", "std(norm_out.data)"),
    Kind.NETWORK: ("sum(mean(norm_out.data))", "sum(std(norm_out.data))"),
    Kind.LITERAL: ("1", "1"),
}


def look_up(name: str) -> list[Primitive | Statistic]:
    """Return the records of a primitive, or the statistic, of a name.

    Raises:
        InputError: There is none; the message has the nearest name.
    """
    name = ALIASES.get(name, name)
    if name in STATISTICS:
        return [STATISTICS[name]]
    if not primitives.overloads(name):
        names = {record.name for record in primitives.all_primitives()} | STATISTICS.keys()
        raise unknown("primitive or statistic", name, names)
    return list(primitives.overloads(name))


def arguments(record: Primitive) -> str:
    """Return the kinds that a primitive takes, such as ``"x, y: any tensor"``."""
    tensors = record.arity - (record.parameter is not None)
    literal = record.parameter
    range_ = f"; {literal.name}: {literal.low:g} to {literal.high:g}" if literal else ""
    return f"{', '.join('xyz'[:tensors])}: {_kinds(signature.args[0] for signature in record.signatures)}{range_}"


def result(record: Primitive) -> str:
    """Return the kind that a primitive gives: ``"the same kind"``, or its name."""
    kinds = {signature.result for signature in record.signatures}
    return kinds.pop().value if len(kinds) == 1 else "the same kind"


def example(record: Primitive, position: int = 0) -> Node:
    """Return a small program that uses a primitive, by one of its signatures."""
    signature = record.signatures[position]
    args = [_EXAMPLES[kind][place % 2] for place, kind in enumerate(signature.args)]
    if record.parameter is not None:
        args[-1] = repr(record.parameter.choices[0])
    wraps = {Kind.NETWORK: "{}", Kind.UNIT: "sum({})"}
    return parse(wraps.get(signature.result, "sum(mean({}))").format(f"{record.name}({', '.join(args)})"))


def describe(record: Primitive | Statistic) -> dict[str, Any]:
    """Return every fact of a record by name, as values that JSON holds."""
    return _of_primitive(record) if isinstance(record, Primitive) else _of_statistic(record)


def _of_primitive(record: Primitive) -> dict[str, Any]:
    parameter = record.parameter
    return {
        "name": record.name,
        "type": "primitive",
        "family": record.family,
        "arguments": arguments(record),
        "result": result(record),
        "definition": record.formula,
        "domain": record.domain,
        "source": record.source,
        "values that evolution draws": list(parameter.choices) if parameter else [],
        "properties": _properties(record),
        "simplified by": rule_texts(record),
        "price": record.price if record.signatures[0].args[0].floor is Floor.TENSOR else 0.0,
        "draw weight": record.draw_weight,
        "example": example(record).text,
        "latex": record.latex.format(*"xyz"[: record.arity - bool(parameter)], "p"),
    }


def _of_statistic(record: Statistic) -> dict[str, Any]:
    return {
        "name": record.name,
        "type": "statistic",
        "kind": record.kind.value,
        "definition": record.description,
        "forward passes": sorted(record.forward_passes),
        "backward passes": sorted(record.backward_passes),
        "needs": sorted(record.needs),
        "argument of EZNAS's code": record.reference_index,
        "older names": [alias for alias, name in ALIASES.items() if name == record.name],
        "example": parse(f"sum(mean({record.name}))").text,
        "latex": record.latex,
    }


def _properties(record: Primitive) -> list[str]:
    choices = record.parameter.choices if record.parameter else ()
    increasing = ", ".join([f"{choice:g}" for choice in choices if record.is_increasing(choice)])
    properties = {
        "entrywise": record.entrywise,
        "commutative": record.commutative,
        f"strictly increasing{f' for {increasing}' if choices else ''}": bool(record.increasing),
        f"orders networks as {record.orders_as}": bool(record.orders_as),
        f"nonnegative {record.nonnegative}".removesuffix(" always"): bool(record.nonnegative),
        "reads only the shape of its argument": record.shape_only,
        "computes the eigenvalues of each map": record.eigenvalues,
        "of equal entries, the same for any number of them": record.ignores_size,
    }
    return [text for text, holds in properties.items() if holds]


def _kinds(kinds: Iterable[Kind]) -> str:
    """Name kinds, whole groups at once."""
    names, rest = [], list(kinds)
    for group, name in ((TENSOR_KINDS, "any tensor"), (MAP_KINDS, "any map")):
        if set(group) <= set(rest):
            names.append(name)
            rest = [kind for kind in rest if kind not in group]
    return ", ".join([*names, *[kind.value for kind in rest]])
