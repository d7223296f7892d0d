"""Copies of the state that a forward pass may change outside parameters and buffers, and its restoration.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import copy
import operator
import random
import sys
from collections import OrderedDict, defaultdict, deque
from typing import Any

import torch
from torch import Tensor, nn

from eznas.capture.modules import modules_of

CONTAINERS = (dict, list, set, OrderedDict, defaultdict, deque)


class Attributes:
    """The attributes of a network's modules at one moment.

    Beside the attributes themselves, among them the training flags and the names of parameters, buffers and modules,
    these are the contents of lists, dictionaries and sets, the values of tensors that are no parameters and no buffers,
    and the states of random generators. Other objects are not copied.

    Args:
        network: The network.
    """

    def __init__(self, network: nn.Module) -> None:
        self._containers: list[tuple[Any, Any]] = []
        self._empty: list[Any] = []
        self._tensors: list[tuple[Tensor, Tensor, int]] = []
        self._generators: list[tuple[Any, Any]] = []
        modules = [module for _, module in modules_of(network)]
        registered = {id(buffer) for module in modules for buffer in module._buffers.values()}  # noqa: SLF001
        seen: set[int] = set()
        for module in modules:
            values = dict(vars(module))
            self._containers.append((vars(module), values))
            tables = [values[name] for name in _TABLES]
            self._empty += [table for table in tables if not table]  # most of them
            self._containers += [(table, copy.copy(table)) for table in tables if table]
            for name, value in values.items():
                if name not in _OWN and type(value) not in _PLAIN:
                    self._add(value, registered, seen)

    def _add(self, value: Any, registered: set[int], seen: set[int]) -> None:
        kind = type(value)
        if kind in _PLAIN or id(value) in seen:
            return
        if kind in CONTAINERS or kind is tuple:
            seen.add(id(value))
            if kind is not tuple:
                self._containers.append((value, copy.copy(value)))
            for member in value.values() if isinstance(value, dict) else value:
                self._add(member, registered, seen)
        elif isinstance(value, Tensor):
            if id(value) not in registered and not isinstance(value, nn.Parameter) and not value.is_inference():
                seen.add(id(value))
                self._tensors.append((value, value.detach().clone(), value._version))  # noqa: SLF001
        elif (state := generator_state(value)) is not None:
            seen.add(id(value))
            self._generators.append((value, state))

    def restore(self) -> None:
        """Restore the attributes, each the same object as it was."""
        for container in self._empty:
            if container:
                container.clear()
        for container, contents in self._containers:
            _refill(container, contents)
        for tensor, value, version in self._tensors:
            hidden = not tensor.is_meta and not torch.equal(tensor, value)  # a write through .data has no version
            if tensor._version != version or hidden:  # noqa: SLF001
                tensor.detach().copy_(value)
        for generator, state in self._generators:
            set_generator_state(generator, state)


_OWN = frozenset(vars(nn.Module()))
"""The attributes that every module has."""

_TABLES = tuple(name for name, value in vars(nn.Module()).items() if type(value) in CONTAINERS)

_PLAIN = frozenset((bool, int, float, complex, str, bytes, type(None)))


def _refill(container: Any, contents: Any) -> None:
    """Fill a dictionary, set or sequence with what it contained, unless it still contains the same objects."""
    if isinstance(container, dict):
        if container.keys() != contents.keys() or any(map(operator.is_not, container.values(), contents.values())):
            container.clear()
            container.update(contents)
    elif isinstance(container, set):
        if container != contents:
            container.clear()
            container.update(contents)
    elif len(container) != len(contents) or any(map(operator.is_not, container, contents)):
        container.clear()
        container.extend(contents)


def generator_state(value: Any) -> Any:
    """Return the state of a random generator of torch, Python or NumPy; None for anything else."""
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, random.Random):
        return value.getstate()
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.random.Generator):
        return copy.deepcopy(value.bit_generator.state)
    return value.get_state() if numpy is not None and isinstance(value, numpy.random.RandomState) else None


def set_generator_state(generator: Any, state: Any) -> None:
    """Set the state that ``generator_state`` returned."""
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif hasattr(generator, "bit_generator"):
        generator.bit_generator.state = state
    else:
        generator.set_state(state)
