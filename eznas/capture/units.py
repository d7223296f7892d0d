"""Chooses the units among the recorded layers, and says why the other layers are skipped.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

from eznas.capture.layer import Layer
from eznas.capture.record import Recorder, RecordError, weight_name
from eznas.capture.types import Skipped


class UnitlessError(RecordError):
    """A network has no units."""


def form_units(recorder: Recorder, units: str) -> tuple[list[Layer], tuple[Skipped, ...]]:
    """Choose the units among the layers that ran.

    Args:
        recorder: Holds the layers of the network's forward pass.
        units: ``"complete"`` for layers with an activation in front and a normalisation behind, ``"any"`` for
            every convolution and linear layer, ``"auto"`` for the complete ones where there are any and for
            all otherwise.

    Returns:
        The units in execution order; and the skipped layers with the reasons: first the layers that ran, then the
        parameters of two or more axes that are not the weight of a layer that ran.

    Raises:
        UnitlessError: There are no units.
    """
    readable = [layer for layer in recorder.layers if layer.has_maps]
    complete = [layer for layer in readable if layer.activation_input and layer.norm_out]
    chosen = complete if units == "complete" or (units == "auto" and complete) else readable
    if not readable:
        raise UnitlessError("the network must run a 2-d convolution or a linear layer; it runs neither")
    if not chosen:
        raise UnitlessError(
            "a unit must have an activation in front and a normalisation behind; the network runs "
            f"{len(readable)} layers, none of which has both; pass units='any' to read them all"
        )
    skipped = [Skipped(layer.name, skip_reason(layer)) for layer in recorder.layers if layer not in chosen]
    ran = {layer.name.partition("#")[0] for layer in recorder.layers}
    for path, parameter in recorder.parameters.items():
        name = weight_name(path)
        if parameter.dim() > 1 and name not in ran:
            reader = recorder.other_readers.get(name)
            reason = f"read by {reader}, not by a 2-d convolution or linear layer" if reader else "not executed"
            skipped.append(Skipped(name, reason))
    return chosen, tuple(skipped)


def skip_reason(layer: Layer) -> str:
    """Return the reason why a layer that ran is not a unit."""
    if not layer.has_maps:
        return f"its input has {len(layer.conv_in.shape)} axes"
    missing = [] if layer.activation_input else ["no activation in front"]
    if not layer.norm_out:
        missing.append("no normalisation behind")
    return ", ".join(missing)
