"""The statistics of one network's units, grouped by shape.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from torch import Tensor, stack

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Unit:
    """One layer with the activation or normalisation in front of it and behind it.

    Args:
        index: Its place in execution order, from 0.
        name: The path of the module that holds the weight.
        weight_shape: ``c_out x c_in x k x k``.
        input_shape: ``b x c_in x h x w``.
        output_shape: ``b x c_out x h x w``.
        kind: The function of torch that runs the layer, such as ``"linear"``, or ``"attention"``.
        front: The function in front of it that ``input`` enters, such as ``"gelu"``; empty without one.
        behind: The function behind it that ``norm_out`` leaves; empty without one.
        leaves: The names of the parameters from which its weight is computed; empty where it is a parameter.
    """

    index: int
    name: str
    weight_shape: tuple[int, ...]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    kind: str = ""
    front: str = ""
    behind: str = ""
    leaves: tuple[str, ...] = ()


@dataclass(frozen=True)
class Skipped:
    """A layer or parameter that is not a unit, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class ShapeGroup:
    """Units whose statistics have the same shapes.

    Args:
        units: Their indices.
        tensors: For each statistic, one tensor a unit, without the unit axis, in the order of ``units``.
    """

    units: tuple[int, ...]
    tensors: dict[str, list[Tensor]]

    def stacked(self, statistic: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Return the statistic of the units from ``start`` to ``stop``, ``u x *``; a single unit is not copied."""
        tensors = self.tensors[statistic][start:stop]
        return tensors[0][None] if len(tensors) == 1 else stack(tensors)


@dataclass(frozen=True)
class Capture:
    """The statistics of one network.

    Args:
        units: In execution order.
        skipped: Layers and parameters that are not units.
        groups: The statistics, by shape.
        images: The statistics of the images: ``1 x b x c x h x w``, the same for every unit.
    """

    units: tuple[Unit, ...]
    skipped: tuple[Skipped, ...]
    groups: tuple[ShapeGroup, ...]
    images: dict[str, Tensor]

    @property
    def names(self) -> frozenset[str]:
        """The names of its statistics."""
        return frozenset(self.images).union(*[group.tensors for group in self.groups])

    @cached_property
    def nbytes(self) -> int:
        """The bytes of all tensors; tensors that share memory are counted separately."""
        tensors = [tensor for group in self.groups for units in group.tensors.values() for tensor in units]
        return sum(tensor.numel() * tensor.element_size() for tensor in [*tensors, *self.images.values()])


def merged(captures: Sequence[Capture]) -> Capture:
    """Return one capture of several networks: their units one network after the other, grouped by shape.

    It holds the statistics that all captures hold, and the images of the first.
    """
    if len(captures) == 1:
        return captures[0]
    images = captures[0].images if captures else {}
    units: list[Unit] = []
    groups: dict[tuple[tuple[int, ...], ...], list[tuple[int, ShapeGroup]]] = {}
    for captured in captures:
        for group in captured.groups:
            unit = captured.units[group.units[0]]
            shapes = (unit.weight_shape, unit.input_shape, unit.output_shape)
            groups.setdefault(shapes, []).append((len(units), group))
        units += captured.units
    return Capture(tuple(units), (), tuple(map(_joined, groups.values())), images)


def _joined(parts: Sequence[tuple[int, ShapeGroup]]) -> ShapeGroup:
    names = [name for name in parts[0][1].tensors if all(name in group.tensors for _, group in parts)]
    tensors = {name: [tensor for _, group in parts for tensor in group.tensors[name]] for name in names}
    return ShapeGroup(tuple(start + unit for start, group in parts for unit in group.units), tensors)
