"""Runs a network on the scenarios and collects the statistics of its units.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eznas.capture.call import RecordError
from eznas.capture.constant_gradients import clear_constant_gradients
from eznas.capture.function import version
from eznas.capture.layer import Layer, Recorded
from eznas.capture.outputs import checked_logits, loss_of
from eznas.capture.record import Recorder, check_graph
from eznas.capture.state import (
    NetworkState,
    device_of,
    dtype_of,
    fork_state,
    replaced,
    running,
    running_backward,
    uncompiled,
)
from eznas.capture.surroundings import UnitRecorder
from eznas.capture.types import Capture, ShapeGroup, Skipped, Unit
from eznas.capture.units import form_units

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence


CHANGED = "the network must run the same layers for all images; its layers depend on their values"


def record_statistics(
    network: nn.Module,
    images: Tensor,
    noise: Tensor | None,
    perturbed: Tensor | None,
    labels: Tensor | None,
    *,
    names: Collection[str],
    units: str = "auto",
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Capture:
    """Record statistics of a network, which is left as it was found.

    Only the passes that the statistics need are run; the scenarios ``data`` and ``loss`` share a forward pass.

    Args:
        network: Maps images to ``b x classes`` logits.
        images: ``b x c x h x w``.
        noise: Like ``images``; None where no statistic reads it.
        perturbed: Like ``images``; None where no statistic reads it.
        labels: ``b``; None where no statistic reads them.
        names: The statistics: each ``quantity.scenario``, or ``weight``.
        units: See ``form_units``.
        loss: See ``loss_of``.

    Raises:
        RecordError: The network cannot be recorded; ``UnitlessError`` where it has no units.
    """
    network = uncompiled(network)
    state = NetworkState(network)
    inputs = {"data": images, "noise": noise, "perturbed": perturbed}
    units_of_all: tuple[Unit, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    statistics: dict[str, list[Tensor]] = {}
    for scenario, plan in plan_passes(names).items():
        batch = inputs[scenario]
        if batch is None:
            raise RecordError(f"the statistics need images of the scenario {scenario!r}; got none")
        layers, skipped, tensors = run_pass(network, state, batch, labels, plan, units, loss)
        units_of_pass = tuple(unit_of(index, layer) for index, layer in enumerate(layers))
        if units_of_all not in ((), units_of_pass):
            raise RecordError(CHANGED)
        units_of_all = units_of_pass
        if scenario != "data" and plan.get("") and any(layer.kind == "attention" for layer in layers):
            only_weights = {"": plan[""]}  # values, which depend on the images
            tensors.update(run_pass(network, state, images, labels, only_weights, units)[2])
        del layers  # frees the tensors that no statistic reads
        if scenario == "perturbed":
            for name, after in tensors.items():
                before = statistics[name.replace(".perturbed", ".data")]
                tensors[name] = [changed - base for changed, base in zip(after, before, strict=True)]
        statistics.update(tensors)
    return assemble(units_of_all, skipped, {name: statistics[name] for name in names})


def unit_of(index: int, layer: Layer) -> Unit:
    """Return the facts of a layer that is a unit."""
    return Unit(
        index,
        layer.name,
        layer.shape("weight"),
        layer.shape("conv_in"),
        layer.shape("conv_out"),
        layer.kind,
        layer.front,
        layer.behind,
        layer.leaves,
    )


def plan_passes(names: Collection[str]) -> dict[str, dict[str, set[str]]]:
    """Return the forward passes that statistics need: for each pass, its scenarios and their quantities.

    The weight, whose scenario is ``""``, is read in the first pass.
    """
    needs: dict[str, set[str]] = {}
    for name in names:
        quantity, _, scenario = name.partition(".")
        needs.setdefault(scenario, set()).add(quantity)
    if "perturbed" in needs:  # a difference
        needs["data"] = needs.get("data", set()) | needs["perturbed"]
    plans = {}
    for run, scenarios in {"data": ("data", "loss"), "noise": ("noise",), "perturbed": ("perturbed",)}.items():
        plan = {scenario: needs[scenario] for scenario in scenarios if scenario in needs}
        if plan:
            plans[run] = plan
    first = next(iter(plans.values()), None)
    if first is None:
        first = plans["data"] = {}
    first[""] = needs.get("", set())
    return plans


def run_pass(
    network: nn.Module,
    state: NetworkState,
    images: Tensor,
    labels: Tensor | None,
    plan: Mapping[str, set[str]],
    units: str,
    loss: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> tuple[list[Layer], tuple[Skipped, ...], dict[str, list[Tensor]]]:
    """Run the network forward once, and backward once for each scenario that needs gradients.

    Args:
        network: The network.
        state: Its state, in which it is left.
        images: ``b x c x h x w``.
        labels: ``b``, for the scenario ``loss``.
        plan: For each scenario of this pass, its quantities.
        units: See ``form_units``.
        loss: See ``loss_of``.

    Returns:
        The units; the skipped layers; and for each statistic one tensor a unit, or a single one for a statistic of
        the images.
    """
    values = {scenario: {name for name in plan[scenario] if not name.endswith("_grad")} for scenario in plan}
    pending = {
        scenario: [name.removesuffix("_grad") for name in sorted(plan[scenario] - values[scenario])]
        for scenario in plan
        if plan[scenario] - values[scenario]
    }
    recorder = UnitRecorder(network, set().union(*values.values()), set().union(*pending.values()))
    tensors: dict[str, list[Tensor]] = {}
    try:
        with fork_state(network, state), torch.set_grad_enabled(bool(pending)):
            logits, leaf = recorded_forward(network, images, recorder, where=samples_of(plan))
            layers, skipped = form_units(recorder, units)
            for scenario, quantities in values.items():
                for quantity in quantities:
                    name = f"{quantity}.{scenario}" if scenario else quantity
                    tensors[name] = values_of(quantity, layers, leaf)
            while pending:
                scenario, parts = pending.popitem()
                objective = loss_of(logits, labels, loss) if scenario == "loss" else logits.sum()
                gradients = gradients_of(objective, parts, layers, leaf, retain_graph=bool(pending))
                tensors.update({f"{quantity}_grad.{scenario}": gradient for quantity, gradient in gradients.items()})
    finally:
        for weight in recorder.grads_enabled:
            weight.requires_grad_(False)
    return layers, skipped, tensors


def samples_of(plan: Collection[str]) -> str:
    """Return on which samples a pass runs, as ``running`` takes it; empty for those of the minibatch.

    Args:
        plan: The scenarios of the pass.
    """
    return next((where for scenario, where in _MADE.items() if scenario in plan), "")


_MADE = {"noise": "on noise", "perturbed": "on perturbed images"}
"""The scenarios whose samples eznas makes."""


def recorded_forward(
    network: nn.Module,
    images: Tensor,
    recorder: Recorder,
    buffers: Mapping[int, Tensor] | None = None,
    *,
    where: str = "",
) -> tuple[Tensor, Tensor]:
    """Run the network forward while a recorder is active, on the device of its first parameter.

    Args:
        network: The network; the caller restores its state.
        images: ``b x c x h x w``.
        recorder: A new recorder.
        buffers: Tensors that replace the network's buffers, by the identity of these.
        where: See ``running``.

    Returns:
        The logits, ``b x classes``, and the images, which are the leaf of the graph where there is one.

    Raises:
        RecordError: The network does not return logits, overwrites a parameter, or cannot be recorded.
    """
    leaf = images.to(device_of(network), dtype_of(network), copy=True).detach().requires_grad_(torch.is_grad_enabled())
    entering = leaf.clone()  # which the network may overwrite
    versions = {name: version(parameter) for name, parameter in recorder.parameters.items()}
    recorder.axes.images = len(images)
    with replaced(network, buffers) if buffers else contextlib.nullcontext(), recorder, running(where):
        logits = network(entering)
    for name, parameter in recorder.parameters.items():
        if version(parameter) != versions[name]:
            raise RecordError(
                f"the network must not overwrite its parameters in the forward pass; it overwrites {name}"
            )
    recorder.check_versions()
    if isinstance(logits, Tensor):
        logits = recorder.axes.of(logits).images_first(logits)
    logits = checked_logits(logits, len(images))
    check_graph(logits, recorder)
    clear_constant_gradients(logits)
    return logits, leaf


def values_of(quantity: str, layers: Sequence[Layer], leaf: Tensor) -> list[Tensor]:
    """Return the recorded values of a quantity: one tensor a layer, or the images."""
    if quantity == "image":
        return [as_maps(leaf.detach())]
    values = [layer.shaped(quantity, layer.recorded(quantity).value) for layer in layers]
    return [value.clone() for value in values] if quantity == "weight" else values  # not the network's own memory


def as_maps(images: Tensor) -> Tensor:
    """Return images ``b x c x h x w`` as they are, and other inputs in such a shape.

    As for a linear layer, ``b x c`` becomes ``b x c x 1 x 1`` and ``b x t x c`` becomes ``b x c x t x 1``. Of further
    axes the last ones become one, and an input ``b`` becomes ``b x 1 x 1 x 1``.
    """
    if images.dim() == 3:  # noqa: PLR2004
        return images.mT[..., None]
    return images.flatten(3) if images.dim() > 4 else images[(..., *[None] * (4 - images.dim()))]  # noqa: PLR2004


def gradients_of(
    objective: Tensor, quantities: Sequence[str], layers: Sequence[Layer], leaf: Tensor, *, retain_graph: bool
) -> dict[str, list[Tensor]]:
    """Return the gradients of a number by quantity: one tensor a layer, or that of the images.

    A gradient is with respect to the value at the moment of recording, also where the network overwrites it later;
    it is zero where the number does not depend on it.
    """
    image = Recorded(tuple(leaf.shape), edge=leaf)
    recorded = {
        quantity: [image] if quantity == "image" else [layer.recorded(quantity) for layer in layers]
        for quantity in quantities
    }
    read = [tensor for tensors in recorded.values() for tensor in tensors if tensor.edge is not None]
    computed: Iterator[Tensor | None] = iter([])
    if read and objective.requires_grad:
        retain_graph |= any(tensor.through is not None for tensor in read)
        edges = [tensor.through or tensor.edge for tensor in read]
        with running_backward(objective.device):
            found = torch.autograd.grad(objective, edges, retain_graph=retain_graph, allow_unused=True)
            computed = iter([_through(tensor, one) for tensor, one in zip(read, found, strict=True)])
    gradients: dict[str, list[Tensor]] = {}
    for quantity, tensors in recorded.items():
        for index, tensor in enumerate(tensors):
            gradient = None if tensor.edge is None else next(computed, None)
            if gradient is None:
                gradient = objective.new_zeros(tensor.shape)
            gradient = as_maps(gradient) if quantity == "image" else layers[index].shaped(quantity, gradient)
            gradients.setdefault(quantity, []).append(gradient)
    return gradients


def _through(tensor: Recorded, gradient: Tensor | None) -> Tensor | None:
    """Return the gradient of a tensor, from that of the output through which it goes where there is one."""
    if tensor.through is None or gradient is None:
        return gradient
    (before,) = torch.autograd.grad(
        [tensor.through], [tensor.edge], grad_outputs=[gradient], retain_graph=True, allow_unused=True
    )
    return before


def assemble(units: tuple[Unit, ...], skipped: tuple[Skipped, ...], statistics: Mapping[str, list[Tensor]]) -> Capture:
    """Group the statistics by the shapes of their units, in the order in which the shapes first occur."""
    members: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for unit in units:
        members.setdefault((unit.weight_shape, unit.input_shape, unit.output_shape), []).append(unit.index)
    of_units = {name: tensors for name, tensors in statistics.items() if not name.startswith("image")}
    return Capture(
        units=units,
        skipped=skipped,
        groups=tuple(
            ShapeGroup(tuple(group), {name: [tensors[index] for index in group] for name, tensors in of_units.items()})
            for group in members.values()
        ),
        images={name: tensors[0][None] for name, tensors in statistics.items() if name.startswith("image")},
    )
