"""Chooses the units among the recorded layers, and says why the other layers are skipped.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.capture.call import RecordError
from eznas.capture.record import Recorder, weight_name
from eznas.capture.types import Skipped

if TYPE_CHECKING:
    from eznas.capture.layer import Layer


class UnitlessError(RecordError):
    """A network has no units."""


def form_units(recorder: Recorder, units: str) -> tuple[list[Layer], tuple[Skipped, ...]]:
    """Choose the units among the layers that ran.

    In a network on tokens, which runs attention, an embedding or a linear layer on tokens, ``"auto"`` stands for every
    layer and every product of attention maps with values.

    Args:
        recorder: Holds the layers of the network's forward pass.
        units: ``"complete"`` for layers with an activation in front and a normalisation behind, ``"any"`` for
            every layer, ``"auto"`` for the complete ones where there are any and for all otherwise.

    Returns:
        The units in execution order; and the skipped layers with the reasons: first the layers that ran, then the
        parameters of two or more axes that are not the weight of a layer that ran.

    Raises:
        UnitlessError: There are no units.
    """
    readable = [layer for layer in recorder.layers if layer.has_maps]
    complete = [layer for layer in readable if layer.activation_input and layer.norm_out]
    tokens = bool(recorder.attentions) or any(layer.has_tokens or layer.kind == "embedding" for layer in readable)
    chosen = complete if units == "complete" or (units == "auto" and complete and not tokens) else readable
    if not readable:
        raise UnitlessError("the network must run a convolution or a linear layer; it runs neither")
    if not chosen:
        raise UnitlessError(
            "a unit must have an activation in front and a normalisation behind; the network runs "
            f"{len(readable)} layers, none of which has both; pass units='any' to read them all"
        )
    skipped = [Skipped(layer.name, skip_reason(layer)) for layer in recorder.layers if layer not in chosen]
    if tokens:
        surround(chosen)
        if units == "auto":
            chosen = merged_in_order(recorder, chosen)
            skipped += [
                Skipped(product.name, "its images are not on one axis of maps and values")
                for product in recorder.attentions
                if not product.has_maps
            ]
    else:
        for layer in chosen:
            layer.front = layer.front if layer.activation_input else ""
            layer.behind = layer.behind if layer.norm_out else ""
    ran = {layer.name.partition("#")[0] for layer in recorder.layers}
    for path, parameter in recorder.parameters.items():
        name = weight_name(path)
        if parameter.dim() > 1 and name not in ran and path not in recorder.read:
            reader = recorder.other_readers.get(name)
            reason = f"read by {reader}, not by a layer" if reader else "not executed"
            skipped.append(Skipped(name, reason))
    return chosen, tuple(skipped)


def surround(layers: list[Layer]) -> None:
    """Take the functions in front of and behind layers on tokens, also normalisations in front, activations behind."""
    for layer in layers:
        layer.activation_input = layer.entering if layer.entering and layer.reads(layer.entering) else None
        layer.front = layer.front if layer.activation_input else ""
        layer.norm_out = layer.leaving
        if layer.norm_out is not None and layer.norm_out.shape != layer.conv_out.shape:
            layer.norm_out, layer.behind = None, ""


def merged_in_order(recorder: Recorder, layers: list[Layer]) -> list[Layer]:
    """Return layers and products of attention maps with values in the order of execution."""
    places = {id(layer): place for place, layer in enumerate(recorder.layers)}
    ordered = [(places[id(layer)], 1, layer) for layer in layers]
    ordered += [(product.after, 0, product) for product in recorder.products]
    return [layer for *_, layer in sorted(ordered, key=lambda entry: entry[:2])]


def skip_reason(layer: Layer) -> str:
    """Return the reason why a layer that ran is not a unit."""
    if not layer.has_maps:
        if layer.conv_in.place.axis != 0:
            return "its images are not on one axis"
        return f"its input has {len(layer.conv_in.shape)} axes"
    missing = [] if layer.activation_input else ["no activation in front"]
    if not layer.norm_out:
        missing.append("no normalisation behind")
    return ", ".join(missing)
