"""The units of a network and the memory that its passes take, from passes of a few images."""

from __future__ import annotations

import math
import weakref
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from eznas.capture.record import flattened
from eznas.capture.state import fork_state, uncompiled
from eznas.capture.statistics import recorded_forward, unit_of
from eznas.capture.surroundings import UnitRecorder
from eznas.capture.units import form_units

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from torch import nn

    from eznas.capture.layer import Layer, Recorded
    from eznas.capture.types import Unit


QUANTITIES = ("weight", "input", "conv_in", "conv_out", "norm_out")
"""The tensors of a unit."""


@dataclass(frozen=True)
class Outline:
    """What a network's passes on the whole minibatch are like; bytes are estimates.

    Args:
        units: The units.
        records: For each unit and each of its quantities, the place of the tensor among all tensors that a recorder is
            shown.
        layers: The layers of the units, from a pass of a few images and without values.
        live: Most bytes of tensors that exist at once in a forward pass without a graph.
        graph: Bytes of the tensors that a forward pass saves for its backward pass; 0 where they were not asked for.
        saved: Bytes of the largest of these tensors.
        beside: For each quantity, the bytes of its values of all units that are not among these tensors.
        shown: The number of tensors that a recorder is shown.
        maps: Bytes of the attention maps of all products.
    """

    units: tuple[Unit, ...]
    records: tuple[dict[str, int], ...]
    layers: tuple[Layer, ...]
    live: int
    graph: int = 0
    saved: int = 0
    beside: dict[str, int] = field(default_factory=dict)
    shown: int = 0
    maps: int = 0


class PartRecorder(UnitRecorder):
    """A recorder that keeps some of the tensors that it is shown.

    Args:
        network: See ``Recorder``.
        values: See ``Recorder``.
        gradients: See ``Recorder``.
        wanted: Places of the tensors to keep, in the order in which they are shown.
        receive: Called with the place and the record of each tensor that is kept.

    Attributes:
        places: The place of each record; a second record of a tensor has the place of the first one.
        shown: The number of tensors that it was shown.
    """

    def __init__(
        self,
        network: nn.Module,
        values: Collection[str] = (),
        gradients: Collection[str] = (),
        wanted: Collection[int] = (),
        receive: Callable[[int, Recorded], object] = lambda *_: None,
    ) -> None:
        super().__init__(network, values, gradients)
        self.places: dict[Recorded, int] = {}
        self.shown = 0
        self._wanted, self._receive = frozenset(wanted), receive

    def _record(self, tensor: Tensor, *quantities: str) -> Recorded:
        wanted = self.shown in self._wanted
        recorded = super()._record(tensor, *(quantities if wanted else ()))
        self.places[recorded] = self.shown
        self.shown += 1
        if wanted:
            self._receive(self.places[recorded], recorded)
        return recorded

    def _copy(self, recorded: Recorded) -> Recorded:
        copy = replace(recorded, value=None)  # the first record has the value
        self.places[copy] = self.places[recorded]
        return copy


class _LiveRecorder(PartRecorder):
    """Counts the bytes of the tensors that exist at once.

    Attributes:
        most: The most bytes.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network)
        self.most = 0
        self._now = 0
        self._uses: Counter[int] = Counter()  # tensors by memory
        self._constants = {one.untyped_storage().data_ptr() for one in (*network.parameters(), *network.buffers())}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Collection[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = super().__torch_function__(func, types, args, kwargs)
        for tensor in flattened((out,), {}):
            if isinstance(tensor, Tensor):
                self._watch(tensor)
        return out

    def _watch(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        if place in self._constants:
            return
        self._now += 0 if self._uses[place] else size
        self._uses[place] += 1
        self.most = max(self.most, self._now)
        weakref.finalize(tensor, self._release, place, size)

    def _release(self, place: int, size: int) -> None:
        self._uses[place] -= 1
        self._now -= 0 if self._uses[place] else size


def outline(network: nn.Module, images: Tensor, count: int, units: str, *, graph: bool) -> Outline:
    """Run the network on a few images, and return the outline of its passes on ``count`` of them.

    Args:
        network: It is left as it was found.
        images: The few images.
        count: Images of the minibatch.
        units: See ``form_units``.
        graph: Whether to measure the graph of a forward pass, in a pass of its own.

    Raises:
        RecordError: The network cannot be recorded; ``UnitlessError`` where it has no units.
    """
    network = uncompiled(network)
    recorder = _LiveRecorder(network)
    with fork_state(network), torch.no_grad():
        recorded_forward(network, images, recorder)
    layers, _ = form_units(recorder, units)
    records = tuple({name: recorder.places[layer.recorded(name)] for name in QUANTITIES} for layer in layers)
    saved, beside = _graph_bytes(network, images, records) if graph else ([], {})
    share = count / len(images)
    return Outline(
        tuple(_scaled(unit_of(index, layer), layer, len(images), count) for index, layer in enumerate(layers)),
        records,
        tuple(layers),
        round(share * recorder.most),
        round(share * sum(saved)),
        round(share * max(saved, default=0)),
        {quantity: round(share * size) for quantity, size in beside.items()},
        recorder.shown,
        round(share * images.element_size() * sum(math.prod(one.conv_in.shape) for one in recorder.attentions)),
    )


def _scaled(unit: Unit, layer: Layer, few: int, count: int) -> Unit:
    """Return a unit of a pass of a few images as it is in one of ``count`` images."""
    weight = unit.weight_shape
    if layer.kind == "attention":  # values, which have the images on the second axis
        weight = (weight[0], weight[1] // few * count, *weight[2:])
    first, second = (
        (rows // few * count if rows % few == 0 else rows, *axes)
        for rows, *axes in (unit.input_shape, unit.output_shape)
    )
    return replace(unit, weight_shape=weight, input_shape=first, output_shape=second)


def _graph_bytes(
    network: nn.Module, images: Tensor, records: Iterable[Mapping[str, int]]
) -> tuple[list[int], dict[str, int]]:
    """Return the bytes of each tensor that a forward pass saves, and for each quantity of its values beside these.

    Parameters are left out.
    """
    parameters = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    saved: dict[int, Tensor] = {}  # by memory, which is not used again while the tensor is kept
    values: dict[int, Recorded] = {}

    def keep(tensor: Tensor) -> None:  # a graph that held its own outputs would never be freed
        saved[tensor.untyped_storage().data_ptr()] = tensor.detach()

    wanted = {place for places in records for place in places.values()}
    with (
        fork_state(network),
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda _: torch.empty(0)),
    ):
        recorded_forward(network, images, PartRecorder(network, QUANTITIES, (), wanted, values.__setitem__))
    beside: dict[str, int] = {}
    for quantity in QUANTITIES:
        storages = [values[places[quantity]].value.untyped_storage() for places in records]
        sizes = {storage.data_ptr(): storage.nbytes() for storage in storages}
        beside[quantity] = sum(size for memory, size in sizes.items() if memory not in saved.keys() | parameters)
    of_graph = [tensor.untyped_storage().nbytes() for memory, tensor in saved.items() if memory not in parameters]
    saved.clear()
    for recorded in values.values():
        recorded.value = None  # its recorder may live on
    return of_graph, beside
