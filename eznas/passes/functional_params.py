"""Runs a network in float64 with replaced parameters; its own are not changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eznas.capture import fork_state
from eznas.capture.calls import Call, CallHooks
from eznas.capture.record import checked_logits

if TYPE_CHECKING:
    from collections.abc import Mapping


class FunctionalRecorder(CallHooks):
    """Records a forward pass with replaced parameters.

    Args:
        normalised: Whether batch normalisations run; otherwise they return their input.

    Attributes:
        weights: The weights of the layers that ran, each once, by identity.
        deviations: For each batch normalisation, the root of the channels' mean variance at its input.
        last_maps: The last tensor ``b x c x h x w`` of more than one position; None if there was none.
        linear_input: The input of the last linear layer.
    """

    LAYERS = frozenset(("conv1d", "conv2d", "conv3d", "linear"))

    def __init__(self, *, normalised: bool) -> None:
        super().__init__()
        self._normalised = normalised
        self.weights: dict[int, Tensor] = {}
        self.deviations: list[Tensor] = []
        self.last_maps: Tensor | None = None
        self.linear_input: Tensor | None = None

    def layer(self, call: Call) -> Any:
        """Run a layer and record its weight, and the input of a linear layer."""
        weight: Tensor = call.argument(1, "weight")
        self.weights[id(weight)] = weight
        self.linear_input = call.input if call.name == "linear" else self.linear_input
        return self.other(call)

    def normalisation(self, call: Call) -> Any:
        """Run a normalisation, without running statistics, and record the deviation of its input."""
        if call.func is nn.functional.batch_norm:
            entering = call.input
            if not self._normalised:
                return entering.clone()  # an activation in place would change the input of a shortcut
            axes = [axis for axis in range(entering.dim()) if axis != 1]
            self.deviations.append(entering.detach().var(axes, correction=0).mean().sqrt())
            call.args = (entering, None, None)
        return super().normalisation(call)

    def other(self, call: Call) -> Any:
        """Run any call and record maps."""
        out = call.run()
        if type(out) is Tensor and out.dim() == 4 and out.shape[2] * out.shape[3] > 1:  # noqa: PLR2004
            self.last_maps = out
        return out


def run_with_params(
    network: nn.Module, parameters: Mapping[str, Tensor], images: Tensor, recorder: FunctionalRecorder
) -> Tensor:
    """Run a network in float64 with replaced parameters, in the random state of ``fork_state``.

    Args:
        network: It is left as it was.
        parameters: A float64 tensor for each of its parameters, by name.
        images: ``b x c x h x w`` float64.
        recorder: Records the pass.

    Returns:
        The logits, ``b x classes``.

    Raises:
        RecordError: The network does not return logits.
    """
    buffers = {
        name: buffer.double() if buffer.is_floating_point() else buffer.clone()
        for name, buffer in network.named_buffers()
    }
    with fork_state(network), recorder:
        logits = torch.func.functional_call(network, {**parameters, **buffers}, (images,))
    return checked_logits(logits, len(images))
