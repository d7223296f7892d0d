"""The order in which nodes of the tensor floor are evaluated on stacked units."""

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


_TEMPORARY = 8
"""Most copies of its argument that a primitive makes; copies in double precision count twice."""


@dataclass
class Trace:
    """Counts of evaluations; calls that share a trace add to it.

    Args:
        evaluations: Primitives evaluated times units, a cost that does not depend on the machine.
        calls: Calls of primitives, each on a chunk of stacked units.
        failures: For each reduction above a primitive that raised, the error.
    """

    evaluations: int = 0
    calls: int = 0
    failures: dict[Node, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """Stands for a value whose computation failed."""

    detail: str


Value = Tensor | float | Failure


@dataclass(frozen=True)
class _Step:
    """One node of a plan.

    Args:
        node: The node.
        place: The index of its value.
        function: Its primitive; None for a leaf.
        args: The indices of the primitive's arguments.
        spread: Whether an argument that is the same for every unit may meet one that is not.
        last: Indices whose values are freed after it.
    """

    node: Node
    place: int
    function: Callable[..., Tensor] | None
    args: tuple[int, ...]
    spread: bool
    last: tuple[int, ...]


class Plan:
    """Nodes in the order of their evaluation, each value freed after its last use; one plan serves many chunks.

    Args:
        order: Distinct nodes; their arguments precede them or are given to ``run``.
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
            given: Values of nodes that the plan does not evaluate.
            leaf: Returns the stacked tensor of a statistic.
            trace: Takes the counts.
            units: The number of stacked units.

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
                if step.spread:  # repeat values that are the same for every unit
                    args = [arg.expand(units, *arg.shape[1:]) if isinstance(arg, Tensor) else arg for arg in args]
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
        """Return the peak of bytes of all values, including the copies that a primitive makes.

        Args:
            sizes: Most bytes of a value of each kind.
        """
        held = most = 0
        for step in self._steps:
            held += sizes[step.node.kind]
            working = _TEMPORARY * max([sizes[arg.kind] for arg in step.node.args], default=0)
            most = max(most, held + working)
            held -= sum([sizes[self._steps[place].node.kind] for place in step.last])
        return most
