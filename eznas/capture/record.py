"""Records one forward pass: which layers run, and their inputs and outputs.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from eznas.capture.attention import CARRIED, PRODUCTS, SOFTMAX, AttentionProduct, attention_name, einsum_as_product
from eznas.capture.call import RecordError
from eznas.capture.calls import CallHooks
from eznas.capture.elementwise import CLAMPS, Elementwise
from eznas.capture.function import version
from eznas.capture.graph import nodes_behind
from eznas.capture.image_axis import ImageAxis
from eznas.capture.layer import Layer, Recorded
from eznas.capture.modules import buffers_of, parameters_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from eznas.capture.call import Call
    from eznas.capture.function import Function, Step


_NORMS = frozenset(("linalg_norm", "linalg_vector_norm", "norm", "std", "var"))

_FILLED = frozenset(("full_like", "new_full", "new_ones", "new_tensor", "new_zeros", "ones_like", "zeros_like"))
"""Functions of torch that read the shape of a tensor alone."""
_CHOOSING = frozenset(("max", "maximum", "min", "minimum", "where"))
"""Functions of torch that choose between two tensors."""

_SET_DATA: Any = Tensor.data.__set__  # type: ignore[attr-defined]

_CONSTANT = "constant"
_NORM = "norm"
"""Origins of tensors that no activation reads."""


class Recorder(CallHooks):
    """Records the layers of one forward pass while it is active.

    Args:
        network: The network that is going to run.
        values: Quantities whose values are kept.
        gradients: Quantities whose gradients will be requested.

    Attributes:
        parameters: The network's parameters, by name.
        layers: The layers, in the order of execution.
        attentions: The products of attention maps and values, in the order of execution.
        read: The names of the parameters from which weights of layers are computed.
        other_readers: For each parameter that another function than a layer read, that function's name.
        grads_enabled: Weights that were made to require a gradient; the caller resets them.
        axes: Follows the axis of the images.
    """

    def __init__(self, network: nn.Module, values: Collection[str] = (), gradients: Collection[str] = ()) -> None:
        super().__init__()
        self.parameters = parameters_of(network)
        self.layers: list[Layer] = []
        self.attentions: list[AttentionProduct] = []
        self.read: set[str] = set()
        self.other_readers: dict[str, str] = {}
        self.grads_enabled: list[Tensor] = []
        self.axes = ImageAxis()
        self._values, self._gradients = frozenset(values), frozenset(gradients)
        self._weights = {id(parameter): weight_name(name) for name, parameter in self.parameters.items()}
        self._network = network
        self._memory = {
            parameter.untyped_storage().data_ptr(): name
            for name, parameter in self.parameters.items()
            if parameter.numel() and not parameter.is_meta
        }
        self._runs: dict[str, int] = {}
        self.elementwise = Elementwise(self._is_constant)
        # tensors that no layer makes: computed from constants alone, or norms of other tensors
        self._origins: dict[int, tuple[weakref.ref[Tensor], int, str]] = {}
        # tensors that are computed from constants alone, among them parameters: the names of these
        self._leaves: dict[int, tuple[weakref.ref[Tensor], int, tuple[str, ...]]] = {}
        self._maps: dict[int, tuple[weakref.ref[Tensor], int, Recorded]] = {}  # attention maps, with their scores
        self._kept: list[Recorded] = []
        self._sharing: dict[int, list[Recorded]] = {}  # by memory
        # outputs of activations and layers: the tensor, its version then, and its origin
        self._activations: dict[int, tuple[weakref.ref[Tensor], int, Recorded]] = {}
        self._outputs: dict[int, tuple[weakref.ref[Tensor], int, Layer]] = {}

    def __enter__(self) -> Any:
        for constant in (*self.parameters.values(), *buffers_of(self._network)):
            self._origins[id(constant)] = (weakref.ref(constant), version(constant), _CONSTANT)
        for name, parameter in self.parameters.items():
            self._leaves[id(parameter)] = (weakref.ref(parameter), version(parameter), (name,))
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def open(self, call: Call) -> Callable[[], Any] | None:
        """Return attention, also where ``einsum`` multiplies its maps by values; see ``CallHooks.open``."""
        if call.name == "einsum" and self._maps:
            maps = [tensor for tensor in call.tensors if latest(self._maps, tensor)]
            return einsum_as_product(call, maps[0]) if maps else None
        return super().open(call)

    def activates(self, call: Call) -> bool:
        """Return whether a call runs an activation, which a bound of a norm or of a function of parameters is not."""
        if not super().activates(call):
            return False
        return call.name.strip("_") not in CLAMPS or not latest(self._origins, call.input)

    def layer(self, call: Call) -> Any:
        """Run a layer and record it, unless its weight is a constant that is computed from no parameter."""
        return self._run_layer(call, call.argument(1, "weight"))

    def _run_layer(self, call: Call, weight: Tensor) -> Any:
        name = self._weights.get(id(weight), "")
        leaves: tuple[str, ...] = () if name else latest(self._leaves, weight) or ()
        if leaves:
            name = computed_name(leaves[0])
        if not name and latest(self._origins, weight) == _CONSTANT:
            return call.run()  # a filter that is not trained, such as a blur
        name = name or "computed"
        self.read.update(leaves)
        if "weight" in self._gradients and not weight.requires_grad:
            self.grads_enabled.append(weight.requires_grad_())
        run = self._runs[name] = self._runs.get(name, 0) + 1
        activation_input = latest(self._activations, call.input)
        quantities = ("conv_in",) if activation_input else ("conv_in", "input")
        self._separate_input(call, *quantities)
        conv_in, recorded_weight = self._record(call.input, *quantities), self._record(weight, "weight")
        out = call.run()
        self._note_origin(call, call.tensors, out)  # a layer may run on constants, such as relative positions
        layer = Layer(
            name=name if run == 1 else f"{name}#{run}",
            kind=call.name,
            weight=recorded_weight,
            activation_input=activation_input,
            conv_in=conv_in,
            conv_out=self._record(out, "conv_out", "norm_out"),
            leaves=leaves,
        )
        self.layers.append(layer)
        self._outputs[id(out)] = (weakref.ref(out), version(out), layer)
        return out

    def activation(self, call: Call) -> Any:
        """Run an activation and record its input."""
        overwrites = call.overwrites
        function = self.compose(call)
        if not overwrites and call.function is None:
            self._separate_input(call, "input")
        recorded = self._record(call.input, "input")
        if overwrites:
            self._protect(call)
        out = call.run()
        self._note_origin(call, call.tensors, out)
        self.elementwise.note(out, function, activation=True, composite=call.function is not None)
        if call.function is not None and recorded.edge is not None and out.requires_grad:
            recorded.through = torch.autograd.graph.get_gradient_edge(call.made(out))
        self._activations[id(out)] = (weakref.ref(out), version(out), recorded)
        return out

    def compose(self, call: Call) -> Function | None:
        """Return the function of one tensor that a call computes, and note it where the call completes an activation.

        Several calls compute such an activation, and its input is the tensor that all of them are a function of.
        """
        if call.composed:
            return call.composed[0]
        function = self.elementwise.function(call)
        call.composed = (function,)
        if function is not None and function.squares:
            self.withdraw(function.squares)
        source = function.source.current() if function is not None and function.activates else None
        if source is not None:
            call.entering, call.function = source, function
        return function

    def withdraw(self, squares: Sequence[Step]) -> None:
        """Forget activations that are parts of a normalisation; steps are their outputs."""

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
        function = self.compose(call)
        if call.function is not None:
            return self.activation(call)
        scaled = None
        if function is not None and function.scales and function.source.composite:
            scaled = latest(self._activations, function.source.tensor())
        if call.overwrites or call.func == _SET_DATA:
            self._refuse_writes(call)
            self._protect(call)
        scores = latest(self._maps, call.tensors[0]) if self._maps and call.tensors else None
        if call.name in SOFTMAX and not call.overwrites and call.tensors:
            self._separate_input(call, "input")
            scores = self._record(call.input, "input")
        out = call.run()
        if not isinstance(out, (Tensor, tuple)) or isinstance(out, torch.Size):
            return out  # asking for a weight's shape is not using it
        tensors = call.tensors
        self._note_origin(call, tensors, out)
        self.elementwise.note(out, function)
        if isinstance(out, Tensor):
            if scaled is not None:
                self._activations[id(out)] = weakref.ref(out), version(out), scaled
            if scores is not None:
                self._attend(call, out, scores)
        if type(out) in (Tensor, tuple):
            self._note_readers(call, tensors)
        return out

    def _note_readers(self, call: Call, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            if id(tensor) in self._weights:
                self.other_readers[self._weights[id(tensor)]] = call.name.strip("_")

    @property
    def products(self) -> list[AttentionProduct]:
        """The members of ``attentions`` that have maps."""
        return [product for product in self.attentions if product.has_maps]

    def _attend(self, call: Call, out: Tensor, scores: Recorded) -> None:
        """Note attention maps, or record their product with values."""
        tensors = call.tensors
        if call.name in CARRIED or call.name in SOFTMAX:
            self._maps[id(out)] = weakref.ref(out), version(out), scores
        elif call.name in PRODUCTS and len(tensors) == 2 and id(tensors[1]) not in self._weights:  # noqa: PLR2004
            maps = self._record(tensors[0], "conv_in", "attention")
            product = AttentionProduct(
                name=attention_name(self.layers, self.attentions),
                kind="attention",
                front="softmax",
                weight=self._record(tensors[1], "weight"),
                activation_input=scores,
                conv_in=maps,
                conv_out=self._record(out, "conv_out", "norm_out", "attention"),
                after=len(self.layers),
            )
            self.attentions.append(product)

    def _note_origin(self, call: Call, tensors: Sequence[Tensor], out: Any) -> None:
        """Note whether tensors are computed from constants alone or are norms, and follow the axis of the images."""
        name = call.name.strip("_")
        known = [latest(self._origins, tensor) for tensor in tensors]
        origin = ""
        if name in _FILLED or all(one == _CONSTANT for one in known):
            origin = _CONSTANT
        elif name in _NORMS or (name == "sum" and call.kwargs.get("keepdim")) or (name == "sqrt" and known[0]):
            origin = _NORM
        if origin != _CONSTANT:
            self.axes.follow(call, out)
        if origin:
            names = {leaf: None for one in tensors for leaf in latest(self._leaves, one) or ()}
            for tensor in out if isinstance(out, tuple) else (out,):
                if isinstance(tensor, Tensor):
                    self._origins[id(tensor)] = weakref.ref(tensor), version(tensor), origin
                    if names and origin == _CONSTANT:
                        self._leaves[id(tensor)] = weakref.ref(tensor), version(tensor), tuple(names)

    def _is_constant(self, tensor: Tensor, function: str) -> bool:
        """Return whether a tensor is computed from constants alone, or is one number where a function compares it."""
        return latest(self._origins, tensor) == _CONSTANT or _one_number(tensor, function)

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
        gradients = torch.is_grad_enabled() and tensor.is_floating_point()
        if gradients and not self._gradients.isdisjoint(quantities):
            view = tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
            self.axes.copy(tensor, view)
            for known in cast("list[dict[int, Any]]", [self._origins, self._leaves]):
                if latest(known, tensor):
                    known[id(view)] = (weakref.ref(view), version(view), latest(known, tensor))
            call.args = tuple(view if arg is tensor else arg for arg in call.args)
            call.kwargs = {name: view if arg is tensor else arg for name, arg in call.kwargs.items()}
            if call.entering is not None:
                call.entering = view

    def _record(self, tensor: Tensor, *quantities: str) -> Recorded:
        recorded = Recorded(tuple(tensor.shape), place=self.axes.of(tensor))
        if not self._values.isdisjoint(quantities):
            recorded.value, recorded.version = tensor.detach(), version(tensor)
            self._keep_value(recorded)
        if tensor.requires_grad and not self._gradients.isdisjoint(quantities):
            # the edge of a leaf is the tensor itself
            recorded.edge = tensor if tensor.is_leaf else torch.autograd.graph.get_gradient_edge(tensor)
        return recorded

    def _keep_value(self, recorded: Recorded) -> None:
        """Keep the value of a record as it is, also where the network overwrites the memory later."""
        self._kept.append(recorded)
        self._sharing.setdefault(recorded.value.untyped_storage().data_ptr(), []).append(recorded)

    def _refuse_writes(self, call: Call) -> None:
        """Check that a call does not write to a parameter through ``.data`` or a detached view.

        Raises:
            RecordError: It does.
        """
        target = call.args[0] if call.args else None
        if isinstance(target, Tensor) and target.numel() and not target.is_meta:
            name = self._memory.get(target.untyped_storage().data_ptr())
            if name is not None:
                raise RecordError(
                    f"the network must not overwrite its parameters in the forward pass; it overwrites {name}"
                )

    def _protect(self, call: Call) -> None:
        """Copy the recorded values that a call is about to overwrite."""
        for memory in call.memory:
            for recorded in self._sharing.pop(memory, ()):
                if recorded.value is not None:
                    recorded.value = recorded.value.clone()
                    recorded.version = version(recorded.value)


def _one_number(tensor: Tensor, function: str) -> bool:
    """Return whether a tensor is one number at every place, such as the zeros that a maximum reads."""
    if tensor.requires_grad or tensor.dtype is torch.bool or function not in _CHOOSING:
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
    for node in nodes_behind(out.grad_fn if hooks.ungraphed else None):
        graphed = getattr(getattr(node, "_forward_cls", None), "graphed", False)  # as of our own functions
        if isinstance(node, torch.autograd.function.BackwardCFunction) and not graphed:
            raise RecordError(
                f"the network must run its layers with a graph; {hooks.ungraphed} runs inside a "
                "torch.autograd.Function, as in gradient checkpointing; disable checkpointing"
            )


def weight_name(parameter: str) -> str:
    """Return the layer's name for a parameter's path: the module's where the parameter is its ``weight``."""
    return parameter.removesuffix(".weight")


def computed_name(parameter: str) -> str:
    """Return the layer's name for the path of a parameter from which its weight is computed."""
    path = parameter.partition(".parametrizations.")[0]
    for suffix in (".weight", ".weight_v", ".weight_g", ".weight_orig"):
        path = path.removesuffix(suffix)
    return path


def flattened(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
    """Return a call's arguments, with the members of lists and tuples one by one."""
    flat: list[Any] = []
    for arg in (*args, *kwargs.values()):
        flat.extend(arg if isinstance(arg, (list, tuple)) else (arg,))
    return flat


def latest(outputs: Mapping[int, tuple[weakref.ref[Tensor], int, Any]], tensor: Tensor | None) -> Any:
    """Return the origin of a tensor, or None where it is unknown or the tensor was overwritten since."""
    output = outputs.get(id(tensor))
    current = output is not None and tensor is not None and output[0]() is tensor and output[1] == version(tensor)
    return output[2] if output and current else None
