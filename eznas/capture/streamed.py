"""Runs a network and hands on the statistics of each unit as soon as they are there, within a bound on memory.

A forward pass without a graph holds few tensors at once, and so does a backward pass. The statistics of all units
would be many times as large. So each statistic is read while the network runs, and freed after its last use.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import torch

from eznas.capture.call import RecordError
from eznas.capture.collector import Collector, Known, Value, subtracted
from eznas.capture.handed_gradients import hand_on_gradients
from eznas.capture.heap import Heap
from eznas.capture.outline import PartRecorder
from eznas.capture.outputs import loss_of
from eznas.capture.recomputed import RecomputedGraph
from eznas.capture.state import device_of, dtype_of, fork_state, uncompiled
from eznas.capture.statistics import CHANGED, as_maps, plan_passes, recorded_forward, samples_of
from eznas.capture.units import form_units
from eznas.errors import NETWORK_FAILURES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from torch import Tensor, nn

    from eznas.capture.layer import Layer, Recorded
    from eznas.capture.outline import Outline


class _EndedError(BaseException):
    """Ends a pass; not an ``Exception``, which a network may catch."""


@dataclass(frozen=True)
class Passes:
    """What is read in passes that follow each other.

    Args:
        requests: Sets of names of statistics of units that are read together.
        places: The places of the units, ascending.
        graph: Most bytes of the tensors of a graph that are kept at once; None for all.
        whole: Whether every pass runs to its end; otherwise, a pass without gradients ends behind the last unit.
    """

    requests: tuple[frozenset[str], ...]
    places: tuple[int, ...]
    graph: int | None = None
    whole: bool = True

    @property
    def names(self) -> frozenset[str]:
        """The names of all statistics that are read."""
        return frozenset[str]().union(*self.requests)


@dataclass
class Streamed:
    """A network whose statistics are handed on while it runs.

    Args:
        network: Maps images to ``b x classes`` logits; it is left as it was found.
        inputs: The images of each scenario that is read.
        labels: ``b``; None where no statistic reads them.
        units: See ``form_units``.
        shape: The outline of the network's passes.
        loss: See ``loss_of``.
        memory: Bytes by which the process may grow before it returns free memory to the system; None for no limit.

    Attributes:
        forwards: The number of forward passes that were run, repeated ones included.
    """

    network: nn.Module
    inputs: Mapping[str, Tensor | None]
    labels: Tensor | None
    units: str
    shape: Outline
    loss: Callable[[Tensor, Tensor], Tensor] | None = None
    memory: int | None = None
    forwards: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.network = uncompiled(self.network)
        self._heap = None if self.memory is None else Heap(self.memory)

    def trim(self) -> None:
        """Return free memory to the system if the process is large."""
        if self._heap is not None:
            self._heap.trim()

    def run(self, passes: Passes, take: Callable[[int, list[int], dict[str, Tensor]], None]) -> None:
        """Run the passes that requests need, and hand on each request of each unit once.

        The tensors are those of ``record_statistics``, bit for bit.

        Args:
            passes: What is read.
            take: Called with a unit's place, the indices of requests, and their statistics by name. It must not keep
                them.

        Raises:
            RecordError: The network cannot be recorded, or runs other layers than the outline says.
            Exception: An exception of ``take``.
        """
        collector = Collector(passes.requests, passes.places, take)
        for scenario, plan in self._plans(passes.names).items():
            _Pass(self, passes, collector, scenario, plan).run()

    def image_statistics(self, names: Collection[str], graph: int | None) -> dict[str, Tensor]:
        """Return statistics of the images, ``1 x b x c x h x w``.

        Args:
            names: The statistics; gradients run passes of their own.
            graph: See ``Passes``.
        """
        found: dict[str, Tensor] = {}
        for scenario, images in self.inputs.items():
            if images is not None:
                of_pass = images.to(device_of(self.network), dtype_of(self.network))
                found[f"image.{scenario}"] = as_maps(of_pass.detach())
        gradients = [name for name in names if name.startswith("image_grad")]
        for scenario, plan in self._plans(gradients).items() if gradients else ():
            one = _Pass(self, Passes((), (), graph), Collector((), (), lambda *_: None), scenario, plan)
            one.run()
            found |= one.of_images
        differences = {name: found[name] - found[subtracted(name)] for name in names if subtracted(name)}
        return {name: tensor[None] for name, tensor in {**found, **differences}.items() if name in names}

    def _plans(self, names: Collection[str]) -> dict[str, dict[str, set[str]]]:
        """Return the passes; values of attention, which depend on the images, are read in that of the minibatch."""
        if "weight" in names and any(unit.kind == "attention" for unit in self.shape.units):
            plans = plan_passes(set(names) - {"weight"})
            first = {"data": plans.pop("data", {})}
            first["data"][""] = {"weight"}
            return first | plans
        return plan_passes(names)


class _Pass:
    """One forward pass, and its backward passes.

    Attributes:
        of_images: The gradients with respect to the images, by name.
    """

    def __init__(
        self, streamed: Streamed, passes: Passes, collector: Collector, scenario: str, plan: Mapping[str, set[str]]
    ) -> None:
        images = streamed.inputs[scenario]
        if images is None:
            raise RecordError(f"the statistics need images of the scenario {scenario!r}; got none")
        self.of_images: dict[str, Tensor] = {}
        self._streamed, self._passes, self._collector, self._plan, self._images = (
            streamed, passes, collector, plan, images,
        )  # fmt: skip
        self._values = {
            quantity: f"{quantity}.{origin}" if origin else quantity
            for origin in plan
            for quantity in sorted(plan[origin])
            if not quantity.endswith("_grad")
        }
        gradients = {
            origin: {
                quantity.removesuffix("_grad"): f"{quantity}.{origin}"
                for quantity in sorted(plan[origin])
                if quantity.endswith("_grad")
            }
            for origin in plan
        }
        self._pending = {origin: of_origin for origin, of_origin in gradients.items() if of_origin}
        # for each place of a record, the units and statistics that it is
        self._wanted: dict[int, list[tuple[int, str, str]]] = {}
        for unit in passes.places:
            for quantity, name in self._values.items():
                if quantity != "image" and collector.wants(unit, name):
                    self._wanted.setdefault(streamed.shape.records[unit][quantity], []).append((unit, quantity, name))
        self._gradients = {quantity for of_origin in gradients.values() for quantity in of_origin} - {"image"}
        self._edges = {streamed.shape.records[unit][quantity] for unit in passes.places for quantity in self._gradients}
        self._windowed = set[int]() if passes.graph is None else self._windowed_places()
        self._to_come = len(self._wanted)
        self._kept: RecomputedGraph | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        """Run the pass."""
        streamed = self._streamed
        network = streamed.network
        recorder = self._recorder(self._receive)
        if self._passes.graph is not None and self._pending:
            self._kept = RecomputedGraph(
                self._again, self._passes.graph, network.parameters(), network.buffers(), streamed.trim
            )
        try:
            with contextlib.ExitStack() as state:
                state.enter_context(fork_state(network))
                hooks = self._kept.hooks() if self._kept else contextlib.nullcontext()
                with torch.set_grad_enabled(bool(self._pending)), hooks:
                    streamed.forwards += 1
                    logits, leaf = recorded_forward(network, self._images, recorder, where=samples_of(self._plan))
                layers, _ = form_units(recorder, streamed.units)
                names = [unit.name for unit in streamed.shape.units]
                if recorder.shown != streamed.shape.shown or [layer.name for layer in layers] != names:
                    raise RecordError(CHANGED)
                if self._kept:  # the pass is repeated from the state before it
                    state.close()
                with torch.inference_mode(mode=False), torch.set_grad_enabled(bool(self._pending)):
                    while self._pending:
                        origin, gradients = self._pending.popitem()
                        objective = (
                            loss_of(logits, streamed.labels, streamed.loss) if origin == "loss" else logits.sum()
                        )
                        self._backward(objective, gradients, layers, leaf, recorder.places)
        except _EndedError as end:
            end.__traceback__ = None  # contexts that it left refer to it, and its frames to tensors
            if self._error is not None:
                raise self._error from None
        finally:
            if self._kept:
                self._kept.close()
                streamed.forwards += self._kept.passes
            _forget_graph(recorder)
            for weight in recorder.grads_enabled:
                weight.requires_grad_(False)

    def _recorder(self, receive: Callable[[int, Recorded], None]) -> PartRecorder:
        wanted = self._wanted.keys() | self._edges
        return PartRecorder(self._streamed.network, self._values, self._gradients, wanted, receive)

    def _windowed_places(self) -> set[int]:
        """Return the places of the values that the backward passes read, and no other pass.

        Weights are not among them: the network holds them.
        """
        requests = self._passes.requests
        values = {*self._values.values()}
        own = values.union(*[of_origin.values() for of_origin in self._pending.values()])
        elsewhere = {subtracted(name) for name in self._passes.names}
        elsewhere |= {name for request in requests if not request <= own for name in request}
        later = {name for request in requests if not request <= values for name in request}
        if not any(unit.kind == "attention" for unit in self._streamed.shape.units):
            elsewhere.add("weight")
        names = {place: {name for *_, name in found} for place, found in self._wanted.items()}
        return {place for place, found in names.items() if found & later and not found & elsewhere}

    def _receive(self, place: int, recorded: Recorded) -> None:
        """Take the value of a record of the forward pass."""
        found = self._wanted.get(place, ())
        if not found:
            recorded.value = None  # its gradient alone is read
            return
        keys: list[int] = []
        again = partial(self._read_again, keys)
        layers = self._streamed.shape.layers
        sources = {(unit, name): Value(recorded, layers[unit], quantity, again) for unit, quantity, name in found}
        self._add(sources)
        if place in self._windowed and self._kept is not None:
            keys.append(self._kept.note(recorded))
        self._to_come -= 1
        if not (self._to_come or self._pending or self._passes.whole):
            raise _EndedError

    def _read_again(self, keys: Sequence[int]) -> Recorded:
        if self._kept is None or not keys:
            raise RecordError(CHANGED)
        return self._kept.read(keys[0])

    def _again(self) -> None:
        """Repeat the forward pass for its graph."""

        def receive(place: int, recorded: Recorded) -> None:
            if place in self._windowed and self._kept is not None:
                self._kept.note(recorded)
            else:
                recorded.value = None
            self._streamed.trim()

        network, recorder = self._streamed.network, self._recorder(receive)
        try:
            with fork_state(network):
                recorded_forward(network, self._images, recorder)
        finally:
            _forget_graph(recorder)

    def _add(self, sources: Mapping[tuple[int, str], Value | Known]) -> None:
        """Hand on statistics; exceptions of the reader end the pass and are raised behind it."""
        try:
            self._collector.add(sources)
            self._streamed.trim()
        except NETWORK_FAILURES as error:
            self._error = error
            raise _EndedError from None

    def _backward(
        self,
        objective: Tensor,
        gradients: Mapping[str, str],
        layers: Sequence[Layer],
        leaf: Tensor,
        places: Mapping[Recorded, int],
    ) -> None:
        """Run backward, and hand on each gradient when the pass reaches its tensor."""
        wanted: dict[Recorded, list[tuple[int, str, str]]] = {}
        for unit in self._passes.places:
            for quantity, name in gradients.items():
                if quantity != "image" and self._collector.wants(unit, name):
                    wanted.setdefault(layers[unit].recorded(quantity), []).append((unit, quantity, name))

        def hand_on(recorded: Recorded, gradient: Tensor) -> None:
            shaped = {
                (unit, name): Known(layers[unit].shaped(quantity, gradient))
                for unit, quantity, name in wanted.pop(recorded)
            }
            self._add(shaped)

        of_images = gradients.get("image")
        gradient = hand_on_gradients(
            objective,
            sorted(wanted, key=places.__getitem__),
            None if of_images is None else leaf,
            hand_on,
            retain_graph=bool(self._pending),
        )
        if of_images is not None:
            self.of_images[of_images] = as_maps(objective.new_zeros(leaf.shape) if gradient is None else gradient)
        for recorded in [*wanted]:  # the objective does not depend on them
            hand_on(recorded, objective.new_zeros(recorded.shape))


def _forget_graph(recorder: PartRecorder) -> None:
    """Free the graph of a pass, which the edges of values that wait for other passes hold otherwise."""
    for recorded in recorder.places:
        recorded.edge = recorded.through = None
