"""Runs a network on the scenarios and gathers the statistics of its units."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from eznas.capture.preserve import device_of, eager, preserved
from eznas.capture.record import Layer, Recorded, Recorder, RecordError, checked_logits, version
from eznas.capture.types import Capture, ShapeGroup, Skipped, Unit
from eznas.capture.units import form_units

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = ["record_statistics", "watched_forward"]


def record_statistics(
    network: nn.Module,
    images: Tensor,
    noise: Tensor | None,
    perturbed: Tensor | None,
    labels: Tensor | None,
    *,
    names: Collection[str],
    units: str = "auto",
) -> Capture:
    """Record statistics of a network, which is left as it was found.

    Only the passes that they need are run; the scenarios ``data`` and ``loss`` share a forward pass.

    Args:
        network: Maps images to ``b x classes`` logits.
        images: ``b x c x h x w``.
        noise: Likewise; None where no statistic reads it.
        perturbed: Likewise; None where no statistic reads it.
        labels: ``b``; None where no statistic reads them.
        names: The statistics, each ``quantity.scenario``, or ``weight``.
        units: See ``form_units``.

    Raises:
        RecordError: The network cannot be recorded; ``UnitlessError`` where it has no units.
    """
    network = eager(network)
    inputs = {"data": images, "noise": noise, "perturbed": perturbed}
    described: tuple[Unit, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    found: dict[str, list[Tensor]] = {}
    for scenario, plan in plan_passes(names).items():
        batch = inputs[scenario]
        if batch is None:
            raise RecordError(f"the statistics need images of the scenario {scenario!r}; got none")
        layers, skipped, tensors = run_pass(network, batch, labels, plan, units)
        ran = tuple(
            Unit(index, layer.name, layer.shape("weight"), layer.shape("conv_in"), layer.shape("conv_out"))
            for index, layer in enumerate(layers)
        )
        if described not in ((), ran):
            raise RecordError("the network must run the same layers whatever images it is given")
        described = ran
        del layers  # and what of the pass nobody asked for
        if scenario == "perturbed":
            for name, after in tensors.items():
                before = found[name.replace(".perturbed", ".data")]
                tensors[name] = [changed - base for changed, base in zip(after, before, strict=True)]
        found.update(tensors)
    return assemble(described, skipped, {name: found[name] for name in names})


def plan_passes(names: Collection[str]) -> dict[str, dict[str, set[str]]]:
    """Return the forward passes that statistics need: for each, the scenarios it serves and their quantities.

    The weight, which belongs to no scenario (``""``), is read in the first pass.
    """
    needs: dict[str, set[str]] = {}
    for name in names:
        quantity, _, scenario = name.partition(".")
        needs.setdefault(scenario, set()).add(quantity)
    if "perturbed" in needs:  # a difference
        needs["data"] = needs.get("data", set()) | needs["perturbed"]
    plans = {}
    for run, scenarios in {
        "data": ("data", "loss"),
        "noise": ("noise",),
        "perturbed": ("perturbed",),
    }.items():
        plan = {scenario: needs[scenario] for scenario in scenarios if scenario in needs}
        if plan:
            plans[run] = plan
    first = next(iter(plans.values()), None)
    if first is None:
        first = plans["data"] = {}
    first[""] = needs.get("", set())
    return plans


def run_pass(
    network: nn.Module, images: Tensor, labels: Tensor | None, plan: Mapping[str, set[str]], units: str
) -> tuple[list[Layer], tuple[Skipped, ...], dict[str, list[Tensor]]]:
    """Run the network forward once, and backward once for each scenario that needs gradients.

    Args:
        network: The network.
        images: ``b x c x h x w``.
        labels: ``b``, for the scenario ``loss``.
        plan: For each scenario that this pass serves, its quantities.
        units: See ``form_units``.

    Returns:
        The units; the rest; and for each statistic one tensor a unit, or a single one where it is of the
        images.
    """
    values = {scenario: {name for name in plan[scenario] if not name.endswith("_grad")} for scenario in plan}
    pending = {
        scenario: [name.removesuffix("_grad") for name in sorted(plan[scenario] - values[scenario])]
        for scenario in plan
        if plan[scenario] - values[scenario]
    }
    recorder = Recorder(network, set().union(*values.values()), set().union(*pending.values()))
    tensors: dict[str, list[Tensor]] = {}
    try:
        with preserved(network), torch.set_grad_enabled(bool(pending)):
            logits, leaf = watched_forward(network, images, recorder)
            layers, skipped = form_units(recorder, units)
            for scenario, quantities in values.items():
                for quantity in quantities:
                    name = f"{quantity}.{scenario}" if scenario else quantity
                    tensors[name] = values_of(quantity, layers, leaf)
            while pending:
                scenario, parts = pending.popitem()
                objective = mean_loss(logits, labels) if scenario == "loss" else logits.sum()
                gradients = gradients_of(objective, parts, layers, leaf, retain_graph=bool(pending))
                tensors.update({f"{quantity}_grad.{scenario}": made for quantity, made in gradients.items()})
    finally:
        for weight in recorder.grads_enabled:
            weight.requires_grad_(False)
    return layers, skipped, tensors


def watched_forward(
    network: nn.Module, images: Tensor, recorder: Recorder, buffers: dict[str, Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Run the network forward while a recorder watches, on the device of its first parameter.

    Args:
        network: The network; the caller preserves it.
        images: ``b x c x h x w``.
        recorder: Watches; made for this run.
        buffers: To run with in place of the network's own, by name.

    Returns:
        The logits, ``b x classes``, and the images as the leaf of the graph, if there is a graph.

    Raises:
        RecordError: The network does not give logits, overwrites a parameter, or cannot be watched.
    """
    leaf = images.to(device_of(network), copy=True).detach().requires_grad_(torch.is_grad_enabled())
    entering = leaf.clone()  # which the network may overwrite
    versions = {name: version(parameter) for name, parameter in recorder.parameters.items()}
    with recorder:
        logits = torch.func.functional_call(network, buffers, (entering,)) if buffers else network(entering)
    for name, parameter in recorder.parameters.items():
        if version(parameter) != versions[name]:
            raise RecordError(
                f"the network must not overwrite its parameters in the forward pass; it overwrites {name}"
            )
    recorder.check()
    return checked_logits(logits, len(images)), leaf


def values_of(quantity: str, layers: Sequence[Layer], leaf: Tensor) -> list[Tensor]:
    """Return the recorded values of a quantity: one tensor a layer, or the images."""
    if quantity == "image":
        return [leaf.detach()]
    values = [layer.shaped(quantity, layer.part(quantity).value) for layer in layers]
    return [value.clone() for value in values] if quantity == "weight" else values  # not the network's own memory


def gradients_of(
    objective: Tensor, quantities: Sequence[str], layers: Sequence[Layer], leaf: Tensor, *, retain_graph: bool
) -> dict[str, list[Tensor]]:
    """Return the gradients of a number by quantity: one tensor a layer, or the images'.

    The gradient is that of the value at the moment of recording, also where it was overwritten later; it is
    zero where the number does not depend on it.
    """
    parts = {quantity: [layer.part(quantity) for layer in layers] for quantity in quantities}
    if "image" in parts:
        parts["image"] = [Recorded(tuple(leaf.shape), edge=leaf)]
    edges = [part.edge for recorded in parts.values() for part in recorded if part.edge is not None]
    found: Iterator[Tensor | None] = iter([])
    if edges and objective.requires_grad:
        found = iter(torch.autograd.grad(objective, edges, retain_graph=retain_graph, allow_unused=True))
    gradients: dict[str, list[Tensor]] = {}
    for quantity, recorded in parts.items():
        for index, part in enumerate(recorded):
            gradient = None if part.edge is None else next(found, None)
            if gradient is None:
                gradient = objective.new_zeros(part.shape)
            if quantity != "image":
                gradient = layers[index].shaped(quantity, gradient)
            gradients.setdefault(quantity, []).append(gradient)
    return gradients


def mean_loss(logits: Tensor, labels: Tensor | None) -> Tensor:
    """Return the mean cross-entropy of logits, ``b x classes``, with labels, ``b``.

    Raises:
        RecordError: There is not one label of an existing class for each image.
    """
    classes = logits.shape[1]
    if labels is None or labels.shape != logits.shape[:1] or not bool(((labels >= 0) & (labels < classes)).all()):
        raise RecordError(f"the loss needs one label from 0 to {classes - 1} for each image; got {labels}")
    return nn.functional.cross_entropy(logits, labels.to(logits.device, copy=True))


def assemble(units: tuple[Unit, ...], skipped: tuple[Skipped, ...], found: Mapping[str, list[Tensor]]) -> Capture:
    """Group the statistics by the shapes of their units, in the order in which the shapes first occur."""
    members: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for unit in units:
        members.setdefault((unit.weight_shape, unit.input_shape, unit.output_shape), []).append(unit.index)
    of_units = {name: tensors for name, tensors in found.items() if not name.startswith("image")}
    return Capture(
        units=units,
        skipped=skipped,
        groups=tuple(
            ShapeGroup(
                tuple(group),
                {name: [tensors[index] for index in group] for name, tensors in of_units.items()},
            )
            for group in members.values()
        ),
        images={name: tensors[0][None] for name, tensors in found.items() if name.startswith("image")},
    )
