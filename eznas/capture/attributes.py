"""Copies of the state that a forward pass may change outside parameters and buffers, and its restoration.

Exported proxies contain a copy of this file, so it imports torch and the standard library only.
"""

from __future__ import annotations

import copy
import enum
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
    and the states of random generators. Objects of a user's classes are read attribute by attribute, and so are modules
    that no module registers, such as those in plain lists, with their buffers. Objects of other libraries are not
    copied.

    Args:
        network: The network.
    """

    def __init__(self, network: nn.Module) -> None:
        self._containers: list[tuple[Any, Any]] = []
        self._empty: list[Any] = []
        self._tensors: list[tuple[Tensor, Tensor, int]] = []
        self._generators: list[tuple[Any, Any]] = []
        self._slots: list[tuple[Any, dict[str, Any]]] = []
        modules = [module for _, module in modules_of(network)]
        registered = {id(buffer) for module in modules for buffer in module._buffers.values()}  # noqa: SLF001
        seen = set(map(id, modules))
        for module in modules:
            self._add_module(module, registered, seen)

    def _add_module(self, module: nn.Module, registered: set[int], seen: set[int]) -> None:
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
        members: list[Any] = []
        if kind in CONTAINERS or kind is tuple:
            if kind is not tuple:
                self._containers.append((value, copy.copy(value)))
            members = list(value.values() if isinstance(value, dict) else value)
        elif isinstance(value, Tensor):
            if id(value) in registered or isinstance(value, nn.Parameter) or value.is_inference():
                return
            self._tensors.append((value, value.detach().clone(), value._version))  # noqa: SLF001
        elif (state := generator_state(value)) is not None:
            self._generators.append((value, state))
        elif isinstance(value, nn.Module):
            self._add_hidden(value, registered, seen)
        elif is_users(kind):
            members = self._add_object(value)
        else:
            return
        seen.add(id(value))
        for member in members:
            self._add(member, registered, seen)

    def _add_hidden(self, root: nn.Module, registered: set[int], seen: set[int]) -> None:
        """Add a module that no module registers, with its buffers."""
        for module in root.modules():
            if id(module) not in seen:
                seen.add(id(module))
                self._add_module(module, registered, seen)
                for buffer in module._buffers.values():  # noqa: SLF001
                    self._add(buffer, registered, seen)

    def _add_object(self, value: Any) -> list[Any]:
        """Add the attributes of an object of a user's class, and return their values."""
        members: list[Any] = []
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict):
            self._containers.append((attributes, dict(attributes)))
            members += attributes.values()
        slots = {name: getattr(value, name) for name in slots_of(type(value)) if hasattr(value, name)}
        if slots:
            self._slots.append((value, slots))
            members += slots.values()
        return members

    def restore(self) -> None:
        """Restore the attributes, each the same object as it was."""
        for container in self._empty:
            if container:
                container.clear()
        for container, contents in self._containers:
            _refill(container, contents)
        for owner, slots in self._slots:
            _reset(owner, slots)
        for tensor, value, version in self._tensors:
            hidden = not tensor.is_meta and not torch.equal(tensor, value)  # a write through .data has no version
            if tensor._version != version or hidden:  # noqa: SLF001
                tensor.detach().copy_(value)
        for generator, state in self._generators:
            set_generator_state(generator, state)


def reachable_modules(network: nn.Module) -> list[nn.Module]:
    """Return the modules of a network, and those that its modules hold in lists, dictionaries and plain objects."""
    modules = [module for _, module in modules_of(network)]
    seen = set(map(id, modules))
    pending = [value for module in modules for name, value in vars(module).items() if name not in _OWN]
    while pending:
        value = pending.pop()
        kind = type(value)
        if kind in _PLAIN or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, nn.Module):
            modules.append(value)
            pending += [*value.children(), *[one for name, one in vars(value).items() if name not in _OWN]]
        elif kind in CONTAINERS or kind is tuple:
            pending += value.values() if isinstance(value, dict) else value
        elif is_users(kind):
            pending += getattr(value, "__dict__", {}).values()
    return modules


def reachable_buffers(network: nn.Module) -> list[Tensor]:
    """Return the buffers of ``reachable_modules``, each once."""
    buffers = [buffer for module in reachable_modules(network) for buffer in module._buffers.values()]  # noqa: SLF001
    return list({id(buffer): buffer for buffer in buffers if buffer is not None}.values())


_LIBRARIES = sys.stdlib_module_names | {"numpy", "torch"}


def is_users(kind: type) -> bool:
    """Return whether a class is neither of Python nor of torch or NumPy, and has no state of its own kind."""
    library = kind.__module__.partition(".")[0] in _LIBRARIES - {"__main__"}
    return not library and not issubclass(kind, (type, enum.Enum, nn.Module))


def slots_of(kind: type) -> list[str]:
    """Return the names of the slots of a class."""
    names: list[str] = []
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    return [name for name in names if name not in ("__dict__", "__weakref__")]


_OWN = frozenset(vars(nn.Module()))
"""The attributes that every module has."""

_TABLES = tuple(name for name, value in vars(nn.Module()).items() if type(value) in CONTAINERS)

_PLAIN = frozenset((bool, int, float, complex, str, bytes, type(None)))


def _reset(owner: Any, slots: dict[str, Any]) -> None:
    """Set the slots of an object to what they held, and empty the others."""
    for name in slots_of(type(owner)):
        if name in slots:
            object.__setattr__(owner, name, slots[name])
        elif hasattr(owner, name):
            object.__delattr__(owner, name)


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
