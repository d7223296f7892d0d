"""The register of primitives: records of facts, and overloads by kind."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

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
    "revision",
    "unregister",
]

_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class KindError(ValueError):
    """A primitive was applied to kinds that it does not take, does not exist, or cannot have this name."""


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
        name: The name of the argument, such as ``"exponent"``.
        choices: Values that evolution picks from.
        low: Least value accepted in a program's text.
        high: Greatest value accepted.
    """

    name: str
    choices: tuple[float, ...]
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Primitive:
    """One operator of the language, with every fact that the rest of eznas uses.

    Args:
        name: The name in program text; one name may have several records with disjoint argument kinds.
        function: The pure function; takes tensors, and floats where a signature says LITERAL.
        signatures: The kinds it is defined on.
        family: The file that defines it, without suffix.
        formula: Its definition, in the notation of ``eznas.primitives.kinds``.
        domain: Its values at the edge of its domain.
        source: Paper or project, where it is not plain mathematics.
        latex: Template for ``str.format`` with ``{0}``, ``{1}`` for the arguments; other braces are doubled.
        parameter: The literal argument, if it has one (always the last).
        entrywise: Whether each entry of the result depends on the same entry of the arguments alone.
        commutative: Whether the order of two arguments is free.
        increasing: Whether it is a strictly increasing function of its only tensor argument wherever it is finite;
            a function of the literal where that decides.
        orders_as: A simpler primitive of the same arguments that puts networks in the same order.
        nonnegative: Whether its values, NaN aside, are never below 0 and no zero has a minus sign: ``"always"``, or
            ``"if arguments are"`` too.
        shape_only: Whether it reads the shape of its argument and not the values; all entries of its result are equal.
        ignores_size: Whether reducing equal entries gives a number that does not depend on how many there are.
        ignores: Primitives ``g`` of one argument with ``f(g(x)) = f(x)`` to the bit.
        keeps: Primitives ``g`` of one argument with ``f(g(x)) = g(x)`` to the bit.
        rules: Further rewriting rules of ``eznas.programs.rules`` whose left side begins with this primitive.
        price: Its time on the largest statistic of a unit, in forward passes.
        draw_weight: How often evolution draws it, relative to the others.
        doc: The docstring of the function.
    """

    name: str
    function: Callable[..., Tensor]
    signatures: tuple[Signature, ...]
    family: str
    formula: str
    latex: str
    domain: str = "everywhere"
    source: str = ""
    parameter: Parameter | None = None
    entrywise: bool = False
    commutative: bool = False
    increasing: bool | Callable[[float], bool] = False
    orders_as: str = ""
    nonnegative: Literal["", "always", "if arguments are"] = ""
    shape_only: bool = False
    ignores_size: bool = False
    ignores: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    price: float = 0.1
    draw_weight: float = 1.0
    doc: str = field(default="", repr=False)

    @property
    def arity(self) -> int:
        """The number of arguments, the literal included."""
        return len(self.signatures[0].args)

    def is_increasing(self, *literals: float) -> bool:
        """Whether it is strictly increasing with these values of its literal argument."""
        return self.increasing(*literals) if callable(self.increasing) else self.increasing


_PRIMITIVES: dict[str, list[Primitive]] = {}
_BY_KINDS: dict[tuple[str, tuple[Kind, ...]], tuple[Primitive, Kind]] = {}
_revision = 0


def reducing(
    kinds: Iterable[Kind], result: Kind, *, arity: int = 1, literal: bool = False
) -> list[tuple[tuple[Kind, ...], Kind]]:
    """Return signatures that take ``arity`` arguments of one kind, maybe a literal, and give ``result``."""
    return [((kind,) * arity + (Kind.LITERAL,) * literal, result) for kind in kinds]


def keeping(kinds: Iterable[Kind], *, arity: int = 1, literal: bool = False) -> list[tuple[tuple[Kind, ...], Kind]]:
    """Return signatures that take ``arity`` arguments of one kind, maybe a literal, and give that kind."""
    return [signature for kind in kinds for signature in reducing([kind], kind, arity=arity, literal=literal)]


def primitive(
    *signatures: tuple[Sequence[Kind], Kind], name: str | None = None, **facts: Any
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    r"""Register the decorated function as a primitive.

    Primitives from outside this package are probed first; the tests probe those of this package.

    Args:
        *signatures: Pairs of argument kinds and result kind.
        name: The name in program text; the function's name without a trailing underscore by default.
        **facts: The fields of ``Primitive``; ``formula`` is required, ``latex`` is ``\operatorname{name}(...)`` by
            default.

    Raises:
        KindError: The name is not lower case, or another primitive of this name takes the same kinds.
        ProbeError: The function does not keep the contract, or a fact is wrong; see ``eznas.primitives.probe``.
    """

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        global _revision  # noqa: PLW0603 - a counter of the module
        final = name or function.__name__.rstrip("_")
        slots = ", ".join([f"{{{index}}}" for index in range(len(signatures[0][0]))])
        record = Primitive(
            name=final,
            function=function,
            signatures=tuple(Signature(tuple(args), result) for args, result in signatures),
            family=function.__module__.rpartition(".")[2],
            doc=function.__doc__ or "",
            **{"latex": rf"\operatorname{{{{{final.replace('_', '-')}}}}}({slots})", **facts},
        )
        if not _NAME.fullmatch(final):
            raise KindError(f"a primitive's name must be made of a-z, 0-9 and _, got {final!r}")
        for signature in record.signatures:
            if (final, signature.args) in _BY_KINDS:
                raise KindError(f"{final}{signature} is registered already; choose another name")
        if not function.__module__.startswith(f"{__package__}."):
            probe(record, overloads)
        for signature in record.signatures:
            _BY_KINDS[final, signature.args] = (record, signature.result)
        _PRIMITIVES.setdefault(final, []).append(record)
        _revision += 1
        return function

    return register


def unregister(records: Iterable[Primitive]) -> None:
    """Take registrations back, as for a plugin that fails to import."""
    global _revision  # noqa: PLW0603 - a counter of the module
    for record in list(records):
        _PRIMITIVES[record.name].remove(record)
        if not _PRIMITIVES[record.name]:
            del _PRIMITIVES[record.name]
        for signature in record.signatures:
            del _BY_KINDS[record.name, signature.args]
        _revision += 1


def revision() -> int:
    """Return a number that changes with every change of the register: a key for caches over its records."""
    return _revision


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
        KindError: There is none; the message lists the kinds that the name accepts.
    """
    match = _BY_KINDS.get((name, tuple(args)))
    if match is not None:
        return match
    got = f"({', '.join(kind.value for kind in args)})"
    accepted = [str(signature) for record in overloads(name) for signature in record.signatures]
    if not accepted:
        raise KindError(f"there is no primitive {name!r}")
    raise KindError(f"{name} does not take {got}; it takes {'; '.join(accepted)}")
