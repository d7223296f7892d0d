"""Captures of some of a network's units, within a bound on memory."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from eznas.capture.outline import PartRecorder
from eznas.capture.recomputed import RecomputedGraph
from eznas.capture.record import RecordError
from eznas.capture.state import fork_state, uncompiled
from eznas.capture.statistics import assemble, gradients_of, mean_loss, plan_passes, recorded_forward, values_of
from eznas.capture.units import form_units

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from torch import Tensor, nn

    from eznas.capture.outline import Outline
    from eznas.capture.record import Layer
    from eznas.capture.types import Capture, Unit


def record_part(
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    labels: Tensor | None,
    names: Collection[str],
    units: str,
    shape: Outline,
    places: Sequence[int],
    graph: int | None,
) -> Capture:
    """Record statistics of some units; the values are those of ``record_statistics``, bit for bit.

    Args:
        network: Maps images to ``b x classes`` logits; it is left as it was found.
        inputs: The images of each scenario that is read.
        labels: ``b``; None where no statistic reads them.
        names: The statistics.
        units: See ``form_units``.
        shape: The outline of the network's passes.
        places: The places of the units to record, ascending.
        graph: Most bytes that the graph of a pass may keep; None for all that it saves.

    Raises:
        RecordError: The network cannot be recorded, or runs other layers than the outline says.
    """
    network = uncompiled(network)
    statistics: dict[str, list[Tensor]] = {}
    for scenario, plan in plan_passes(names).items():
        tensors = _run_pass(network, inputs[scenario], labels, plan, units, shape, places, graph)
        if scenario == "perturbed":
            for name, after in tensors.items():
                before = statistics[name.replace(".perturbed", ".data")]
                tensors[name] = [changed - base for changed, base in zip(after, before, strict=True)]
        statistics.update(tensors)
    chosen = tuple(replace(shape.units[place], index=index) for index, place in enumerate(places))
    return assemble(chosen, (), {name: statistics[name] for name in names})


def _run_pass(
    network: nn.Module,
    images: Tensor,
    labels: Tensor | None,
    plan: Mapping[str, set[str]],
    units: str,
    shape: Outline,
    places: Sequence[int],
    graph: int | None,
) -> dict[str, list[Tensor]]:
    """Run the network forward once, and backward once for each scenario that needs gradients."""
    values = {scenario: sorted(name for name in plan[scenario] if not name.endswith("_grad")) for scenario in plan}
    pending = {
        scenario: sorted(name.removesuffix("_grad") for name in plan[scenario].difference(values[scenario]))
        for scenario in plan
        if plan[scenario].difference(values[scenario])
    }
    gradients = set[str]().union(*pending.values())
    wanted = frozenset[int]().union(*[shape.records[place] for place in places])
    recorder = PartRecorder(network, set[str]().union(*values.values()), gradients, wanted)

    def again() -> None:
        with fork_state(network):
            recorded_forward(network, images, PartRecorder(network, (), gradients))

    kept = (
        None if graph is None or not pending else RecomputedGraph(again, graph, network.parameters(), network.buffers())
    )
    tensors: dict[str, list[Tensor]] = {}
    try:
        with contextlib.ExitStack() as state:
            state.enter_context(fork_state(network))
            with torch.set_grad_enabled(bool(pending)), kept.hooks() if kept else contextlib.nullcontext():
                logits, leaf = recorded_forward(network, images, recorder)
            layers, _ = form_units(recorder, units)
            _check_units(layers, shape.units)
            layers = [layers[place] for place in places]
            for scenario, quantities in values.items():
                for quantity in quantities:
                    name = f"{quantity}.{scenario}" if scenario else quantity
                    tensors[name] = values_of(quantity, layers, leaf)
            if kept:  # the pass is repeated from the state before it
                state.close()
            with torch.inference_mode(mode=False), torch.set_grad_enabled(bool(pending)):
                while pending:
                    scenario, parts = pending.popitem()
                    objective = mean_loss(logits, labels) if scenario == "loss" else logits.sum()
                    found = gradients_of(objective, parts, layers, leaf, retain_graph=bool(pending))
                    tensors.update({f"{quantity}_grad.{scenario}": gradient for quantity, gradient in found.items()})
    finally:
        for weight in recorder.grads_enabled:
            weight.requires_grad_(False)
    return tensors


def _check_units(layers: Sequence[Layer], units: Sequence[Unit]) -> None:
    ran = [(layer.name, layer.shape("weight"), layer.shape("conv_in"), layer.shape("conv_out")) for layer in layers]
    if ran != [(unit.name, unit.weight_shape, unit.input_shape, unit.output_shape) for unit in units]:
        raise RecordError("the network must run the same layers for all images; its layers depend on their values")
