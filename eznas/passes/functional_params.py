"""Runs a network in float64 with replaced parameters; its own are not changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from eznas.capture import fork_state
from eznas.capture.attributes import reachable_buffers
from eznas.capture.calls import CallHooks
from eznas.capture.outputs import checked_logits
from eznas.capture.record import check_graph
from eznas.capture.state import replaced, running
from eznas.passes.origins import WeightFinder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from eznas.capture.call import Call


class FunctionalRecorder(CallHooks):
    """Records a forward pass with replaced parameters.

    Args:
        parameters: The parameters that replace the network's own.
        normalised: Whether batch normalisations run; otherwise they return their input.

    Attributes:
        finder: Holds the parameters that layers use as weights.
        deviations: For each batch normalisation, the root of the channels' mean variance at its input.
        last_maps: The last tensor ``b x c x h x w`` of more than one position; None if there was none, or if a linear
            layer on tokens ran after it.
        linear_input: The input of the last linear layer.
    """

    def __init__(self, parameters: Iterable[Tensor], *, normalised: bool) -> None:
        super().__init__()
        self._normalised = normalised
        self.finder = WeightFinder(parameters)
        self.deviations: list[Tensor] = []
        self.last_maps: Tensor | None = None
        self.linear_input: Tensor | None = None
        self._tokens = False

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
        """Run any call, record maps and the input of a linear layer, and note the weights that it reads."""
        if call.overwrites:
            self._protect(call)
        out = call.run()
        self.finder.note(call, out)
        if call.name == "linear":
            self.linear_input = call.input
            if self.linear_input.dim() > 2:  # noqa: PLR2004
                self.last_maps, self._tokens = None, True
        elif call.name == "conv2d":
            self._tokens = False
        written = call.args[0] if out is None and call.overwrites else out
        if self._reads(written):
            self.last_maps = written.detach()
        return out

    def _reads(self, out: Any) -> bool:
        maps = type(out) is Tensor and out.dim() == 4 and out.shape[2] * out.shape[3] > 1  # noqa: PLR2004
        return maps and not self._tokens

    def _protect(self, call: Call) -> None:
        """Copy the tensors whose memory a call is about to overwrite; maps that are overwritten are read again."""
        for name in ("last_maps", "linear_input"):
            kept: Tensor | None = getattr(self, name)
            again = name == "last_maps" and call.args and self._reads(call.args[0])
            if kept is not None and not again and kept.untyped_storage().data_ptr() in call.memory:
                setattr(self, name, kept.detach().clone())


def run_with_params(
    network: nn.Module, parameters: Mapping[str, Tensor], images: Tensor, recorder: FunctionalRecorder, where: str
) -> Tensor:
    """Run a network in float64 with replaced parameters, in the random state of ``fork_state``.

    Args:
        network: It is left as it was.
        parameters: A float64 tensor for each of its parameters, by name.
        images: ``b x c x h x w`` float64.
        recorder: Records the pass.
        where: On which images it runs, as ``running`` takes it.

    Returns:
        The logits, ``b x classes``.

    Raises:
        RecordError: The network does not return logits, or hides a part of the graph.
    """
    tensors = {
        id(buffer): buffer.double() if buffer.is_floating_point() else buffer.clone()
        for buffer in reachable_buffers(network)
    }
    tensors.update((id(parameter), parameters[name]) for name, parameter in network.named_parameters())
    with fork_state(network), replaced(network, tensors), recorder, running(f"{where} in double precision"):
        logits = network(images)
    logits = checked_logits(logits, len(images))
    check_graph(logits, recorder)
    return logits
