"""Refuses measures whose passes do not fit into memory, before they are run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.capture import outline_network, translated_errors, with_tensor_input
from eznas.errors import NETWORK_FAILURES
from eznas.primitives import Kind
from eznas.programs.memory import GRAPH
from eznas.programs.pass_plan import unit_bytes
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from eznas.capture import Outline
    from eznas.measures import Measure
    from eznas.minibatch import Minibatch


_SECOND_ORDER = 3
"""Graphs that a backward pass through a backward pass holds."""

_WEIGHTS = 3
"""Copies of the weights: gradients and their products."""


def refused_measures(
    measures: Iterable[Measure], network: nn.Module, minibatch: Minibatch, memory: int
) -> dict[str, Score]:
    """Return failed scores of the measures whose passes need more memory than there is.

    A network whose passes cannot be outlined is left to the measures, whose scores say why.

    Args:
        measures: The measures.
        network: The network; it is left as it was.
        minibatch: Images and labels, on the network's device.
        memory: Bytes that the passes may take.
    """
    run = [measure for measure in measures if measure.function is not None and measure.needs & {"forward", "backward"}]
    if not run:
        return {}
    try:
        with translated_errors():
            network, minibatch = with_tensor_input(network, minibatch)
        shape = outline_network(network, minibatch, "any")
        sizes = unit_bytes(shape.units, minibatch)
        graph = GRAPH * (sizes[Kind.OUTPUT] + shape.maps)
        most = _SECOND_ORDER * graph + 2 * shape.live + _WEIGHTS * sizes[Kind.WEIGHT]
        if most <= memory:
            return {}
        shape = outline_network(network, minibatch, "any", graph=True)
    except NETWORK_FAILURES:
        return {}
    refused = {}
    for measure in run:
        needed = _needed(measure.needs, shape, unit_bytes(shape.units, minibatch)[Kind.WEIGHT])
        if needed > memory:
            sentence = (
                f"memory must be at least {-(-needed // 2**20)}M for one process to compute {measure.name} on "
                f"{len(minibatch)} images, got {memory >> 20}M; give more memory, fewer workers or fewer images"
            )
            refused[measure.name] = Score.failed(Status.EXCEPTION, sentence)
    return refused


def _needed(needs: frozenset[str], shape: Outline, weights: int) -> int:
    """Estimate the bytes that the passes of a measure take."""
    if "backward" not in needs:
        return 2 * shape.live
    graphs = _SECOND_ORDER if "second order" in needs else 1
    return graphs * shape.graph + 2 * shape.live + _WEIGHTS * weights
