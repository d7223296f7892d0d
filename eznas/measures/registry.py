"""The register of measures: hand-written functions and programs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.passes.network_passes import PARTS, NetworkPasses
from eznas.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn

    from eznas.minibatch import Minibatch

__all__ = ["MEASURES", "Measure", "measure_from_passes", "register_measure"]


@dataclass(frozen=True)
class Measure:
    """One named zero-cost proxy.

    Args:
        name: The name on command lines.
        paper: Where it is published.
        formula: What it computes, in one line.
        needs: What it runs: any of ``"forward"``, ``"backward"``, ``"labels"``, ``"noise"``, ``"second order"`` (a
            backward pass through a backward pass), ``"samples"`` (a backward pass a sample) and ``"batches"`` (the
            minibatch in two halves).
        direction: 1 where more is better, -1 where less is; scores are reported as they are, never flipped.
        function: Scores a network on a minibatch; None where ``program`` says it.
        program: Program text; empty where ``function`` computes it.
        shared: What ``function`` computes, from passes that several measures share; None where there is none.
        reads: The parts of ``NetworkPasses`` that ``shared`` reads.
        equivalent: A program that gives what ``function`` gives, evaluated with ``units="any"`` on a network that runs
            each layer once; empty where the language cannot say it.
        reference: What is published about its rank correlation, with what it was measured on.
    """

    name: str
    paper: str
    formula: str
    needs: frozenset[str]
    direction: int = 1
    function: Callable[[nn.Module, Minibatch], float] | None = None
    program: str = ""
    shared: Callable[[NetworkPasses], float] | None = None
    reads: frozenset[str] = frozenset()
    equivalent: str = ""
    reference: str = ""


MEASURES: Registry[Measure] = Registry("measure", lambda measure: measure.name, ["eznas.measures.*"])
"""Every named measure."""


def register_measure(
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


def measure_from_passes(
    *parts: str,
    name: str,
    paper: str,
    formula: str,
    direction: int = 1,
    equivalent: str = "",
    reference: str = "",
) -> Callable[[Callable[[NetworkPasses], float]], Callable[[nn.Module, Minibatch], float]]:
    """Register the decorated function, which scores a network by what shared passes gave.

    What it needs follows from the parts. What is returned scores a network on a minibatch with passes of its own.

    Args:
        *parts: The parts of ``NetworkPasses`` that the function reads: names of ``PARTS``.
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

    def register(shared: Callable[[NetworkPasses], float]) -> Callable[[nn.Module, Minibatch], float]:
        def alone(network: nn.Module, minibatch: Minibatch) -> float:
            with NetworkPasses(network, minibatch, parts) as passes:
                return shared(passes)

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
