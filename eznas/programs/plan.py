"""Nodes of the tensor floor in the order of their evaluation, on stacked units."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from eznas.primitives import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from eznas.programs.tree import Node

__all__ = ["Failure", "Plan", "Trace", "Value"]

_TEMPORARY = 8
"""Copies of its argument that a primitive makes at most, those in double precision counted twice."""


@dataclass
class Trace:
    """What evaluations did; pass one to several calls to add them up.

    Args:
        evaluations: Primitives evaluated, times units: the cost that does not depend on the machine.
        calls: Calls of primitives, each on a chunk of stacked units.
        failures: What a primitive raised, for each reduction above it.
    """

    evaluations: int = 0
    calls: int = 0
    failures: dict[Node, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """Stands for a value that could not be computed."""

    detail: str


Value = Tensor | float | Failure


@dataclass(frozen=True)
class _Step:
    """One node of a plan.

    Args:
        node: What is evaluated.
        place: Where its value goes.
        function: Its primitive; None for a leaf.
        args: Where the primitive's arguments are.
        spread: Whether an argument that is the same for every unit may meet one that is not.
        last: Places whose values are not needed any more after it.
    """

    node: Node
    place: int
    function: Callable[..., Tensor] | None
    args: tuple[int, ...]
    spread: bool
    last: tuple[int, ...]


class Plan:
    """Nodes in the order of their evaluation, each value freed after its last use; made once for many chunks.

    Args:
        order: Distinct nodes; their arguments come before them or are given to ``run``.
        keep: Nodes whose values ``run`` returns.
    """

    def __init__(self, order: Sequence[Node], keep: Collection[Node]) -> None:
        own, uses = set(order), Counter([arg for node in order for arg in node.args])
        places = {node: place for place, node in enumerate(dict.fromkeys([*order, *uses]))}
        self._given = [(node, place) for node, place in places.items() if node not in own]
        self._keep = [(node, places[node]) for node in keep]
        self._steps = []
        for node in order:
            uses.subtract(node.args)
            last = {places[arg] for arg in node.args if not uses[arg] and arg in own and arg not in keep}
            spread = any(arg not in own and arg.kind is not Kind.LITERAL for arg in node.args)
            function = node.primitive.function if node.args else None
            args = tuple([places[arg] for arg in node.args])
            self._steps.append(_Step(node, places[node], function, args, spread, tuple(last)))

    def run(
        self, given: Mapping[Node, Value], leaf: Callable[[str], Tensor], trace: Trace, units: int = 1
    ) -> dict[Node, Value]:
        """Evaluate the nodes on stacked units.

        Args:
            given: Values that are known.
            leaf: Gives the stacked tensor of a statistic.
            trace: Counts.
            units: How many are stacked.

        Returns:
            The values of the nodes to keep.
        """
        values: list[Any] = [None] * (len(self._steps) + len(self._given))
        for node, place in self._given:
            values[place] = given[node]
        failed = {place for _, place in self._given if isinstance(values[place], Failure)}
        for step in self._steps:
            if step.function is None:
                name = step.node.name
                values[step.place] = float(name) if step.node.kind is Kind.LITERAL else leaf(name)
            elif failed and not failed.isdisjoint(step.args):
                values[step.place] = next(values[place] for place in step.args if place in failed)
                failed.add(step.place)
            else:
                args = [values[place] for place in step.args]
                if step.spread:  # what is the same for every unit is repeated where it meets what is not
                    args = [one.expand(units, *one.shape[1:]) if isinstance(one, Tensor) else one for one in args]
                trace.calls += 1
                trace.evaluations += units
                try:
                    values[step.place] = step.function(*args)
                except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # it is documented
                    values[step.place] = Failure(f"{step.node.name} raised {type(error).__name__}: {error}")
                    failed.add(step.place)
            for place in step.last:
                values[place] = None
        return {node: values[place] for node, place in self._keep}

    def bytes(self, sizes: Mapping[Kind, int]) -> int:
        """Return the most bytes that the values take at once, what a primitive makes for itself included.

        Args:
            sizes: Bytes of a value of each kind at most.
        """
        held = most = 0
        for step in self._steps:
            held += sizes[step.node.kind]
            working = _TEMPORARY * max([sizes[arg.kind] for arg in step.node.args], default=0)
            most = max(most, held + working)
            held -= sum([sizes[self._steps[place].node.kind] for place in step.last])
        return most
