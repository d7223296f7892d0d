"""Collects the source of functions and classes, with all definitions of their modules that they use.

The collected source imports only the standard library and torch: names imported from other modules are collected in
turn. The decorator that registers a primitive is dropped.
"""

from __future__ import annotations

import ast
import builtins
import copy
import inspect
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from types import ModuleType


_REGISTERS = "primitive"

_Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
_Place = tuple[str, str]  # module and name
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(eq=False)
class _Module:
    """The parsed text of a module.

    Args:
        name: Its name.
        lines: The text, in bytes, as positions in syntax trees count them.
        definitions: Its top-level functions, classes and constants.
        imports: For each imported name the module and the name there; None for the module itself.
    """

    name: str
    lines: list[bytes]
    definitions: dict[str, _Definition] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)


class Collector:
    """Collects definitions; names and text are final when all have been added.

    Args:
        reserved: Names that the file uses for something else.
    """

    def __init__(self, reserved: Collection[str]) -> None:
        self._reserved = frozenset(reserved) | frozenset(dir(builtins))
        self._found: dict[_Place, list[tuple[ast.Name, _Place]]] = {}  # free names and their definitions
        self._count: Counter[str] = Counter()
        self._imports: dict[str, tuple[str, str | None]] = {}

    def add(self, function: Callable[..., object]) -> _Place:
        """Collect a function or class and the definitions that it uses; return its place.

        Raises:
            InputError: Its source cannot be read, or needs more than the standard library and torch.
        """
        place = (function.__module__, function.__name__)
        if "." in function.__qualname__:
            raise InputError(f"{function.__qualname__} must be defined at the top of its module to be exported")
        self._visit(place)
        return place

    def name_of(self, place: _Place) -> str:
        """Return the name under which a definition is written: its own, unless another one has it too."""
        module, name = place
        if self._count[name] == 1 and name not in self._reserved and name not in self._imports:
            return name
        return f"{name.rstrip('_')}_of_{module.rpartition('.')[2]}"

    def imports(self) -> list[str]:
        """Return the import lines, sorted: the standard library first, then torch."""
        whole = {module for module, name in self._imports.values() if name is None}
        parts: dict[str, list[str]] = {}
        for module, name in self._imports.values():
            if name is not None:
                parts.setdefault(module, []).append(name)
        sections = []
        for of_torch in (False, True):
            chosen = [name for name in sorted(whole) if _is_torch(name) is of_torch]
            lines = [f"import {module}" for module in chosen]
            lines += [
                f"from {module} import {', '.join(sorted(parts[module], key=_import_order))}"
                for module in sorted(parts)
                if _is_torch(module) is of_torch
            ]
            sections += ["", *lines] if lines else []
        return sections

    def text(self, places: Callable[[str], bool]) -> str:
        """Return the definitions of the modules whose names pass, each after the definitions that it uses."""
        written = [self._written(place) for place in self._found if places(place[0])]
        return "\n\n\n".join(written)

    def need(self, module: str, name: str | None = None) -> None:
        """Add ``from module import name``, or ``import module``."""
        self._imports[name or module] = (module, name)

    def _visit(self, place: _Place, above: tuple[_Place, ...] = ()) -> None:
        if place in self._found or place in above:
            return
        meant: list[tuple[ast.Name, _Place]] = []
        definition, names = _definition(_read(place[0]), place[1])
        for source in _imported(definition):
            if not _is_standard(source):
                raise _foreign(place[0], source)
        for free in names:
            target = self._resolve(place[0], free.id)
            if target is not None:
                meant.append((free, target))
                self._visit(target, (*above, place))
        self._found[place] = meant
        self._count[place[1]] += 1

    def _resolve(self, module: str, name: str) -> _Place | None:
        """Return the definition of a name in a module; None for builtins and for imports, which are noted."""
        read = _read(module)
        if name in read.definitions:
            return module, name
        if name not in read.imports:
            return None
        source, original = read.imports[name]
        if _is_standard(source):
            if name not in (original or source, "" if original else source.partition(".")[0]):
                raise InputError(f"{module} must import {source} under its own name to be exported, not as {name}")
            self.need(source, original)
            return None
        if original is None:
            raise _foreign(module, source)
        return self._resolve(source, original)

    def _written(self, place: _Place) -> str:
        read, name = _read(place[0]), place[1]
        node = _definition(read, name)[0]
        first = min([node.lineno, *[mark.lineno for mark in getattr(node, "decorator_list", [])]])
        lines = read.lines[: node.end_lineno]
        edits = [(free.lineno, free.col_offset, free.id, self.name_of(target)) for free, target in self._found[place]]
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            column = lines[node.lineno - 1].index(name.encode(), node.col_offset)
            edits.append((node.lineno, column, name, self.name_of(place)))
        for line, column, old, new in sorted(edits, reverse=True):
            text = lines[line - 1]
            lines[line - 1] = text[:column] + new.encode() + text[column + len(old.encode()) :]
        return b"\n".join(lines[first - 1 :]).decode()


def _read(name: str) -> _Module:
    return _parsed(name, sys.modules.get(name))


@cache
def _parsed(name: str, module: ModuleType | None) -> _Module:
    try:
        text = inspect.getsource(module) if module is not None else ""
    except (OSError, TypeError) as error:
        raise InputError(f"the source of {name} must be readable to be exported: {error}") from error
    read = _Module(name, [line.encode() for line in text.split("\n")])
    for node in _statements(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            read.definitions[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            read.definitions[node.targets[0].id] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            read.definitions[node.target.id] = node
        elif isinstance(node, ast.Import):
            bound = {alias.asname or alias.name.partition(".")[0]: (alias.name, None) for alias in node.names}
            read.imports.update(bound)
        elif isinstance(node, ast.ImportFrom) and node.module:
            read.imports.update({alias.asname or alias.name: (node.module, alias.name) for alias in node.names})
    return read


@cache
def _definition(module: _Module, name: str) -> tuple[_Definition, list[ast.Name]]:
    """Return a definition without its registering decorator, and the names that it takes from its module."""
    definition = module.definitions.get(name)
    if definition is None:
        raise InputError(f"{module.name}.{name} must be a function, class or constant that the module defines")
    if isinstance(definition, (ast.Assign, ast.AnnAssign)):
        return definition, list(_free_names(definition, frozenset({name})))
    kept = copy.copy(definition)
    kept.decorator_list = [mark for mark in definition.decorator_list if _called(mark) != _REGISTERS]
    return kept, list(_free_names(kept, frozenset()))


def _statements(module: ast.Module) -> Iterator[ast.stmt]:
    """Iterate over the top-level statements, those under ``if TYPE_CHECKING`` among them."""
    for node in module.body:
        yield node
        if isinstance(node, ast.If):
            yield from node.body


def _called(decorator: ast.expr) -> str:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _imported(definition: _Definition) -> Iterator[str]:
    """Iterate over the modules that a definition imports itself."""
    for node in ast.walk(definition):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def _is_standard(module: str) -> bool:
    return _is_torch(module) or module.partition(".")[0] in sys.stdlib_module_names


def _foreign(module: str, source: str) -> InputError:
    return InputError(f"{module} may import torch and the standard library to be exported; it imports {source}")


def _is_torch(module: str) -> bool:
    return module.partition(".")[0] == "torch"


def _import_order(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _free_names(node: ast.AST, bound: frozenset[str]) -> Iterator[ast.Name]:
    """Iterate over the names that a piece of code takes from its module, as the scopes of Python say.

    Args:
        node: The piece.
        bound: Names that mean something else around it.
    """
    if isinstance(node, ast.Name):
        if node.id not in bound:
            yield node
        return
    for part, inside in _scopes(node, bound):
        yield from _free_names(part, inside)


def _scopes(node: ast.AST, bound: frozenset[str]) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Iterate over the parts of a piece of code, each with the names that are bound in it."""
    if isinstance(node, (ast.FunctionDef, ast.Lambda)):
        body = node.body if isinstance(node, ast.FunctionDef) else [node.body]
        every = [one for one in ast.walk(node.args) if isinstance(one, ast.arg)]
        local = bound | {one.arg for one in every} | {name for part in body for name in _stored(part)}
        for part in ast.iter_child_nodes(node):  # annotations, defaults and decorators stand outside
            yield part, local if part in body else bound
    elif isinstance(node, ast.ClassDef):
        own = bound | {name for part in node.body for name in _stored(part)}
        for part in ast.iter_child_nodes(node):  # methods do not see the names that a class binds
            yield part, own if part in node.body and not isinstance(part, ast.FunctionDef) else bound
    elif isinstance(node, _COMPREHENSIONS):
        local = bound | {name for one in node.generators for name in _stored(one.target)}
        for part in ast.iter_child_nodes(node):
            yield part, local
    else:
        for part in ast.iter_child_nodes(node):
            yield part, bound


def _stored(node: ast.AST) -> Iterator[str]:
    """Iterate over the names that a statement binds in its scope."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        yield node.name
        return
    if isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name
    if not isinstance(node, (ast.Lambda, *_COMPREHENSIONS)):
        for child in ast.iter_child_nodes(node):
            yield from _stored(child)
