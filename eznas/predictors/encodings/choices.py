"""Spaces whose architectures are a choice at each of a fixed number of places."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eznas.spaces import nasbench201, nats_sss

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.spaces import SearchSpace


@dataclass(frozen=True)
class Choices:
    """The places of a space.

    Args:
        places: The name of each place.
        options: What a place may hold; a place that an architecture does not have is empty.
        read: Returns what each place of an official string holds.
        edges: For a cell, the source and target of each place, sorted by target; empty for other spaces.
    """

    places: tuple[str, ...]
    options: tuple[str, ...]
    read: Callable[[str], tuple[str, ...]]
    edges: tuple[tuple[int, int], ...] = ()


def choices_of(space: SearchSpace) -> Choices | None:
    """Return the places of a space; None for other spaces."""
    return _CHOICES.get(space.name)


def _edges(edges: tuple[tuple[int, int], ...]) -> tuple[str, ...]:
    return tuple(f"{source}>{target}" for source, target in edges)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(1, count + 1)))


def _micro(architecture: str) -> tuple[str, ...]:
    return tuple(re.sub("_", "", architecture.rpartition("-")[2]))


def _macro(architecture: str) -> tuple[str, ...]:
    layers = architecture.split("-")[1]
    return (*layers, *[""] * (_MACRO_LAYERS - len(layers)))


_MACRO_LAYERS = 6
_CHOICES = {
    "nasbench201": Choices(
        _edges(nasbench201.EDGES), nasbench201.OPERATIONS, nasbench201.to_operations, nasbench201.EDGES
    ),
    "transnas_micro": Choices(_edges(nasbench201.EDGES), tuple("0123"), _micro, nasbench201.EDGES),
    "transnas_macro": Choices(_numbered(_MACRO_LAYERS), tuple("1234"), _macro),
    "nats_sss": Choices(_numbered(5), tuple(map(str, nats_sss.WIDTHS)), lambda text: tuple(text.split(":"))),
    "nasbench_macro": Choices(_numbered(8), tuple("012"), tuple),
}
NONE = {"nasbench201": "none", "transnas_micro": "0"}
"""The operation that passes nothing on."""
