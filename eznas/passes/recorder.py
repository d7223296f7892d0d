"""Watches a forward pass for measures: weights, what layers give, and which activations are switched on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor, nn

from eznas.capture import NoUnitsError
from eznas.capture.record import Recorded, Recorder, argument
from eznas.errors import UndefinedError
from eznas.passes.normalise import batch_norm

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = [
    "LAYERS",
    "Output",
    "PassRecorder",
    "Pattern",
    "by_images",
    "channels_first",
    "check_seen",
    "layer_weights",
    "named_weights",
    "of_layers",
]

T = TypeVar("T")

LAYERS = (nn.Linear, nn.modules.conv._ConvNd)  # noqa: SLF001 - torch has no other name for it
"""Linear layers and convolutions."""

_SWITCHES = Recorder.ACTIVATIONS - {"sigmoid", "softplus"}  # of which every value is positive


@dataclass(frozen=True)
class Pattern:
    """Which elements that entered one activation were positive.

    Args:
        activation: The activation's name, such as ``"relu"``.
        node: The node of the graph that the activation became; None where there is no graph.
        positive: ``b x n`` booleans.
    """

    activation: str
    node: Any
    positive: Tensor


@dataclass(frozen=True)
class Output:
    """What left a layer, a normalisation or an activation.

    Args:
        recorded: The value.
        channels_last: Whether its channels are the last axis, as behind a linear layer, and not the second.
    """

    recorded: Recorded
    channels_last: bool

    def channels_first(self) -> Tensor:
        """Return the value as ``n x c x *``; see ``channels_first``."""
        return channels_first(self.recorded.value, last=self.channels_last)


class PassRecorder(Recorder):
    """Records what measures read.

    Args:
        network: The network that is going to run.
        samples: The number of images.
        parts: What is read: of the parts of ``NetworkPasses``.

    Attributes:
        patterns: One a run of an activation that can be negative at its input, in the order in which they ran.
        outputs: What left each convolution, linear layer, normalisation and activation, likewise.
    """

    def __init__(self, network: nn.Module, samples: int, parts: Collection[str]) -> None:
        gradients = {"weight"} if {"weight_gradients", "curvature"} & set(parts) else set()
        gradients |= {"conv_out"} if "layer_gradients" in parts else set()
        super().__init__(network, gradients | ({"output"} if "outputs" in parts else set()), gradients)
        self.patterns: list[Pattern] = []
        self.outputs: list[Output] = []
        self._channels_last = False
        self._samples, self._parts = samples, parts

    def activate(
        self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any], *, overwrites: bool
    ) -> Any:
        """Call an activation, and keep which elements are positive."""
        name = func.__name__.rstrip("_")
        entering = argument(args, named, 0, "input")
        positive = None
        if "patterns" in self._parts and name in _SWITCHES and entering.shape[0] % self._samples == 0:
            positive = (entering.detach() > 0).reshape(self._samples, -1)  # windows of an image stand together
        out = super().activate(func, args, named, overwrites=overwrites)
        if positive is not None:
            self.patterns.append(Pattern(name, out.grad_fn, positive))
        self._keep(out, channels_last=self._channels_last)  # as what ran last
        return out

    def _normalise(self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        cheap = "curvature" in self._parts and func is nn.functional.batch_norm
        out = super()._normalise(batch_norm if cheap else func, args, named)
        self._keep(out, channels_last=func.__name__ in ("layer_norm", "rms_norm"))
        return out

    def _layer(self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        out = super()._layer(func, args, named)
        self._keep(out, channels_last=func.__name__ == "linear")
        return out

    def _keep(self, out: Tensor, *, channels_last: bool) -> None:
        self._channels_last = channels_last
        if "outputs" in self._parts:
            self.outputs.append(Output(self._record(out, "output"), channels_last))


def check_seen(recorder: Recorder) -> None:
    """Check that no layer ran inside of ``nn.MultiheadAttention``, which shows nothing of its projections.

    Raises:
        UndefinedError: One did.
    """
    hidden = [name for name, reader in recorder.other_readers.items() if reader == "multi_head_attention_forward"]
    if hidden:
        raise UndefinedError(
            f"every layer's output must be seen, but that of {hidden[0]} stays inside nn.MultiheadAttention; write the "
            "attention with nn.Linear and scaled_dot_product_attention"
        )


def layer_weights(network: nn.Module) -> list[nn.Parameter]:
    """Return the weights of the network's convolutions, linear layers and attentions, each once.

    A weight that is computed from others, such as a normalised one, is none of the network's parameters and left out.
    """
    found: dict[int, nn.Parameter] = {}
    for module in network.modules():
        names: tuple[str, ...] = ()
        if isinstance(module, LAYERS):
            names = ("weight",)
        elif isinstance(module, nn.MultiheadAttention):
            names = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
        for name in names:
            weight = module._parameters.get(name)  # noqa: SLF001 - the attribute would compute it, which may write buffers
            if weight is not None:
                found.setdefault(id(weight), weight)
    return list(found.values())


def of_layers(found: list[T]) -> list[T]:
    """Return what was found of a network's layers.

    Raises:
        NoUnitsError: Nothing was found, of which sums would be 0.
    """
    if not found:
        raise NoUnitsError("the network must have a convolution or a linear layer; it has none")
    return found


def named_weights(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that are called weights, those of normalisations among them."""
    return [parameter for name, parameter in network.named_parameters() if "weight" in name]


def channels_first(tensor: Tensor, *, last: bool) -> Tensor:
    """Return what leaves a layer, ``n x c x *``, or where its channels are the last axis ``n x * x c``, as the former.

    Raises:
        UndefinedError: It is a single number or vector.
    """
    if tensor.dim() < 2:  # noqa: PLR2004
        raise UndefinedError(
            f"what leaves a layer must have images and channels; it has the shape {tuple(tensor.shape)}"
        )
    return tensor.movedim(-1, 1) if last else tensor


def by_images(tensor: Tensor, images: int) -> Tensor:
    """Return ``n x c x *`` as ``images x c x *``, where windows or tokens of an image stand in a row on the first axis.

    Raises:
        UndefinedError: The first axis cannot be that of the images.
    """
    if len(tensor) % images:
        raise UndefinedError(
            f"what leaves a layer must have the {images} images on its first axis; it has {len(tensor)} entries there"
        )
    return tensor if len(tensor) == images else tensor.reshape(images, -1, *tensor.shape[1:]).movedim(1, 2)
