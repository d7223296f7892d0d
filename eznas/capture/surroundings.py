"""Records layers of every kind, and the activations and normalisations around layers on tokens.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from eznas.capture.elementwise import kind_of
from eznas.capture.function import version
from eznas.capture.image_axis import moved_axis
from eznas.capture.record import Recorder, latest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.capture.call import Call
    from eznas.capture.function import Function, Step
    from eznas.capture.layer import Layer, Recorded


@dataclass(frozen=True)
class Front:
    """The activation or normalisation that made a tensor.

    Args:
        name: Its function.
        entering: Its input.
        layer: The layer whose output it read; None without one.
        normalises: Whether it is a normalisation, which a constant may multiply or be added to.
    """

    name: str
    entering: Recorded
    layer: Layer | None
    normalises: bool


class UnitRecorder(Recorder):
    """Records layers of every kind, and for each layer the function in front of it and the one behind it.

    The function in front is the activation or normalisation whose output the layer reads, also through dropout,
    copies, reshapes and permutations that keep the channels last, and through the product with another tensor that
    gates it. The function behind is the first activation or normalisation that reads the layer's output, through the
    same operations. Batch and instance normalisations in front of a layer are not among them.
    """

    LAYERS = Recorder.LAYERS | {
        "conv1d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "embedding",
    }  # fmt: skip

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._fronts: dict[int, tuple[weakref.ref[Tensor], int, Front]] = {}
        self._behind: dict[int, tuple[weakref.ref[Tensor], int, Layer]] = {}
        self._left: dict[Layer, Step] = {}  # the outputs of the functions behind layers
        self._led: dict[Step, Layer] = {}  # by activations by hand that are the first function behind a layer

    def layer(self, call: Call) -> Any:
        """Run a layer, and record it with the function in front of it."""
        if call.name == "embedding":
            return self._embedding(call)
        return self._surrounded(call, call.argument(1, "weight"))

    def _surrounded(self, call: Call, weight: Tensor) -> Any:
        front: Front | None = latest(self._fronts, call.input)
        before = len(self.layers)
        out = self._run_layer(call, weight)
        for layer in self.layers[before:]:
            layer.front = front.name if front else ""
            layer.entering = front.entering if front else None
            self._behind[id(out)] = weakref.ref(out), version(out), layer
        return out

    def _embedding(self, call: Call) -> Any:
        """Run an embedding; its output counts as its input, because indices have no gradient."""
        out = self._surrounded(call, call.argument(1, "weight"))
        if self.layers and latest(self._outputs, out) is self.layers[-1]:
            self.layers[-1].conv_in = self._record(out, "conv_in", "input")
        return out

    def activation(self, call: Call) -> Any:
        """Run an activation, and record its output where it is the first function behind a layer."""
        self.compose(call)
        layer: Layer | None = latest(self._behind, call.input)
        name = call.name.strip("_") if call.function is None else "function by hand"
        out = super().activation(call)
        if layer is not None and not layer.behind and call.function is not None:
            self._led[self.elementwise.step(out)] = layer
        entering: Recorded = latest(self._activations, out)
        self._note_front(out, Front(name, entering, layer, normalises=False), composed=call.function is not None)
        return out

    def withdraw(self, squares: Sequence[Step]) -> None:
        """Forget the squares in a normalisation as functions behind layers."""
        super().withdraw(squares)
        for layer in [self._led.pop(step) for step in squares if step in self._led]:
            layer.behind, layer.leaving = "", None

    def normalisation(self, call: Call) -> Any:
        """Run a normalisation, and record its input and output."""
        layer = latest(self._behind, call.input)
        if call.name in ("batch_norm", "instance_norm"):
            out = super().normalisation(call)
            if layer is not None and not layer.behind and layer.norm_out is not None:
                layer.behind, layer.leaving = call.name, layer.norm_out
            return out
        made_by = latest(self._outputs, call.input)
        self._separate_input(call, "input")
        if made_by is not None:
            self._outputs[id(call.input)] = weakref.ref(call.input), version(call.input), made_by
        entering = self._record(call.input, "input")
        out = super().normalisation(call)
        self._note_front(out, Front(call.name, entering, layer, normalises=True))
        return out

    def other(self, call: Call) -> Any:
        """Run any other call, and follow the functions around layers through it."""
        weight = self._matrix(call)
        if weight is not None:
            if call.name == "addmm":
                call.entering = call.argument(1, "mat1")
            return self._surrounded(call, weight)
        front, layer, source = self._carried(call)
        left = self._left.get(front.layer) if front is not None and front.layer is not None else None
        first = left is not None and source is not None and left is self.elementwise.step(source)
        function = self.compose(call)
        normalises = function is not None and function.normalises and call.function is None
        entering = function.source.current() if function is not None and normalises else None
        recorded = self._record(entering, "input") if entering is not None else None
        out = super().other(call)
        if not isinstance(out, Tensor):
            return out
        if recorded is not None and function is not None:
            self._note_front(out, self._by_hand(function, recorded, out), composed=True)
        elif source is not None and call.function is None and _keeps_channels(call, source, out):
            if front is not None:
                self._fronts[id(out)] = weakref.ref(out), version(out), front
                if first and front.normalises and front.layer is not None and _scales(call):
                    self._note_behind(out, front.layer, front.name, again=True)
            if layer is not None:
                self._behind[id(out)] = weakref.ref(out), version(out), layer
        return out

    def _matrix(self, call: Call) -> Tensor | None:
        """Return the matrix computed from parameters by which a call multiplies a tensor; None for other calls."""
        if call.name not in ("addmm", "matmul", "mm", "__matmul__"):
            return None
        tensors = call.tensors[-2:]
        if len(tensors) < 2 or tensors[1].dim() != 2 or tensors[0].dim() < 2:  # noqa: PLR2004
            return None
        leaves = latest(self._leaves, tensors[1])
        return tensors[1] if leaves and latest(self._leaves, tensors[0]) is None else None

    def _carried(self, call: Call) -> tuple[Front | None, Layer | None, Tensor | None]:
        """Return the functions around a tensor that a call passes on, and this tensor."""
        name = kind_of(call)
        tensors = call.tensors
        if not tensors or (name not in _CARRYING and name not in _GATING and name not in _SHIFTING):
            return None, None, None
        source = next((tensor for tensor in tensors if latest(self._fronts, tensor)), tensors[0])
        front: Front | None = latest(self._fronts, source)
        if name in _CARRYING:
            return front, latest(self._behind, source), source
        others = [tensor for tensor in tensors if tensor is not source]
        constant = all(self._is_constant(tensor, name) for tensor in others)
        gates = name in _GATING and front is not None and not constant
        if front is None or not (gates or (constant and front.normalises)):
            return None, None, None
        return front, None, source

    def _by_hand(self, function: Function, recorded: Recorded, out: Tensor) -> Front:
        """Return a normalisation that several calls compute, from the first tensor that they read."""
        known = function.source.current()
        before: Front | None = latest(self._fronts, known) if known is not None else None
        if before is not None and before.name == "normalisation by hand":  # the mean was subtracted before
            recorded = self._copy(before.entering)
        if recorded.edge is not None and out.requires_grad:
            recorded.through = torch.autograd.graph.get_gradient_edge(out)
        layer = before.layer if before is not None else latest(self._behind, known) if known is not None else None
        return Front("normalisation by hand", recorded, layer, normalises=True)

    def _copy(self, recorded: Recorded) -> Recorded:
        """Return a second record of a tensor."""
        copy = replace(recorded)
        if copy.value is not None:
            self._keep_value(copy)
        return copy

    def _note_front(self, out: Tensor, front: Front, *, composed: bool = False) -> None:
        self._fronts[id(out)] = weakref.ref(out), version(out), front
        if front.layer is not None:
            self._note_behind(out, front.layer, front.name, again=composed)

    def _note_behind(self, out: Tensor, layer: Layer, name: str, *, again: bool) -> None:
        """Record the output of the first function behind a layer.

        Args:
            out: The output.
            layer: The layer.
            name: The function.
            again: Whether the output of a function of this name may be replaced, since several calls compute one.
        """
        if not layer.behind or (again and layer.behind == name):
            layer.behind, layer.leaving = name, self._record(out, "norm_out")
            self._left[layer] = self.elementwise.step(out)


def _keeps_channels(call: Call, source: Tensor, out: Tensor) -> bool:
    """Return whether the last axis of a result is that of a tensor."""
    if out.dim() == 0 or out.shape[-1:] != source.shape[-1:] or out.numel() != source.numel():
        return False
    return call.name not in _PERMUTING or moved_axis(call, source, source.dim() - 1) == out.dim() - 1


def _scales(call: Call) -> bool:
    return kind_of(call) in _SHIFTING or kind_of(call) in _GATING


_PERMUTING = frozenset(("movedim", "moveaxis", "permute", "swapaxes", "swapdims", "transpose"))

_CARRYING = _PERMUTING | frozenset((
    "alpha_dropout", "bfloat16", "clone", "contiguous", "double", "dropout", "dropout1d", "flatten", "float", "half",
    "reshape", "roll", "squeeze", "to", "type", "type_as", "unflatten", "unsqueeze", "view",
))  # fmt: skip
"""Functions through which the surroundings of layers on tokens are followed."""

_GATING = frozenset(("imul", "mul", "multiply", "rmul"))
_SHIFTING = frozenset(("add", "addcmul", "iadd", "radd"))
