"""Records one forward pass for measures: layers, outputs, and the activations' patterns."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from eznas.capture.elementwise import kind_of
from eznas.capture.function import Shape, Step, version
from eznas.capture.image_axis import MOVING_AXES, moved_axis
from eznas.capture.record import Recorder, latest
from eznas.errors import UndefinedError
from eznas.passes.hardsigmoid import hardsigmoid
from eznas.passes.normalise import batch_norm
from eznas.passes.norms import Norm, NormFollower, continues, factors_of, is_for_channels
from eznas.passes.origins import WeightFinder
from eznas.passes.outputs import Output
from eznas.passes.roles import Run

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from eznas.capture.call import Call
    from eznas.capture.function import Function


TRANSPOSED = ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
"""Functions of transposed convolutions."""

_VALUES = {"outputs": "output", "roles": "output", "attentions": "attention"}
"""The quantity whose values a part needs."""

_POSITIVE = frozenset(("hardsigmoid", "sigmoid", "softplus"))
"""Activations whose outputs are positive for every input."""

PIECEWISE_LINEAR, SMOOTH = "piecewise linear", "smooth"
"""The names of activations that are written by hand."""


@dataclass(frozen=True)
class Pattern:
    """The sign pattern of one activation's input.

    Args:
        activation: The activation's name, such as ``"relu"``, or ``PIECEWISE_LINEAR`` or ``SMOOTH``.
        node: The activation's node of the autograd graph; None without a graph.
        positive: ``b x n`` booleans.
        step: The activation's output.
    """

    activation: str
    node: Any
    positive: Tensor
    step: Step


class PassRecorder(Recorder):
    """Records the tensors that the parts of ``NetworkPasses`` need, and finds the weights.

    Args:
        network: The network that is going to run.
        images: The number of images.
        parts: The parts that will be read: names of ``PARTS``.

    Attributes:
        patterns: One for each run of an activation that is not positive everywhere, in the order of execution.
        outputs: One for each run of a layer, a normalisation or an activation, in the order of execution.
        layer_runs: The runs of layers, for their roles.
        activation_runs: The runs of activations, for their roles.
        finder: Holds the parameters that layers use as weights.
    """

    LAYERS = frozenset((*Recorder.LAYERS, "conv1d", "conv3d", *TRANSPOSED))

    def __init__(self, network: nn.Module, images: int, parts: Collection[str]) -> None:
        gradients = {"conv_out"} if "layer_gradients" in parts else set()
        gradients |= {"attention"} if not {"attention_gradients", "roles"}.isdisjoint(parts) else set()
        values = {quantity for part, quantity in _VALUES.items() if part in parts}
        super().__init__(network, gradients | values, gradients)
        self.patterns: list[Pattern] = []
        self.outputs: list[Output] = []
        self.layer_runs: list[Run] = []
        self.activation_runs: list[Run] = []
        self.finder = WeightFinder(self.parameters.values())
        self._channels_last = False
        self._images, self._parts = images, parts
        self._norms = NormFollower()
        # whether channels are the last axis of a tensor
        self._layouts: dict[int, tuple[weakref.ref[Tensor], int, bool]] = {}
        # the records that an activation replaced, by its output
        self._replaced: dict[Step, tuple[list[Pattern], list[Output], list[Run]]] = {}

    def activation(self, call: Call) -> Any:
        """Run an activation, and record its input's signs and its output."""
        name = call.name.strip("_")
        self.compose(call)
        parts: tuple[list[Pattern], list[Output], list[Run]] = [], [], []
        if call.function is not None:
            name = SMOOTH if Shape.CURVED in call.function.shape else PIECEWISE_LINEAR
            parts = self._remove(call.function.inner)
        positive, before, channels_last = None, call.input.grad_fn, self._is_channels_last(call.input)
        if "curvature" in self._parts and call.func is nn.functional.hardsigmoid:
            call.func = hardsigmoid
        entering = self.axes.of(call.input).images_first(call.input.detach())
        of_images = entering.dim() and len(entering) % self._images == 0 and not self._is_constant(call.input, name)
        if "patterns" in self._parts and name not in _POSITIVE and of_images:
            positive = (entering > 0).reshape(self._images, -1)  # windows of an image are consecutive
        out = super().activation(call)
        self.finder.note(call, out)
        if call.function is not None and call.function.read is not None:
            self._replaced[self.elementwise.step(out)] = parts
        if positive is not None:
            self.patterns.append(Pattern(name, call.made(out).grad_fn, positive, self.elementwise.step(out)))
        if "roles" in self._parts:
            node = call.made(out).grad_fn
            self.activation_runs.append(self._run((), before, node, out, channels_last=channels_last))
        return self._keep(out, channels_last=channels_last)

    def withdraw(self, squares: Sequence[Step]) -> None:
        """Remove the squares in a normalisation, and put back the activations that they replaced."""
        super().withdraw(squares)
        for step in squares:
            patterns, outputs, runs = self._replaced.pop(step, ([], [], []))
            self._remove([step])
            self.patterns += patterns
            self.outputs += outputs
            self.activation_runs += runs

    def _remove(self, steps: Collection[Step]) -> tuple[list[Pattern], list[Output], list[Run]]:
        """Remove the records of activations, and return them; steps are their outputs."""
        removed = (
            [pattern for pattern in self.patterns if pattern.step in steps],
            [output for output in self.outputs if output.step in steps],
            [run for run in self.activation_runs if run.out.step in steps],
        )
        self.patterns = [pattern for pattern in self.patterns if pattern.step not in steps]
        self.outputs = [output for output in self.outputs if output.step not in steps]
        self.activation_runs = [run for run in self.activation_runs if run.out.step not in steps]
        return removed

    def normalisation(self, call: Call) -> Any:
        """Run a normalisation and record its output."""
        channels_last = call.name in ("layer_norm", "rms_norm")
        if "curvature" in self._parts and call.func is nn.functional.batch_norm:
            call.func = batch_norm
        scaled = self.finder.is_scaled(call)
        out = self._keep(super().normalisation(call), channels_last=channels_last)
        if not scaled:  # the network may scale it by hand
            self._follow(out, channels_last=channels_last)
        return out

    def layer(self, call: Call) -> Any:
        """Run a layer and record its output."""
        before, channels_last = call.input, call.name == "linear"
        node = before.grad_fn
        out = super().layer(call)
        self.finder.note(call, out)
        if "roles" in self._parts:
            weights, _ = self.finder.origins(call.argument(1, "weight"))
            width = before.shape[-1 if channels_last else 1]
            run = self._run(tuple(weights), node, out.grad_fn, out, channels_last=channels_last, width=width)
            self.layer_runs.append(run)
        return self._keep(out, channels_last=channels_last)

    def other(self, call: Call) -> Any:
        """Run any other call, note the weights that it reads, and follow normalisations that are written by hand."""
        function, known, layouts = self.compose(call), self._norms.known(call), self._known_layouts(call)
        out = super().other(call)
        self.finder.note(call, out)
        for result in out if isinstance(out, (list, tuple)) else (out,):
            if layouts and isinstance(result, Tensor):
                self._follow_channels(call, layouts, result)
        if not isinstance(out, Tensor) or call.function is not None:
            return out
        self._norms.note_view(call, self.elementwise.step(out))
        if function is not None and function.normalised:
            self._add_norm(call, function, out)
        elif known is not None and continues(call, function, *known, out):
            self._move_norm(call, *known, out)
        return out

    def _known_layouts(self, call: Call) -> list[tuple[Tensor, bool]]:
        """Return the tensors that a call reads and whether their channels come last, where that is known."""
        layouts = [(tensor, latest(self._layouts, tensor)) for tensor in call.tensors]
        return [(tensor, known) for tensor, known in layouts if known is not None]

    def _is_channels_last(self, tensor: Tensor) -> bool:
        """Return whether channels are the last axis of a tensor; where that is unknown, as in the latest operation."""
        known: bool | None = latest(self._layouts, tensor)
        return self._channels_last if known is None else known

    def _follow_channels(self, call: Call, layouts: Sequence[tuple[Tensor, bool]], out: Tensor) -> None:
        """Note whether channels are the last axis of a result."""
        if call.name in MOVING_AXES:
            before, channels_last = layouts[0]
            if out.dim() > 3:  # noqa: PLR2004 - maps, whose channels it may move
                axis = moved_axis(call, before, before.dim() - 1 if channels_last else 1)
                if axis in (1, out.dim() - 1):
                    self._note_layout(out, channels_last=axis > 1)
        elif kind_of(call) != "einsum":
            for before, channels_last in layouts:
                kept = out.shape[-1:] == before.shape[-1:] if channels_last else out.shape[:2] == before.shape[:2]
                if kept or out.dim() == before.dim():
                    self._note_layout(out, channels_last=channels_last)
                    break

    def _note_layout(self, out: Tensor, *, channels_last: bool) -> None:
        self._layouts[id(out)] = weakref.ref(out), version(out), channels_last

    def _add_norm(self, call: Call, function: Function, out: Tensor) -> None:
        """Record the output of a normalisation by hand, in place of those of its parts."""
        self._remove(function.parts)
        source = function.source.current()
        if source is None:  # the network has freed it
            path = self.elementwise.step(call.input).to(function.source)
            source = None if any(step.reduces for step in path) else call.input
        if source is None or source.shape != out.shape:  # such as a mean that was normalised
            return
        channels_last = self._is_channels_last(source) or Shape.SPREAD not in function.shape
        self._keep(out, channels_last=channels_last)
        norm = self._follow(out, self._norms.entering(function), channels_last=channels_last)
        for factor in function.factors:
            if is_for_channels(factor, norm.channels):
                self.finder.add_scale(factor)

    def _move_norm(self, call: Call, tensor: Tensor, norm: Norm, out: Tensor) -> None:
        """Record a result in place of the output of a normalisation, of which it is the scaled one or a view."""
        self._remove([norm.step])
        channels_last = norm.channels_last and out.shape[-1] == tensor.shape[-1]
        self._keep(out, channels_last=channels_last)
        self._follow(out, norm.entering, channels_last=channels_last)
        for factor in factors_of(call, tensor):
            self.finder.add_scale(factor)

    def _follow(self, out: Tensor, entering: tuple[int, ...] | None = None, *, channels_last: bool) -> Norm:
        channels = out.shape[-1 if channels_last else min(1, out.dim() - 1)]
        norm = Norm(self.elementwise.step(out), channels, channels_last, entering)
        self._norms.add(out, norm)
        return norm

    def _run(
        self,
        weights: tuple[Tensor, ...],
        entering: Any,
        leaving: Any,
        out: Tensor,
        *,
        channels_last: bool,
        width: int = 0,
    ) -> Run:
        widths = width, out.shape[-1 if channels_last else min(1, out.dim() - 1)]
        return Run(weights, entering, leaving, self._output(out, channels_last=channels_last), widths)

    def _keep(self, out: Tensor, *, channels_last: bool) -> Tensor:
        self._channels_last = channels_last
        self._note_layout(out, channels_last=channels_last)
        if "outputs" in self._parts:
            self.outputs.append(self._output(out, channels_last=channels_last))
        return out

    def _output(self, out: Tensor, *, channels_last: bool) -> Output:
        return Output(self._record(out, "output"), channels_last, self.elementwise.step(out))


def check_recorded(recorder: PassRecorder) -> None:
    """Check that the outputs of all layers were recorded.

    Raises:
        UndefinedError: torch runs a layer inside one function, such as that of ``nn.LSTM``, or a
            parameter was multiplied as a matrix.
    """
    names = {id(parameter): name for name, parameter in recorder.parameters.items()}
    for key, (_, function) in recorder.finder.hidden.items():
        weight = f" (the layer's weight is {names[key]})" if key in names else ""
        raise UndefinedError(
            f"every layer's output must be recorded, but torch's function {function} hides the output of a layer; "
            f"leave this measure out{weight}"
        )
    for key in recorder.finder.products:
        raise UndefinedError(
            "every layer's output must be recorded, but the network multiplies by a weight without a layer such as "
            f"nn.Linear; leave this measure out (the weight is {names.get(key, 'computed from parameters')})"
        )
