"""Runs a network in float64 with other parameters than its own, which are not touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from eznas.capture import preserved
from eznas.capture.record import argument, checked_logits

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["FunctionalRecorder", "run_with_params"]


class FunctionalRecorder(TorchFunctionMode):
    """Watches a forward pass with substituted parameters.

    Batch and instance normalisation use the statistics of the images, whatever the mode of their modules.

    Args:
        normalised: Whether batch normalisations run; otherwise what enters them leaves them.

    Attributes:
        weights: The weights of the layers that ran, each once.
        deviations: The root of the channels' mean variance at the input of each batch normalisation.
        maps: What an operation last gave that has more than one position, ``b x c x h x w``; None where none did.
        entering: What entered the last linear layer.
    """

    def __init__(self, *, normalised: bool) -> None:
        super().__init__()
        self._normalised = normalised
        self.weights: dict[int, Tensor] = {}
        self.deviations: list[Tensor] = []
        self.maps: Tensor | None = None
        self.entering: Tensor | None = None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``func``."""
        named = dict(kwargs) if kwargs else {}
        name: str = getattr(func, "__name__", "")
        if func is nn.functional.batch_norm:
            entering: Tensor = argument(args, named, 0, "input")
            if not self._normalised:
                return entering.clone()  # an activation in place would change what a shortcut reads
            axes = [axis for axis in range(entering.dim()) if axis != 1]
            self.deviations.append(entering.detach().var(axes, correction=0).mean().sqrt())
            out = nn.functional.batch_norm(
                entering, None, None, _given(args, named, 3, "weight"), _given(args, named, 4, "bias"), training=True,
                eps=named.get("eps", args[7] if len(args) > 7 else 1e-5),  # noqa: PLR2004 - its place among the arguments
            )  # fmt: skip
        else:
            if func is nn.functional.instance_norm:
                named["use_input_stats"] = True
            out = func(*args, **named)
        if name in ("conv1d", "conv2d", "conv3d", "linear"):
            weight = argument(args, named, 1, "weight")
            self.weights[id(weight)] = weight
            self.entering = argument(args, named, 0, "input") if name == "linear" else self.entering
        if type(out) is Tensor and out.dim() == 4 and out.shape[2] * out.shape[3] > 1:  # noqa: PLR2004
            self.maps = out
        return out


def _given(args: tuple[Any, ...], named: Mapping[str, Any], position: int, name: str) -> Any:
    return args[position] if len(args) > position else named.get(name)


def run_with_params(
    network: nn.Module, parameters: Mapping[str, Tensor], images: Tensor, watch: FunctionalRecorder
) -> Tensor:
    """Run a network in float64 with other parameters, in the fixed random state.

    Args:
        network: Left as it was found.
        parameters: A float64 tensor for each of its parameters, by name.
        images: ``b x c x h x w`` float64.
        watch: Watches.

    Returns:
        The logits, ``b x classes``.

    Raises:
        RecordError: The network does not give logits.
    """
    buffers = {
        name: buffer.double() if buffer.is_floating_point() else buffer.clone()
        for name, buffer in network.named_buffers()
    }
    with preserved(network), watch:
        logits = torch.func.functional_call(network, {**parameters, **buffers}, (images,))
    return checked_logits(logits, len(images))
