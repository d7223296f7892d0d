"""Plans the passes of measures within a bound on memory, and refuses measures that do not fit before they run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eznas.capture import outline_network, translated_errors, with_tensor_input
from eznas.errors import NETWORK_FAILURES
from eznas.passes.parts import PARTS, Graph, PassBytes
from eznas.passes.size_pass import sizes_of
from eznas.primitives import Kind
from eznas.programs.memory import GRAPH
from eznas.programs.pass_plan import PLANNED, WORKING, refusal, unit_bytes
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from torch import nn

    from eznas.capture import Outline
    from eznas.measures import Measure
    from eznas.minibatch import Minibatch


_SECOND_ORDER = 3
"""Graphs that a backward pass through a backward pass holds."""

_WEIGHTS = 3
"""Copies of the weights: gradients and their products."""


@dataclass(frozen=True)
class MeasureGroup:
    """Measures that share passes.

    Args:
        names: The measures.
        graph: Most bytes of the tensors of a graph that ``BoundedPasses`` keeps; None for passes without a bound.
        memory: Bytes of the passes.
    """

    names: frozenset[str]
    graph: int | None = None
    memory: int = 0


@dataclass(frozen=True)
class MeasurePlan:
    """How measures run within a bound on memory.

    Args:
        groups: The groups of measures that are computed from shared passes, one after another.
        refused: The failed scores of the measures that do not fit.
    """

    groups: tuple[MeasureGroup, ...]
    refused: dict[str, Score] = field(default_factory=dict)


def plan_measures(
    measures: Iterable[Measure], network: nn.Module, minibatch: Minibatch, memory: int | None
) -> MeasurePlan:
    """Group measures so that the passes of each group fit into memory.

    A network whose passes cannot be outlined is left to the measures, whose scores say why.

    Args:
        measures: The measures.
        network: The network; it is left as it was.
        minibatch: Images and labels, on the network's device.
        memory: Bytes that the passes may take; None for no bound.
    """
    run = [measure for measure in measures if measure.function is not None]
    names = frozenset(measure.name for measure in run)
    together = MeasurePlan((MeasureGroup(names),))
    run = [measure for measure in run if measure.needs & {"forward", "backward"}]
    if memory is None or not run:
        return together
    limit = int(PLANNED * memory)
    try:
        with translated_errors():
            network, minibatch = with_tensor_input(network, minibatch)
        shape = outline_network(network, minibatch, "any")
        if _most(run, shape, minibatch) <= limit:
            return together
        planner = _Planner.of(network, minibatch, limit)
    except NETWORK_FAILURES:
        return together
    if planner.unbounded(run) <= limit:
        return together
    refused = {}
    for measure in run:
        needed = planner.needed([measure])
        if needed > limit:
            sentence = refusal(f"compute {measure.name} on {len(minibatch)} images", needed, memory)
            refused[measure.name] = Score.failed(Status.MEMORY_LIMIT, sentence)
    return MeasurePlan(tuple(planner.groups([measure for measure in run if measure.name not in refused])), refused)


def _most(measures: Sequence[Measure], shape: Outline, minibatch: Minibatch) -> int:
    """Return the most bytes that the passes of measures may take, whatever the graph holds."""
    sizes = unit_bytes(shape.units, minibatch)
    graph = GRAPH * (sizes[Kind.OUTPUT] + shape.maps)
    weights = _WEIGHTS * sizes[Kind.WEIGHT]
    if any("samples" in measure.needs for measure in measures):
        weights += 2 * len(minibatch) * sizes[Kind.WEIGHT]
    return _SECOND_ORDER * graph + 2 * shape.live + weights


@dataclass(frozen=True)
class _Planner:
    """Estimates the memory of measures.

    Args:
        limit: Bytes to plan with.
        shape: The outline of the network, with its graph.
        sizes: The bytes of tensors.
    """

    limit: int
    shape: Outline
    sizes: PassBytes

    @classmethod
    def of(cls, network: nn.Module, minibatch: Minibatch, limit: int) -> _Planner:
        """Return a planner for a network, which runs on two images."""
        shape = outline_network(network, minibatch, "any", graph=True)
        sizes = sizes_of(network, minibatch)
        item = minibatch.images.element_size()
        images = len(minibatch) * item
        outputs = [images * positions * channels for positions, channels in sizes.outputs]
        tensors = PassBytes(
            images=len(minibatch),
            graph=shape.graph,
            outputs=sum(outputs),
            largest=max(outputs, default=0),
            patterns=round(len(minibatch) * sizes.patterns),  # booleans
            features=sum(images * positions * channels for positions, channels in sizes.features),
            maps=shape.maps,
            weights=sizes.weights * item,
        )
        return cls(limit, shape, tensors)

    def unbounded(self, measures: Sequence[Measure]) -> float:
        """Return the bytes of all measures together, in passes without a bound, which always have a graph."""
        parts = _parts(measures)
        outputs = self.sizes.outputs if "map_outputs" in parts else 0
        return self.shape.graph + outputs + self._beside(measures, backward=True)

    def needed(self, measures: Sequence[Measure]) -> float:
        """Return the least bytes that measures take together."""
        graph = max(self._graph(measure) for measure in measures)
        return graph + self._beside(measures, backward=graph > 0)

    def groups(self, measures: Sequence[Measure]) -> list[MeasureGroup]:
        """Return groups that fit, of measures that read their graphs in the same way."""
        groups: list[list[Measure]] = []
        for use in Graph:
            alike = [measure for measure in measures if measure.parts and _use(measure) is use]
            for place, measure in enumerate(alike):
                if place and use is not Graph.WHOLE and self.needed([*groups[-1], measure]) <= self.limit:
                    groups[-1].append(measure)
                else:
                    groups.append([measure])
        left = [max(0, int(self.limit - self._beside(group, backward=True))) for group in groups]
        return [
            MeasureGroup(frozenset(measure.name for measure in group), graph, self.limit)
            for group, graph in zip(groups, left, strict=True)
        ]

    def _graph(self, measure: Measure) -> int:
        """Return the least bytes that the graph of a measure keeps."""
        if measure.parts:
            return {Graph.UNREAD: 0, Graph.ONCE: 2 * self.shape.saved, Graph.WHOLE: self.shape.graph}[_use(measure)]
        if "backward" not in measure.needs:
            return 0
        return (_SECOND_ORDER if "second order" in measure.needs else 1) * self.shape.graph

    def _beside(self, measures: Sequence[Measure], *, backward: bool) -> float:
        """Return the bytes of passes without their graphs."""
        results = sum(PARTS[part].bytes(self.sizes) for part in _parts(measures))
        if any("backward" in measure.needs and not measure.parts for measure in measures):
            results += _WEIGHTS * self.sizes.weights
        return results + (2 if backward else 1) * self.shape.live + WORKING * self.sizes.largest


def _use(measure: Measure) -> Graph:
    """Return how the parts of a measure read the graph of the shared forward pass."""
    uses = {PARTS[part].graph for part in measure.parts}
    return next((use for use in (Graph.WHOLE, Graph.ONCE) if use in uses), Graph.UNREAD)


def _parts(measures: Sequence[Measure]) -> Collection[str]:
    return frozenset[str]().union(*(measure.parts for measure in measures))
