"""Evaluates reductions within a bound on memory: on the statistics of single units, while the network runs."""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import torch

from eznas.capture import Capture, ShapeGroup, open_stream, outline_network, translated_errors, with_tensor_input
from eznas.primitives import STATISTICS, Kind
from eznas.programs.pass_plan import PLANNED, PassPlan, plan_within, unit_bytes
from eznas.programs.tensor_floor import evaluate_reductions, images_only, statistics
from eznas.programs.tree import postorder

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import Tensor, nn

    from eznas.capture import Outline, Unit
    from eznas.minibatch import Minibatch
    from eznas.primitives import Statistic
    from eznas.programs.plan import Trace
    from eznas.programs.tree import Node


GRAPH = 6
"""Tensors of each unit that the graph of a forward pass holds, at most."""

_TRIMMED = 0.7
"""Share of the memory from which on freed memory is returned to the system."""


def fits(nodes: Sequence[Node], network: nn.Module, minibatch: Minibatch, units: str, memory: int | None) -> bool:
    """Return whether the statistics that reductions read of all units are expected to fit into a memory bound at once.

    Args:
        nodes: Reductions, see ``reductions``.
        network: Runs on two images to find the shapes of its units.
        minibatch: Images and labels.
        units: See ``capture``.
        memory: Bytes for capturing and evaluating; None for no bound.

    Raises:
        NoUnitsError: The network has no units. Errors of ``capture`` are raised as well.
    """
    if memory is None:
        return True
    with translated_errors():
        network, minibatch = with_tensor_input(network, minibatch)
    names, shape = statistics(nodes), outline_network(network, minibatch, units)
    passes = 2 if any(STATISTICS[name].is_gradient for name in names) else 1
    return capture_bytes(names, unit_bytes(shape.units, minibatch)) + passes * shape.live <= PLANNED * memory


class BoundedReductions:
    """Reductions that are evaluated on a network within a memory bound.

    Args:
        nodes: Reductions, see ``reductions``.
        network: See ``capture``; it runs on two images.
        minibatch: See ``capture``.
        units: See ``capture``.
        memory: Bytes for capturing and evaluating.

    Attributes:
        forwards: The number of forward passes that were run on all images.

    Raises:
        MemoryLimitError: The memory is too little.
    """

    def __init__(
        self, nodes: Sequence[Node], network: nn.Module, minibatch: Minibatch, units: str, memory: int
    ) -> None:
        with translated_errors():
            network, minibatch = with_tensor_input(network, minibatch)
        self.forwards = 0
        self._trimmed = int(_TRIMMED * memory)
        self._nodes, self._network, self._minibatch, self._units = nodes, network, minibatch, units
        self._names = statistics(nodes)
        self._of_images = {name for name in self._names if STATISTICS[name].kind is Kind.IMAGE}
        alone = images_only(postorder(nodes))
        self._alone = [node for node in nodes if node in alone]
        self._by_request: dict[frozenset[str], list[Node]] = {}
        for node in nodes:
            if node not in alone:
                self._by_request.setdefault(statistics([node]) - self._of_images, []).append(node)
        requests = tuple(self._by_request)
        gradients = any(STATISTICS[name].is_gradient for name in self._names)
        self.shape: Outline = outline_network(network, minibatch, units, graph=gradients)
        self.plans: list[PassPlan] = plan_within(requests, self.shape, minibatch, memory, self._of_images)

    @property
    def nbytes(self) -> int:
        """The bytes of the statistics that the reductions read."""
        sizes = unit_bytes(self.shape.units, self._minibatch)
        return sum(sizes[STATISTICS[name].kind] for name in self._names)

    def evaluate(self, trace: Trace | None = None) -> tuple[tuple[Unit, ...], dict[Node, Tensor]]:
        """Evaluate the reductions; the values are those of ``evaluate_reductions``, bit for bit.

        Args:
            trace: Takes counts and failures.

        Returns:
            The units, and for each node one float64 number for each unit.
        """
        stream = open_stream(self._network, self._minibatch, self._names, self._units, self.shape, self._trimmed)
        vectors = {node: torch.full((len(self.shape.units),), math.nan, dtype=torch.float64) for node in self._nodes}
        with translated_errors():
            images = stream.image_statistics(self._of_images, self.plans[0].passes.graph) if self._of_images else {}
            whole = Capture(self.shape.units, (), (), images)
            vectors |= evaluate_reductions(self._alone, whole, trace, memory=self.plans[0].working)
            for plan in self.plans:
                stream.run(plan.passes, partial(self._take, plan, images, vectors, trace))
        self.forwards += stream.forwards
        return self.shape.units, vectors

    def _take(
        self,
        plan: PassPlan,
        images: dict[str, Tensor],
        vectors: Mapping[Node, Tensor],
        trace: Trace | None,
        place: int,
        complete: list[int],
        tensors: dict[str, Tensor],
    ) -> None:
        """Evaluate the reductions of requests on one unit."""
        nodes = [node for index in complete for node in self._by_request[plan.passes.requests[index]]]
        group = ShapeGroup((0,), {name: [tensor] for name, tensor in tensors.items()})
        single = Capture((self.shape.units[place],), (), (group,), images)
        for node, value in evaluate_reductions(nodes, single, trace, memory=plan.working).items():
            vectors[node][place] = value[0]


def kind_bytes(network: nn.Module, minibatch: Minibatch, units: str = "auto") -> dict[Kind, int]:
    """Return the bytes of one statistic of each kind over all units, measured with a pass of two images."""
    with translated_errors():
        network, minibatch = with_tensor_input(network, minibatch)
    return unit_bytes(outline_network(network, minibatch, units).units, minibatch)


def capture_bytes(names: Collection[str], sizes: Mapping[Kind, int]) -> int:
    """Estimate the peak of bytes while statistics are captured, the graph of one pass included.

    A perturbed statistic needs the statistic that is subtracted, and both at once for a moment. Values of a scenario
    are part of its graph, and gradients of values take the memory that the graph frees. Gradients of weights and the
    working memory of a convolution come on top.

    Args:
        names: The statistics.
        sizes: See ``kind_bytes``.
    """
    held: Counter[str] = Counter()
    graph: Counter[str] = Counter()
    facts = _facts(names)
    for fact in facts:
        held[fact.scenario if fact.kind in (Kind.INPUT, Kind.OUTPUT) else ""] += sizes[fact.kind]
        if fact.is_gradient:
            graph[fact.scenario] = GRAPH * sizes[Kind.OUTPUT] + sizes[Kind.WEIGHT]
    return held.total() + _subtracted(facts, sizes) + max((graph - held).values(), default=0)


def _facts(names: Collection[str]) -> list[Statistic]:
    """Return the records of statistics, and of those that are subtracted from them."""
    subtracted = {STATISTICS[name].minus for name in names} - {""}
    return [STATISTICS[name] for name in sorted({*names, *subtracted})]


def _subtracted(facts: Sequence[Statistic], sizes: Mapping[Kind, int]) -> int:
    """Return the bytes of the largest statistic that is held twice while it is subtracted from another."""
    return max((sizes[fact.kind] for fact in facts if fact.minus), default=0)


def memory_left(memory: int | None, captured: Capture) -> int | None:
    """Return the bytes that a capture leaves for evaluating."""
    return None if memory is None else max(memory - captured.nbytes, 0)
