"""The register of primitives: records of facts, overloads by kind, and the probe run at registration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eznas.primitives.kinds import Kind
from eznas.primitives.probe import probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor

__all__ = [
    "KindError",
    "Parameter",
    "Primitive",
    "Signature",
    "all_primitives",
    "keeping",
    "overloads",
    "primitive",
    "reducing",
    "resolve",
]


class KindError(ValueError):
    """A primitive was applied to kinds that it does not take, or does not exist."""


@dataclass(frozen=True)
class Signature:
    """Argument kinds and the kind of the result."""

    args: tuple[Kind, ...]
    result: Kind

    def __str__(self) -> str:
        return f"({', '.join(kind.value for kind in self.args)}) -> {self.result.value}"


@dataclass(frozen=True)
class Parameter:
    """The literal argument of a primitive.

    Args:
        name: What it is, such as ``"exponent"``.
        choices: Values that evolution picks from.
        low: Least value accepted in a program's text.
        high: Greatest value accepted.
    """

    name: str
    choices: tuple[float, ...]
    low: float
    high: float


@dataclass(frozen=True)
class Primitive:
    """One operator of the language.

    Args:
        name: The name in program text; one name may have several records with disjoint argument kinds.
        function: The pure function; takes tensors, and floats where a signature says LITERAL.
        signatures: The kinds it is defined on.
        family: The file it comes from, without suffix.
        formula: What it computes, in the notation of ``eznas.primitives.kinds``.
        domain: What happens at the edge of its domain.
        source: Paper or project, where it is not plain mathematics.
        latex: Template for ``str.format`` with ``{0}``, ``{1}`` for the arguments; other braces are doubled.
        commutative: Whether the order of two arguments is free.
        increasing: Whether it is a strictly increasing function of its only tensor argument wherever it is
            finite.
        across_units: Whether a function from units to units reads other units than the one it gives.
        parameter: The literal argument, if it has one (always the last).
    """

    name: str
    function: Callable[..., Tensor]
    signatures: tuple[Signature, ...]
    family: str
    formula: str
    domain: str
    source: str
    latex: str
    commutative: bool = False
    increasing: bool = False
    across_units: bool = False
    parameter: Parameter | None = None
    doc: str = field(default="", repr=False)

    @property
    def arity(self) -> int:
        """The number of arguments, the literal included."""
        return len(self.signatures[0].args)


_PRIMITIVES: dict[str, list[Primitive]] = {}
_BY_KINDS: dict[tuple[str, tuple[Kind, ...]], tuple[Primitive, Kind]] = {}


def keeping(kinds: Iterable[Kind], *, arity: int = 1, literal: bool = False) -> list[tuple[tuple[Kind, ...], Kind]]:
    """Return signatures that take ``arity`` arguments of one kind, maybe a literal, and give that kind."""
    return [((kind,) * arity + (Kind.LITERAL,) * literal, kind) for kind in kinds]


def reducing(
    kinds: Iterable[Kind], result: Kind, *, arity: int = 1, literal: bool = False
) -> list[tuple[tuple[Kind, ...], Kind]]:
    """Return signatures that take ``arity`` arguments of one kind, maybe a literal, and give ``result``."""
    return [((kind,) * arity + (Kind.LITERAL,) * literal, result) for kind in kinds]


def primitive(
    *signatures: tuple[Sequence[Kind], Kind],
    name: str | None = None,
    formula: str,
    domain: str = "everywhere",
    source: str = "",
    latex: str = "",
    commutative: bool = False,
    increasing: bool = False,
    across_units: bool = False,
    parameter: Parameter | None = None,
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    r"""Register the decorated function as a primitive, after probing it.

    Args:
        *signatures: Pairs of argument kinds and result kind.
        name: The name in program text; the function's name without a trailing underscore by default.
        formula: See ``Primitive``, as for all that follow.
        domain: See ``Primitive``.
        source: See ``Primitive``.
        latex: See ``Primitive``; ``\operatorname{name}(...)`` by default.
        commutative: See ``Primitive``.
        increasing: See ``Primitive``.
        across_units: See ``Primitive``.
        parameter: See ``Primitive``.

    Raises:
        KindError: Another primitive of this name takes the same kinds.
        primitives.probe.ProbeError: The function raises, changes its inputs, gives another shape than it
            declares, or gives another value on a stack of units than on each unit alone (from units to
            units, unless it is declared ``across_units``).
    """

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        final = name or function.__name__.rstrip("_")
        template = latex or rf"\operatorname{{{{{final.replace('_', '-')}}}}}({', '.join(_slots(signatures))})"
        record = Primitive(
            name=final,
            function=function,
            signatures=tuple(Signature(tuple(args), result) for args, result in signatures),
            family=function.__module__.rpartition(".")[2],
            formula=formula,
            domain=domain,
            source=source,
            latex=template,
            commutative=commutative,
            increasing=increasing,
            across_units=across_units,
            parameter=parameter,
            doc=function.__doc__ or "",
        )
        for signature in record.signatures:
            if (final, signature.args) in _BY_KINDS:
                raise KindError(f"{final}{signature} is registered already; choose another name")
            literals = parameter.choices if parameter else ()
            probe(final, function, signature.args, signature.result, literals, across_units=across_units)
        for signature in record.signatures:
            _BY_KINDS[final, signature.args] = (record, signature.result)
        _PRIMITIVES.setdefault(final, []).append(record)
        return function

    return register


def _slots(signatures: Iterable[tuple[Sequence[Kind], Kind]]) -> list[str]:
    args = next(iter(signatures))[0]
    return [f"{{{index}}}" for index in range(len(args))]


def overloads(name: str) -> tuple[Primitive, ...]:
    """Return the records of one name; empty where there is none."""
    return tuple(_PRIMITIVES.get(name, ()))


def all_primitives() -> Iterator[Primitive]:
    """Iterate over every record, by name."""
    for name in sorted(_PRIMITIVES):
        yield from _PRIMITIVES[name]


def resolve(name: str, args: Sequence[Kind]) -> tuple[Primitive, Kind]:
    """Find the primitive that takes these kinds, and the kind that it returns.

    Raises:
        KindError: There is none; the message lists what the name accepts.
    """
    found = _BY_KINDS.get((name, tuple(args)))
    if found is not None:
        return found
    got = f"({', '.join(kind.value for kind in args)})"
    accepted = [str(signature) for record in overloads(name) for signature in record.signatures]
    if not accepted:
        raise KindError(f"there is no primitive {name!r}")
    raise KindError(f"{name} does not take {got}; it takes {'; '.join(accepted)}")
