"""Captures of some of a network's units, within a bound on memory."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from eznas.capture.call import RecordError
from eznas.capture.outline import PartRecorder
from eznas.capture.outputs import loss_of
from eznas.capture.recomputed import RecomputedGraph
from eznas.capture.state import fork_state, uncompiled
from eznas.capture.statistics import (
    CHANGED,
    assemble,
    gradients_of,
    plan_passes,
    recorded_forward,
    samples_of,
    unit_of,
    values_of,
)
from eznas.capture.units import form_units

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from torch import Tensor, nn

    from eznas.capture.outline import Outline
    from eznas.capture.types import Capture, Unit


def record_part(
    network: nn.Module,
    inputs: Mapping[str, Tensor | None],
    labels: Tensor | None,
    names: Collection[str],
    units: str,
    shape: Outline,
    places: Sequence[int],
    graph: int | None,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
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
        loss: See ``loss_of``.

    Raises:
        RecordError: The network cannot be recorded, or runs other layers than the outline says.
    """
    network = uncompiled(network)
    part = _Part(network, labels, units, shape, places, graph, loss)
    chosen: tuple[Unit, ...] = ()
    statistics: dict[str, list[Tensor]] = {}
    for scenario, plan in plan_passes(names).items():
        images = inputs[scenario]
        if images is None:
            raise RecordError(f"the statistics need images of the scenario {scenario!r}; got none")
        units_of_pass, tensors = part.run_pass(images, plan)
        if chosen not in ((), units_of_pass):
            raise RecordError(CHANGED)
        chosen = units_of_pass
        of_attention = any(unit.kind == "attention" for unit in chosen)
        data = inputs["data"]
        if scenario != "data" and data is not None and plan.get("") and of_attention:
            tensors.update(part.run_pass(data, {"": plan[""]})[1])  # values, which depend on the images
        if scenario == "perturbed":
            for name, after in tensors.items():
                before = statistics[name.replace(".perturbed", ".data")]
                tensors[name] = [changed - base for changed, base in zip(after, before, strict=True)]
        statistics.update(tensors)
    return assemble(chosen, (), {name: statistics[name] for name in names})


@dataclass(frozen=True)
class _Part:
    """Passes that record some units of a network; see ``record_part``."""

    network: nn.Module
    labels: Tensor | None
    units: str
    shape: Outline
    places: Sequence[int]
    graph: int | None
    loss: Callable[[Tensor, Tensor], Tensor] | None

    def run_pass(
        self, images: Tensor, plan: Mapping[str, set[str]]
    ) -> tuple[tuple[Unit, ...], dict[str, list[Tensor]]]:
        """Run the network forward once, and backward once for each scenario that needs gradients."""
        values = {scenario: sorted(name for name in plan[scenario] if not name.endswith("_grad")) for scenario in plan}
        pending = {
            scenario: sorted(name.removesuffix("_grad") for name in plan[scenario].difference(values[scenario]))
            for scenario in plan
            if plan[scenario].difference(values[scenario])
        }
        gradients = set[str]().union(*pending.values())
        wanted = frozenset[int]().union(*[self.shape.records[place] for place in self.places])
        recorder = PartRecorder(self.network, set[str]().union(*values.values()), gradients, wanted)

        def again() -> None:
            with fork_state(self.network):
                recorded_forward(self.network, images, PartRecorder(self.network, (), gradients))

        kept = None
        if self.graph is not None and pending:
            kept = RecomputedGraph(again, self.graph, self.network.parameters(), self.network.buffers())
        tensors: dict[str, list[Tensor]] = {}
        try:
            with contextlib.ExitStack() as state:
                state.enter_context(fork_state(self.network))
                with torch.set_grad_enabled(bool(pending)), kept.hooks() if kept else contextlib.nullcontext():
                    logits, leaf = recorded_forward(self.network, images, recorder, where=samples_of(plan))
                layers, _ = form_units(recorder, self.units)
                names = [unit.name for unit in self.shape.units]
                if recorder.shown != self.shape.shown or [layer.name for layer in layers] != names:
                    raise RecordError(CHANGED)
                layers = [layers[place] for place in self.places]
                for scenario, quantities in values.items():
                    for quantity in quantities:
                        name = f"{quantity}.{scenario}" if scenario else quantity
                        tensors[name] = values_of(quantity, layers, leaf)
                if kept:  # the pass is repeated from the state before it
                    state.close()
                with torch.inference_mode(mode=False), torch.set_grad_enabled(bool(pending)):
                    while pending:
                        scenario, parts = pending.popitem()
                        objective = loss_of(logits, self.labels, self.loss) if scenario == "loss" else logits.sum()
                        found = gradients_of(objective, parts, layers, leaf, retain_graph=bool(pending))
                        tensors.update({f"{name}_grad.{scenario}": gradient for name, gradient in found.items()})
        finally:
            for weight in recorder.grads_enabled:
                weight.requires_grad_(False)
        return tuple(unit_of(index, layer) for index, layer in enumerate(layers)), tensors
