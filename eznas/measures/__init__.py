"""Named zero-cost proxies: hand-written functions and programs in one register.

``measure`` registers a function of a network and a minibatch. Measures of one family read the same passes; ``reading``
registers a function of what those passes gave (``Evidence``), and ``eznas.measure`` runs each pass once for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.measures.evidence import PARTS, Evidence
from eznas.measures.registry import MEASURES, Measure, UndefinedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

    from eznas.measures.find import find_measures
    from eznas.minibatch import Minibatch

__all__ = ["MEASURES", "Evidence", "Measure", "UndefinedError", "find_measures", "measure", "reading"]


def measure(
    *,
    name: str,
    paper: str,
    formula: str,
    needs: Iterable[str] = (),
    direction: int = 1,
    equivalent: str = "",
    reference: str = "",
) -> Callable[[Callable[[nn.Module, Minibatch], float]], Callable[[nn.Module, Minibatch], float]]:
    """Register the decorated function, which scores a network on a minibatch and leaves it as it was.

    It raises ``UndefinedError``, or returns NaN or an infinity, where the measure is undefined; the scorer turns that
    into a status.

    Args:
        name: See ``Measure``, as for all that follow.
        paper: See ``Measure``.
        formula: See ``Measure``.
        needs: See ``Measure``.
        direction: See ``Measure``.
        equivalent: See ``Measure``.
        reference: See ``Measure``.

    Raises:
        InputError: The name is taken.
    """

    def register(
        function: Callable[[nn.Module, Minibatch], float],
    ) -> Callable[[nn.Module, Minibatch], float]:
        MEASURES.register(
            Measure(
                name,
                paper,
                formula,
                frozenset(needs),
                direction,
                function,
                equivalent=equivalent,
                reference=reference,
            )
        )
        return function

    return register


def reading(
    *parts: str,
    name: str,
    paper: str,
    formula: str,
    direction: int = 1,
    equivalent: str = "",
    reference: str = "",
) -> Callable[[Callable[[Evidence], float]], Callable[[nn.Module, Minibatch], float]]:
    """Register the decorated function, which scores a network by what shared passes gave.

    What it needs follows from the parts. What is returned scores a network on a minibatch with passes of its own.

    Args:
        *parts: The parts of ``Evidence`` that the function reads: names of ``PARTS``.
        name: See ``Measure``, as for all that follow.
        paper: See ``Measure``.
        formula: See ``Measure``.
        direction: See ``Measure``.
        equivalent: See ``Measure``.
        reference: See ``Measure``.

    Raises:
        InputError: The name is taken.
    """
    needs = frozenset().union(*(PARTS[part] for part in parts))

    def register(shared: Callable[[Evidence], float]) -> Callable[[nn.Module, Minibatch], float]:
        def alone(network: nn.Module, minibatch: Minibatch) -> float:
            with Evidence(network, minibatch, parts) as seen:
                return shared(seen)

        alone.__doc__ = shared.__doc__
        MEASURES.register(
            Measure(
                name,
                paper,
                formula,
                needs,
                direction,
                alone,
                shared=shared,
                reads=frozenset(parts),
                equivalent=equivalent,
                reference=reference,
            )
        )
        return alone

    return register


def __getattr__(name: str) -> object:
    if name == "find_measures":
        from eznas.measures.find import find_measures

        return find_measures
    raise AttributeError(f"module 'eznas.measures' has no attribute {name!r}")
