"""Which of the recorded layers are units, and why the others are not."""

from __future__ import annotations

from eznas.capture.record import Layer, Recorder, RecordError, weight_name
from eznas.capture.types import Skipped

__all__ = ["UnitlessError", "form_units"]


class UnitlessError(RecordError):
    """A network has no units."""


def form_units(recorder: Recorder, units: str) -> tuple[list[Layer], tuple[Skipped, ...]]:
    """Choose the units among the layers that ran.

    Args:
        recorder: Has watched the network's forward pass.
        units: ``"complete"`` for layers with an activation in front and a normalisation behind, ``"any"`` for
            every convolution and linear layer, ``"auto"`` for the complete ones where there are any and for
            all otherwise.

    Returns:
        The units in execution order; and the rest with reasons: layers that ran first, then parameters of two
        axes or more that were not the weight of any.

    Raises:
        UnitlessError: There is no unit.
    """
    readable = [layer for layer in recorder.layers if layer.mapped]
    complete = [layer for layer in readable if layer.activation_input and layer.normalised]
    chosen = complete if units == "complete" or (units == "auto" and complete) else readable
    if not readable:
        raise UnitlessError("the network must run a 2-d convolution or a linear layer; it runs none")
    if not chosen:
        raise UnitlessError(
            f"the network runs {len(readable)} layers, but none with an activation in front "
            "and a normalisation behind; pass units='any' to read them all"
        )
    skipped = [Skipped(layer.name, flaw(layer)) for layer in recorder.layers if layer not in chosen]
    ran = {layer.name.partition("#")[0] for layer in recorder.layers}
    for path, parameter in recorder.parameters.items():
        name = weight_name(path)
        if parameter.dim() > 1 and name not in ran:
            reader = recorder.other_readers.get(name)
            read = f"read by {reader}, not by a 2-d convolution or linear layer" if reader else "not executed"
            skipped.append(Skipped(name, read))
    return chosen, tuple(skipped)


def flaw(layer: Layer) -> str:
    """Say why a layer that ran is not a unit."""
    if not layer.mapped:
        return f"a tensor of {len(layer.entering.shape)} axes enters it"
    missing = [] if layer.activation_input else ["no activation in front"]
    if not layer.normalised:
        missing.append("no normalisation behind")
    return ", ".join(missing)
