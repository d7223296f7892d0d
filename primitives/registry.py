"""The registry of primitives: records of facts, and overloads by kind."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas.primitives.kinds import Kind
from eznas.primitives.probe import probe
from eznas.primitives.records import Primitive, Signature

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor


_NAME = re.compile(r"[a-z_][a-z0-9_]*")


class KindError(ValueError):
    """A primitive was applied to kinds that it does not take, does not exist, or cannot have this name."""


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
    *signatures: tuple[Sequence[Kind], Kind], **facts: Any
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    r"""Register the decorated function as a primitive.

    Primitives from outside this package are probed first; the tests probe those of this package.

    Args:
        *signatures: Pairs of argument kinds and result kind.
        **facts: The fields of ``Primitive``; ``formula`` is required. By default, ``name`` is the function's name
            without a trailing underscore, and ``latex`` is ``\operatorname{name}(...)``.

    Raises:
        KindError: The name is not lower case, or another primitive of this name takes the same kinds.
        ProbeError: The function does not keep the contract, or a fact is wrong; see ``eznas.primitives.probe``.
    """

    def register(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        global _revision  # noqa: PLW0603 - a counter of the module
        name = facts.get("name", function.__name__.rstrip("_"))
        file = getattr(sys.modules.get(function.__module__), "__file__", None)  # a notebook has none
        slots = ", ".join([f"{{{index}}}" for index in range(len(signatures[0][0]))])
        record = Primitive(
            function=function,
            signatures=tuple(Signature(tuple(args), result) for args, result in signatures),
            family=Path(file).stem if file else function.__module__,
            **{"name": name, "latex": rf"\operatorname{{{{{name.replace('_', '-')}}}}}({slots})", **facts},
        )
        if not _NAME.fullmatch(name):
            raise KindError(f"a primitive's name must be made of a-z, 0-9 and _, got {name!r}")
        for signature in record.signatures:
            if (name, signature.args) in _BY_KINDS:
                raise KindError(f"{name}{signature} is registered already; choose another name")
        if not function.__module__.startswith(f"{__package__}."):
            probe(record, overloads)
        for signature in record.signatures:
            _BY_KINDS[name, signature.args] = (record, signature.result)
        _PRIMITIVES.setdefault(name, []).append(record)
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
    """Return a number that changes with every change of the registry: a key for caches over its records."""
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
