"""The records of primitives: every fact that the rest of eznas uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from eznas.primitives.kinds import Kind


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
        of_second: The primitive of one argument that it is of its second argument where the first one is neutral.
        orders_as: A simpler primitive of the same arguments that puts networks in the same order.
        nonnegative: Whether its values, NaN aside, are never below 0 and no zero has a minus sign: ``"always"``, or
            ``"if arguments are"`` too.
        shape_only: Whether it reads the shape of its argument and not the values; all entries of its result are equal.
        ignores_size: Whether reducing equal entries gives a number that does not depend on how many there are.
        ignores: Primitives ``g`` of one argument with ``f(g(x)) = f(x)`` to the bit.
        keeps: Primitives ``g`` of one argument with ``f(g(x)) = g(x)`` to the bit.
        rules: Further rewriting rules of ``eznas.programs.rules`` whose left side begins with this primitive.
        eigenvalues: Whether it computes the eigenvalues of each map.
        price: Its time on the largest statistic of a unit, in forward passes.
        draw_weight: How often evolution draws it, relative to the others.
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
    of_second: str = ""
    orders_as: str = ""
    nonnegative: Literal["", "always", "if arguments are"] = ""
    shape_only: bool = False
    ignores_size: bool = False
    ignores: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    eigenvalues: bool = False
    price: float = 0.1
    draw_weight: float = 1.0

    @property
    def arity(self) -> int:
        """The number of arguments, the literal included."""
        return len(self.signatures[0].args)

    def is_increasing(self, *literals: float) -> bool:
        """Whether it is strictly increasing with these values of its literal argument."""
        return self.increasing(*literals) if callable(self.increasing) else self.increasing
