"""The registry of measures: functions and programs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from eznas.passes.network_passes import NetworkPasses
from eznas.passes.parts import PARTS, RESULTS
from eznas.primitives import STATISTICS
from eznas.programs import cost, network_leaves, parse, statistics
from eznas.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import nn
    from typing_extensions import Unpack

    from eznas.minibatch import Minibatch
    from eznas.passes.sizes import Sizes
    from eznas.programs import Node

    Function = Callable[[nn.Module, Minibatch], float]
    FromPasses = Callable[[NetworkPasses], float]


@dataclass(frozen=True)
class Measure:
    """One named zero-cost proxy.

    Args:
        name: Its name, also on command lines.
        paper: The publication; empty without one.
        formula: Its formula in one line.
        needs: The passes and data that it needs: any of ``"forward"``, ``"backward"``, ``"labels"``, ``"noise"``,
            ``"second order"`` (a backward pass through a backward pass), ``"samples"`` (a backward pass for each image)
            and ``"batches"`` (the minibatch in two halves).
        direction: 1 if more is better, -1 if less is better; scores are reported as they are, never negated.
        function: Scores a network on a minibatch; None for a program.
        program: The program's text; empty for a function.
        from_passes: Computes the value of ``function`` from passes that several measures share; None without it.
        parts: The parts of ``NetworkPasses`` that ``from_passes`` reads: names of ``PARTS``.
        equivalent: A program with the same value as ``function``, evaluated with ``units="any"`` on a network that runs
            each layer once; empty if the language cannot express it.
        reference: Published rank correlations, and the networks on which they were measured.
        seconds: Estimates the time of its own computation from the sizes of the passes: beside that of ``parts``, or
            of all passes if it has no parts. Without it, parts or needs decide.
    """

    name: str
    paper: str = ""
    formula: str = ""
    needs: frozenset[str] = frozenset()
    direction: int = 1
    function: Function | None = None
    program: str = ""
    from_passes: FromPasses | None = None
    parts: frozenset[str] = frozenset()
    equivalent: str = ""
    reference: str = ""
    seconds: Callable[[Sizes], float] | None = None

    def estimate(self, sizes: Sizes) -> float:
        """Estimate the seconds of a measure that is a function, alone, on one thread of a CPU.

        Args:
            sizes: The sizes of the network's passes.
        """
        own = self.seconds(sizes) if self.seconds else 0.0
        if self.parts:
            records = [PARTS[part] for part in self.parts]
            shared = frozenset[str]().union(*(record.results for record in records))
            return own + sum(record.seconds(sizes) for record in records) + sum(RESULTS[name](sizes) for name in shared)
        if self.seconds:
            return own
        return sum(_PRICES.get(need, 0.0) for need in self.needs) * sizes.forward()

    @property
    def price(self) -> float:
        """An estimate of its time on a network, in forward passes: from its needs, or the cost of its program."""
        if not self.program:
            return sum(_PRICES.get(need, 0.0) for need in self.needs)
        program = parse(self.program)
        return cost(program, measure_prices(network_leaves([program])))


def measure_prices(leaves: Iterable[Node]) -> dict[Node, float]:
    """Return the prices of the measures among leaves of the network floor, for ``eznas.programs.cost``."""
    parts = {leaf: leaf.name.partition(".") for leaf in leaves}
    return {leaf: MEASURES[name].price for leaf, (source, _, name) in parts.items() if source == "measure"}


_PRICES = {"forward": 1.0, "backward": 2.0, "batches": 2.0, "second order": 6.0, "samples": 20.0}
"""The time that each need adds, in forward passes, as measured with 16 images on networks of NAS-Bench-201."""

MEASURES: Registry[Measure] = Registry("measure", lambda measure: measure.name, ["eznas.measures.*"])
"""Every named measure."""


class _Facts(TypedDict, total=False):
    """The fields of ``Measure`` that decorators take."""

    name: str
    paper: str
    formula: str
    direction: int
    equivalent: str
    reference: str
    seconds: Callable[[Sizes], float]


def register_measure(*, needs: Iterable[str] = (), **facts: Unpack[_Facts]) -> Callable[[Function], Function]:
    """Register the decorated function, which scores a network on a minibatch and leaves it as it was.

    The function raises ``UndefinedError``, or returns NaN or an infinity, where the measure is undefined; the score
    then has a status instead of a value.

    Args:
        needs: See ``Measure``.
        **facts: ``name`` (by default that of the function), ``paper``, ``formula``, ``direction``, ``equivalent``,
            ``reference`` and ``seconds``; see ``Measure``.

    Raises:
        InputError: The name is taken.
    """

    def register(function: Function) -> Function:
        named: _Facts = {"name": function.__name__, **facts}
        MEASURES.register(Measure(**named, needs=frozenset(needs), function=function))
        return function

    return register


def measure_from_passes(
    *parts: str, needs: Iterable[str] = (), **facts: Unpack[_Facts]
) -> Callable[[FromPasses], Function]:
    """Register the decorated function, which computes a score from passes that several measures share.

    The decorator returns a function that scores a network on a minibatch with passes of its own.

    Args:
        *parts: The parts of ``NetworkPasses`` that the function reads: names of ``PARTS``, from which its needs follow.
        needs: Further needs, of what the function reads beside the parts; see ``Measure``.
        **facts: See ``register_measure``.

    Raises:
        InputError: The name is taken, or a part is unknown.
    """
    all_needs = frozenset(needs).union(*(PARTS[part].needs for part in parts))

    def register(from_passes: FromPasses) -> Function:
        def function(network: nn.Module, minibatch: Minibatch) -> float:
            with NetworkPasses(network, minibatch, parts) as passes:
                return from_passes(passes)

        function.__doc__ = from_passes.__doc__
        named: _Facts = {"name": from_passes.__name__, **facts}
        record = Measure(**named, needs=all_needs, function=function, from_passes=from_passes, parts=frozenset(parts))
        MEASURES.register(record)
        return function

    return register


def register_program(name: str, paper: str, text: str, reference: str = "") -> None:
    """Register a program; its needs are those of its statistics.

    Args:
        name: Its name.
        paper: The publication, or its origin.
        text: The program.
        reference: See ``Measure``.

    Raises:
        InputError: The name is taken, or the text is no program.
    """
    needs = frozenset[str]().union(*(STATISTICS[statistic].needs for statistic in statistics([parse(text)])))
    MEASURES.register(Measure(name, paper, text, needs, program=text, reference=reference))


def measure_programs() -> list[str]:
    """Return the equivalent programs of measures, negated where less is better.

    Evolution reads complete units. There an equivalent program leaves out layers without an activation in front or a
    normalisation behind, such as the last linear layer, which the measure reads.
    """
    equivalents = [(record.direction, record.equivalent) for record in MEASURES.values() if record.equivalent]
    return [text if direction > 0 else f"neg({text})" for direction, text in equivalents]
