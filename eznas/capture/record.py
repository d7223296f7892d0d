"""Watches one forward pass: which layers run, what enters and leaves them.

The watcher sees the functions that the forward pass calls, so modules and functional code are treated alike,
no hook is put on the network, and layers come in the order in which they run.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["Layer", "RecordError", "Recorded", "Recorder", "argument", "checked_logits", "version", "weight_name"]


class RecordError(RuntimeError):
    """A network cannot be recorded."""


@dataclass(eq=False)
class Recorded:
    """One tensor as it was at one moment of the forward pass.

    Args:
        shape: Its shape.
        value: The detached tensor; None where it was not asked for. It shares memory with the network's own
            tensor, until an operation is about to overwrite that.
        version: How often torch had seen that memory written to.
        edge: Where the gradient with respect to that moment's value arrives; None where it was not asked for
            or the tensor depends on nothing that needs a gradient.
    """

    shape: tuple[int, ...]
    value: Any = None
    version: int = 0
    edge: Any = None


@dataclass(eq=False)
class Layer:
    """One run of a convolution or linear layer.

    Args:
        name: The module that holds the weight; the second run of one weight is called ``name#2``.
        linear: Whether it is a linear layer.
        weight: The weight.
        entering: What enters the layer.
        activation_input: What entered the activation whose output enters the layer; None where there is none.
        leaving: What leaves the layer.
        normalised: What leaves the normalisation that the layer's output enters; None where there is none.
    """

    name: str
    linear: bool
    weight: Recorded
    entering: Recorded
    activation_input: Recorded | None
    leaving: Recorded
    normalised: Recorded | None = None

    @property
    def mapped(self) -> bool:
        """Whether what enters and leaves can be read as ``b x c x h x w``."""
        return len(self.entering.shape) in ((2, 3, 4) if self.linear else (4,))

    def part(self, quantity: str) -> Recorded:
        """Return a quantity of the unit, such as ``"conv_in"``."""
        if quantity == "weight":
            return self.weight
        if quantity == "input":
            return self.activation_input or self.entering
        if quantity == "norm_out":
            return self.normalised or self.leaving
        return self.entering if quantity == "conv_in" else self.leaving

    def shape(self, quantity: str) -> tuple[int, ...]:
        """Return the shape of a quantity: ``c_out x c_in x k x k`` or ``b x c x h x w``.

        A linear layer is a 1x1 convolution: ``b x c`` becomes ``b x c x 1 x 1``, ``b x t x c`` becomes
        ``b x c x t x 1`` and ``b x h x w x c`` becomes ``b x c x h x w``.
        """
        shape = self.part(quantity).shape
        if self.linear:
            shape = shape if quantity == "weight" else (shape[0], shape[-1], *shape[1:-1])
            shape = (*shape, *(1,) * (4 - len(shape)))
        return shape

    def shaped(self, quantity: str, tensor: Tensor) -> Tensor:
        """Return a quantity or its gradient in the shape that ``shape`` says."""
        if self.linear and quantity != "weight":
            tensor = tensor.movedim(-1, 1)
        return tensor.reshape(self.shape(quantity))


class Recorder(TorchFunctionMode):
    """Records the layers of one forward pass while it is active.

    Batch and instance normalisation use the statistics of the minibatch, whatever the mode of their modules.

    Args:
        network: The network that is going to run.
        values: Quantities whose values are kept.
        gradients: Quantities whose gradients will be asked for.

    Attributes:
        parameters: The network's, by name.
        layers: In the order in which they ran.
        other_readers: For each parameter that something else than a layer read, what that was.
        grads_enabled: Weights that were made to require a gradient; whoever uses the recorder resets them.
    """

    ACTIVATIONS = frozenset((
        "celu", "elu", "gelu", "hardswish", "hardtanh", "leaky_relu", "mish", "prelu", "relu", "relu6",
        "rrelu", "selu", "sigmoid", "silu", "softplus", "tanh",
    ))  # fmt: skip
    NORMALISATIONS = frozenset(("batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"))

    def __init__(self, network: nn.Module, values: Collection[str] = (), gradients: Collection[str] = ()) -> None:
        super().__init__()
        self.parameters = dict(network.named_parameters())
        self.layers: list[Layer] = []
        self.other_readers: dict[str, str] = {}
        self.grads_enabled: list[Tensor] = []
        self._values, self._gradients = frozenset(values), frozenset(gradients)
        self._weights = {id(parameter): weight_name(name) for name, parameter in self.parameters.items()}
        self._network = network
        self._runs: dict[str, int] = {}
        self._kept: list[Recorded] = []
        self._sharing: dict[int, list[Recorded]] = {}  # by memory
        # what activations and layers gave: the tensor, its version then, and where it came from
        self._activations: dict[int, tuple[weakref.ref[Tensor], int, Recorded]] = {}
        self._outputs: dict[int, tuple[weakref.ref[Tensor], int, Layer]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call ``func`` and record it where it is a layer, an activation or a normalisation."""
        named = dict(kwargs) if kwargs else {}
        name: str = getattr(func, "__name__", "")
        if name in ("conv2d", "linear"):
            return self._layer(func, args, named)
        overwrites = overwriting(name, named)
        if name.rstrip("_") in self.ACTIVATIONS:
            return self.activate(func, args, named, overwrites=overwrites)
        if overwrites and self._sharing:
            self._protect(args, named)
        out = self._normalise(func, args, named) if name in self.NORMALISATIONS else func(*args, **named)
        if type(out) in (Tensor, tuple):  # asking for a weight's shape is not using it
            for tensor in flattened(args, named):
                if id(tensor) in self._weights:
                    self.other_readers[self._weights[id(tensor)]] = name.strip("_")
        return out

    def check(self) -> None:
        """Check that nothing kept was overwritten unseen.

        Raises:
            RecordError: A kept tensor has another value now.
        """
        if any(kept.value is not None and version(kept.value) != kept.version for kept in self._kept):
            raise RecordError(
                "the network must overwrite tensors in sight of torch's function modes; it switches them off"
            )

    def activate(
        self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any], *, overwrites: bool
    ) -> Any:
        """Call an activation and record what enters it."""
        entering = argument(args, named, 0, "input")
        if not overwrites:
            entering, args = self._own_path(entering, args, named, "input")
        recorded = self._record(entering, "input")
        if overwrites:
            self._protect(args, named)
        out = func(*args, **named)
        self._activations[id(out)] = (weakref.ref(out), version(out), recorded)
        return out

    def _normalise(self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if func is nn.functional.batch_norm:
            named["training"] = True
        elif func is nn.functional.instance_norm:
            named["use_input_stats"] = True
        layer = latest(self._outputs, argument(args, named, 0, "input"))
        out = func(*args, **named)
        if layer is not None and layer.normalised is None:
            layer.normalised = self._record(out, "norm_out")
            if "conv_out" not in self._values:
                layer.leaving.value = None
        return out

    def _layer(self, func: Callable[..., Any], args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        entering, weight = argument(args, named, 0, "input"), argument(args, named, 1, "weight")
        name = self._weights.get(id(weight), "computed")
        if name == "computed" and any(weight is buffer for buffer in self._network.buffers()):
            return func(*args, **named)  # a filter that nobody trains, such as a blur
        if "weight" in self._gradients and not weight.requires_grad:
            self.grads_enabled.append(weight.requires_grad_())
        run = self._runs[name] = self._runs.get(name, 0) + 1
        activation_input = latest(self._activations, entering)
        quantities = ("conv_in",) if activation_input else ("conv_in", "input")
        entering, args = self._own_path(entering, args, named, *quantities)
        recorded, recorded_weight = self._record(entering, *quantities), self._record(weight, "weight")
        out = func(*args, **named)
        layer = Layer(
            name=name if run == 1 else f"{name}#{run}",
            linear=func.__name__ == "linear",
            weight=recorded_weight,
            entering=recorded,
            activation_input=activation_input,
            leaving=self._record(out, "conv_out", "norm_out"),
        )
        self.layers.append(layer)
        self._outputs[id(out)] = (weakref.ref(out), version(out), layer)
        return out

    def _own_path(
        self, tensor: Tensor, args: tuple[Any, ...], named: dict[str, Any], *quantities: str
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Let a call's input enter by a view of its own, so that its gradient is the one through this call only."""
        if not tensor.requires_grad or self._gradients.isdisjoint(quantities):
            return tensor, args
        view = tensor.view_as(tensor)
        if args:
            return view, (view, *args[1:])
        named["input"] = view
        return view, args

    def _record(self, tensor: Tensor, *quantities: str) -> Recorded:
        recorded = Recorded(tuple(tensor.shape))
        if not self._values.isdisjoint(quantities):
            recorded.value, recorded.version = tensor.detach(), version(tensor)
            self._kept.append(recorded)
            self._sharing.setdefault(tensor.untyped_storage().data_ptr(), []).append(recorded)
        if tensor.requires_grad and not self._gradients.isdisjoint(quantities):
            # with a leaf, the edge is the tensor itself
            recorded.edge = tensor if tensor.is_leaf else torch.autograd.graph.get_gradient_edge(tensor)
        return recorded

    def _protect(self, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Give recorded values that the coming call overwrites a memory of their own."""
        for target in flattened(args[:1], named):
            if isinstance(target, Tensor):
                for recorded in self._sharing.pop(target.untyped_storage().data_ptr(), ()):
                    if recorded.value is not None:
                        recorded.value = recorded.value.clone()
                        recorded.version = version(recorded.value)


def checked_logits(out: Any, images: int) -> Tensor:
    """Return what a network gave for so many images, if that is logits.

    Raises:
        RecordError: It is something else.
    """
    if isinstance(out, Tensor) and out.dim() == 2 and len(out) == images:  # noqa: PLR2004
        return out
    got = f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else f"a {type(out).__name__}"
    raise RecordError(f"the network must return one tensor of {images} x classes logits; got {got}")


def weight_name(parameter: str) -> str:
    """Return the layer's name for a parameter's path: the module's where the parameter is its ``weight``."""
    return parameter.removesuffix(".weight")


def argument(args: tuple[Any, ...], named: Mapping[str, Any], position: int, name: str) -> Any:
    """Return a call's argument, given by position or by name."""
    return args[position] if len(args) > position else named[name]


def flattened(args: tuple[Any, ...], named: Mapping[str, Any]) -> list[Any]:
    """Return a call's arguments, those in lists and tuples one by one."""
    flat: list[Any] = []
    for arg in (*args, *named.values()):
        flat.extend(arg if isinstance(arg, (list, tuple)) else (arg,))
    return flat


def overwriting(name: str, named: Mapping[str, Any]) -> bool:
    """Return whether a call of the function ``name`` writes to its first argument or to ``out``."""
    if name.endswith("__"):
        return name == "__setitem__" or name.startswith("__i")
    return name.endswith("_") or bool(named.get("inplace")) or named.get("out") is not None


def version(tensor: Tensor) -> int:
    """Return how often torch has seen the tensor's memory written to."""
    return tensor._version  # noqa: SLF001 - torch has no other name for it


def latest(made: Mapping[int, tuple[weakref.ref[Tensor], int, Any]], tensor: Tensor) -> Any:
    """Return where the tensor came from, or None where that is unknown or it was written to since."""
    found = made.get(id(tensor))
    return found[2] if found and found[0]() is tensor and found[1] == version(tensor) else None
