"""Records one forward pass: which layers run, and their inputs and outputs.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eznas.capture.calls import Call, CallHooks, version
from eznas.capture.image_axis import ImageAxis
from eznas.capture.modules import buffers_of, parameters_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence


_COMPARISONS = frozenset(["ge", "greater", "greater_equal", "gt", "le", "less", "less_equal", "lt"])
_COMPARING = frozenset(("maximum",))
"""Functions of torch that choose between two tensors without a mask."""

_CLAMPS = frozenset(("clamp", "clamp_max", "clamp_min", "clip"))
_NORMS = frozenset(("linalg_norm", "linalg_vector_norm", "norm", "std", "var"))

_CASTS = frozenset(("bfloat16", "double", "float", "half", "to", "type", "type_as"))


_CONSTANT = "constant"
_NORM = "norm"
"""Origins of tensors that no activation reads."""


class RecordError(RuntimeError):
    """A network cannot be recorded."""


@dataclass(eq=False)
class Recorded:
    """One tensor at one moment of the forward pass.

    Args:
        shape: Its shape.
        value: The detached tensor; None where it was not requested. It shares memory with the network's own
            tensor until an operation is about to overwrite that memory.
        version: The number of writes to that memory at this moment, as torch counts them.
        edge: The gradient edge of the tensor at this moment; None where no gradient was requested or the tensor
            depends on nothing that requires one.
        axis: The axis of the images.
    """

    shape: tuple[int, ...]
    value: Any = None
    version: int = 0
    edge: Any = None
    axis: int = 0

    def images_first(self, tensor: Tensor) -> Tensor:
        """Return a tensor of this shape with the axis of the images first."""
        return tensor.movedim(self.axis, 0) if self.axis else tensor


@dataclass(eq=False)
class Layer:
    """One run of a convolution or linear layer.

    Args:
        name: The module that holds the weight; the second run of one weight is called ``name#2``.
        linear: Whether it is a linear layer.
        weight: The weight.
        activation_input: The input of the activation in front of the layer; None without one.
        conv_in: The input of the layer.
        conv_out: The output of the layer.
        norm_out: The output of the normalisation behind the layer; None without one.
    """

    name: str
    linear: bool
    weight: Recorded
    activation_input: Recorded | None
    conv_in: Recorded
    conv_out: Recorded
    norm_out: Recorded | None = None

    @property
    def has_maps(self) -> bool:
        """Whether input and output can be read as ``b x c x h x w``."""
        return len(self.conv_in.shape) in ((2, 3, 4) if self.linear else (4,))

    def recorded(self, quantity: str) -> Recorded:
        """Return a quantity of the unit, such as ``"conv_in"``."""
        if quantity == "input":
            return self.activation_input or self.conv_in
        if quantity == "norm_out":
            return self.norm_out or self.conv_out
        tensor: Recorded = getattr(self, quantity)
        return tensor

    def shape(self, quantity: str) -> tuple[int, ...]:
        """Return the shape of a quantity: ``c_out x c_in x k x k`` or ``b x c x h x w``.

        A linear layer is a 1x1 convolution: ``b x c`` becomes ``b x c x 1 x 1``, ``b x t x c`` becomes
        ``b x c x t x 1`` and ``b x h x w x c`` becomes ``b x c x h x w``.
        """
        recorded = self.recorded(quantity)
        shape = recorded.shape
        if recorded.axis:
            shape = (shape[recorded.axis], *shape[: recorded.axis], *shape[recorded.axis + 1 :])
        if self.linear:
            shape = shape if quantity == "weight" else (shape[0], shape[-1], *shape[1:-1])
            shape = (*shape, *(1,) * (4 - len(shape)))
        return shape

    def shaped(self, quantity: str, tensor: Tensor) -> Tensor:
        """Return a quantity or its gradient in the shape that ``shape`` gives."""
        tensor = self.recorded(quantity).images_first(tensor)
        if self.linear and quantity != "weight":
            tensor = tensor.movedim(-1, 1)
        shape = self.shape(quantity)
        return tensor if tensor.shape == shape else tensor.reshape(shape)


class Recorder(CallHooks):
    """Records the layers of one forward pass while it is active.

    Args:
        network: The network that is going to run.
        values: Quantities whose values are kept.
        gradients: Quantities whose gradients will be requested.

    Attributes:
        parameters: The network's parameters, by name.
        layers: The layers, in the order of execution.
        other_readers: For each parameter that another function than a layer read, that function's name.
        grads_enabled: Weights that were made to require a gradient; the caller resets them.
        axes: Follows the axis of the images.
    """

    def __init__(self, network: nn.Module, values: Collection[str] = (), gradients: Collection[str] = ()) -> None:
        super().__init__()
        self.parameters = parameters_of(network)
        self.layers: list[Layer] = []
        self.other_readers: dict[str, str] = {}
        self.grads_enabled: list[Tensor] = []
        self.axes = ImageAxis()
        self._values, self._gradients = frozenset(values), frozenset(gradients)
        self._weights = {id(parameter): weight_name(name) for name, parameter in self.parameters.items()}
        self._network = network
        self._runs: dict[str, int] = {}
        self._masks: dict[int, tuple[weakref.ref[Tensor], weakref.ref[Tensor], int]] = {}
        # tensors that no layer makes: computed from constants alone, or norms of other tensors
        self._origins: dict[int, tuple[weakref.ref[Tensor], int, str]] = {}
        self._kept: list[Recorded] = []
        self._sharing: dict[int, list[Recorded]] = {}  # by memory
        # outputs of activations and layers: the tensor, its version then, and its origin
        self._activations: dict[int, tuple[weakref.ref[Tensor], int, Recorded]] = {}
        self._outputs: dict[int, tuple[weakref.ref[Tensor], int, Layer]] = {}

    def __enter__(self) -> Any:
        for constant in (*self.parameters.values(), *buffers_of(self._network)):
            self._origins[id(constant)] = (weakref.ref(constant), version(constant), _CONSTANT)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def activates(self, call: Call) -> bool:
        """Return whether a call runs an activation, which a bound of a norm or of a function of parameters is not."""
        if not super().activates(call):
            return False
        return call.name.strip("_") not in _CLAMPS or not latest(self._origins, call.input)

    def layer(self, call: Call) -> Any:
        """Run a layer and record it, unless its weight is a buffer."""
        weight: Tensor = call.argument(1, "weight")
        name = self._weights.get(id(weight), "computed")
        if name == "computed" and any(weight is buffer for buffer in self._network.buffers()):
            return call.run()  # a filter that is not trained, such as a blur
        if "weight" in self._gradients and not weight.requires_grad:
            self.grads_enabled.append(weight.requires_grad_())
        run = self._runs[name] = self._runs.get(name, 0) + 1
        activation_input = latest(self._activations, call.input)
        quantities = ("conv_in",) if activation_input else ("conv_in", "input")
        self._separate_input(call, *quantities)
        conv_in, recorded_weight = self._record(call.input, *quantities), self._record(weight, "weight")
        out = call.run()
        self.axes.follow(call, out)
        layer = Layer(
            name=name if run == 1 else f"{name}#{run}",
            linear=call.name == "linear",
            weight=recorded_weight,
            activation_input=activation_input,
            conv_in=conv_in,
            conv_out=self._record(out, "conv_out", "norm_out"),
        )
        self.layers.append(layer)
        self._outputs[id(out)] = (weakref.ref(out), version(out), layer)
        return out

    def activation(self, call: Call) -> Any:
        """Run an activation and record its input."""
        overwrites = call.overwrites
        if not overwrites:
            self._separate_input(call, "input")
        recorded = self._record(call.input, "input")
        if overwrites:
            self._protect(call)
        out = call.run()
        self._note_origin(call, call.tensors, out)
        self._activations[id(out)] = (weakref.ref(out), version(out), recorded)
        return out

    def normalisation(self, call: Call) -> Any:
        """Run a normalisation and record its output where its input is the output of a layer."""
        layer = latest(self._outputs, call.input)
        out = super().normalisation(call)
        if layer is not None and layer.norm_out is None:
            layer.norm_out = self._record(out, "norm_out")
            if "conv_out" not in self._values:
                layer.conv_out.value = None
        return out

    def other(self, call: Call) -> Any:
        """Run any other call, and keep its name for the parameters that it reads."""
        entering = self._combined(call)
        if entering is not None:
            call.entering = entering
            return self.activation(call)
        if self._sharing and call.overwrites:
            self._protect(call)
        out = call.run()
        if not isinstance(out, (Tensor, tuple)) or isinstance(out, torch.Size):
            return out  # asking for a weight's shape is not using it
        tensors = call.tensors
        self._note_origin(call, tensors, out)
        self._note_mask(call, out)
        if type(out) in (Tensor, tuple):
            for tensor in tensors:
                if id(tensor) in self._weights:
                    self.other_readers[self._weights[id(tensor)]] = call.name.strip("_")
        return out

    def _note_origin(self, call: Call, tensors: Sequence[Tensor], out: Any) -> None:
        """Note whether tensors are computed from constants alone or are norms, and follow the axis of the images."""
        name = call.name.strip("_")
        known = [latest(self._origins, tensor) for tensor in tensors]
        origin = ""
        if all(one == _CONSTANT for one in known):
            origin = _CONSTANT
        elif name in _NORMS or (name == "sum" and call.kwargs.get("keepdim")) or (name == "sqrt" and known[0]):
            origin = _NORM
        if origin != _CONSTANT:
            self.axes.follow(call, out)
        if origin:
            for tensor in out if isinstance(out, tuple) else (out,):
                if isinstance(tensor, Tensor):
                    self._origins[id(tensor)] = weakref.ref(tensor), version(tensor), origin

    def _note_mask(self, call: Call, out: Any) -> None:
        """Note that a tensor of booleans compares one tensor with numbers."""
        if call.name.strip("_") in _COMPARISONS:
            tensors = call.tensors
            if len([one for one in tensors if one.dim()]) == 1:
                self._masks[id(out)] = weakref.ref(out), weakref.ref(tensors[0]), version(tensors[0])
        elif call.name in _CASTS and isinstance(out, Tensor):
            mask = next(map(self._mask, call.tensors), None)
            if mask:
                self._masks[id(out)] = weakref.ref(out), *mask

    def _mask(self, tensor: Tensor) -> tuple[weakref.ref[Tensor], int] | None:
        """Return the tensor that a mask compares and its version then; None where the tensor is no mask."""
        known = self._masks.get(id(tensor))
        return known[1:] if known and known[0]() is tensor else None

    def _combined(self, call: Call) -> Tensor | None:
        """Return the tensor of which all tensors of a call of ``COMBINED`` are functions, None where there is none."""
        if call.name.strip("_") not in self.COMBINED:
            return None
        tensors = call.tensors
        sources: dict[int, Tensor] = {}
        masks = 0
        for tensor in tensors:
            mask = self._mask(tensor)
            source = mask[0]() if mask else None
            if mask and source is not None and version(source) == mask[1]:
                sources[id(source)] = source
                masks += 1
            elif tensor.dim() and not _constant(tensor, call.name):
                sources[id(tensor)] = tensor
        compares = masks > 0 or (call.name in _COMPARING and len(tensors) > 1)
        (source,) = sources.values() if len(sources) == 1 else (None,)
        return source if compares and any(tensor is source for tensor in tensors) else None

    def check_versions(self) -> None:
        """Check that every write to a kept tensor was recorded.

        Raises:
            RecordError: A kept tensor has another value now.
        """
        if any(kept.value is not None and version(kept.value) != kept.version for kept in self._kept):
            raise RecordError(
                "the network must not overwrite tensors while it disables torch function modes, which record it"
            )

    def _separate_input(self, call: Call, *quantities: str) -> None:
        """Replace a call's input by a view, so that the view's gradient is the one through this call alone."""
        tensor = call.input
        if tensor.requires_grad and not self._gradients.isdisjoint(quantities):
            view = tensor.view_as(tensor)
            self.axes.copy(tensor, view)
            call.args = tuple(view if arg is tensor else arg for arg in call.args)
            call.kwargs = {name: view if arg is tensor else arg for name, arg in call.kwargs.items()}
            if call.entering is not None:
                call.entering = view

    def _record(self, tensor: Tensor, *quantities: str) -> Recorded:
        recorded = Recorded(tuple(tensor.shape), axis=self.axes.of(tensor))
        if not self._values.isdisjoint(quantities):
            recorded.value, recorded.version = tensor.detach(), version(tensor)
            self._kept.append(recorded)
            self._sharing.setdefault(tensor.untyped_storage().data_ptr(), []).append(recorded)
        if tensor.requires_grad and not self._gradients.isdisjoint(quantities):
            # the edge of a leaf is the tensor itself
            recorded.edge = tensor if tensor.is_leaf else torch.autograd.graph.get_gradient_edge(tensor)
        return recorded

    def _protect(self, call: Call) -> None:
        """Copy the recorded values that a call is about to overwrite."""
        for target in flattened(call.args[:1], call.kwargs):
            if isinstance(target, Tensor):
                for recorded in self._sharing.pop(target.untyped_storage().data_ptr(), ()):
                    if recorded.value is not None:
                        recorded.value = recorded.value.clone()
                        recorded.version = version(recorded.value)


def checked_logits(out: Any, images: int) -> Tensor:
    """Return the output of a network for a number of images.

    Raises:
        RecordError: It is not ``images x classes`` logits.
    """
    if isinstance(out, Tensor) and out.dim() == 2 and len(out) == images:  # noqa: PLR2004
        return out
    got = f"shape {tuple(out.shape)}" if isinstance(out, Tensor) else f"a {type(out).__name__}"
    raise RecordError(f"the network must return one tensor of {images} x classes logits; got {got}")


def _constant(tensor: Tensor, function: str) -> bool:
    """Return whether a tensor is one number at every place, such as the zeros that a maximum reads."""
    if tensor.requires_grad or function not in ("maximum", "where"):
        return False
    return not tensor.numel() or bool((tensor == tensor.flatten()[0]).all())


def check_graph(out: Tensor, hooks: CallHooks) -> None:
    """Check that no layer ran inside a ``torch.autograd.Function``, which hides its part of the graph.

    Args:
        out: The output of the network.
        hooks: Were active while it ran.

    Raises:
        RecordError: A layer did, as in gradient checkpointing of other libraries than torch.
    """
    if not hooks.ungraphed or out.grad_fn is None:
        return
    nodes: list[Any] = [out.grad_fn]
    seen = set(nodes)
    while nodes:
        node = nodes.pop()
        graphed = getattr(getattr(node, "_forward_cls", None), "graphed", False)  # as of our own functions
        if isinstance(node, torch.autograd.function.BackwardCFunction) and not graphed:
            raise RecordError(
                f"the network must run its layers with a graph; {hooks.ungraphed} runs inside a "
                "torch.autograd.Function, as in gradient checkpointing; disable checkpointing"
            )
        following = [below for below, _ in node.next_functions if below is not None and below not in seen]
        seen.update(following)
        nodes += following


def weight_name(parameter: str) -> str:
    """Return the layer's name for a parameter's path: the module's where the parameter is its ``weight``."""
    return parameter.removesuffix(".weight")


def flattened(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
    """Return a call's arguments, with the members of lists and tuples one by one."""
    flat: list[Any] = []
    for arg in (*args, *kwargs.values()):
        flat.extend(arg if isinstance(arg, (list, tuple)) else (arg,))
    return flat


def latest(outputs: Mapping[int, tuple[weakref.ref[Tensor], int, Any]], tensor: Tensor) -> Any:
    """Return the origin of a tensor, or None where it is unknown or the tensor was overwritten since."""
    output = outputs.get(id(tensor))
    return output[2] if output and output[0]() is tensor and output[1] == version(tensor) else None
