"""Plugins: files outside eznas that register measures, primitives, search spaces, search algorithms or benchmarks.

A plugin is imported, so all of its code runs. Worker processes load the plugins of the process that sends them work.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eznas import primitives
from eznas.errors import NETWORK_FAILURES, EznasError, InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from types import CodeType

    from eznas.registry import Registry


_REGISTRIES = {
    "measure": ("eznas.measures", "MEASURES"),
    "search space": ("eznas.spaces", "SPACES"),
    "search algorithm": ("eznas.search.protocol", "ALGORITHMS"),
    "surrogate": ("eznas.search.surrogate", "SURROGATES"),
    "predictor": ("eznas.predictors.registry", "PREDICTORS"),
    "encoding": ("eznas.predictors.encodings.base", "ENCODINGS"),
    "benchmark": ("eznas.benchmarks.catalog", "BENCHMARKS"),
}


@dataclass(frozen=True)
class _Plugin:
    """A loaded plugin.

    Args:
        module: Its name in ``sys.modules``.
        digest: SHA-256 of the file.
        replaced: By kind and name, the record that a record of the plugin replaced, or None.
        added: Its primitives.
    """

    module: str
    digest: str
    replaced: Mapping[str, Mapping[str, Any]]
    added: tuple[primitives.Primitive, ...]

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """The names that it registered, by kind."""
        added = tuple(dict.fromkeys(record.name for record in self.added))
        return {
            **{kind: tuple(names) for kind, names in self.replaced.items()},
            **({"primitive": added} if added else {}),
        }

    def unload(self) -> None:
        """Take back everything that it registered."""
        sys.modules.pop(self.module, None)
        for kind, records in self.replaced.items():
            _registries()[kind].restore(records)
        primitives.unregister(self.added)


_loaded: dict[Path, _Plugin] = {}


def load_plugin(file: Path | str) -> dict[str, tuple[str, ...]]:
    """Import a file and return the names that it registers, by kind, such as ``{"measure": ("confidence",)}``.

    A file that is loaded already is imported again only if it changed; its earlier records are then replaced. A file
    that fails leaves no record behind.

    Args:
        file: A Python file.

    Raises:
        InputError: The file cannot be imported or registers nothing.
    """
    path = Path(file).resolve()
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"a plugin must be a readable Python file, got {file}: {error.strerror}") from error
    if path in _loaded and _loaded[path].digest != digest:
        _loaded.pop(path).unload()
    if path not in _loaded:
        _loaded[path] = _import(path, digest)
    return _loaded[path].names


def load_plugins(files: Path | str | Iterable[Path | str]) -> None:
    """Load one plugin or several; see ``load_plugin``."""
    for file in (files,) if isinstance(files, str | Path) else files:
        load_plugin(file)


def plugin_digests(kind: str = "") -> dict[str, str]:
    """Return the SHA-256 of every loaded plugin by its path; with a kind, of the plugins that registered one."""
    return {str(path): plugin.digest for path, plugin in _loaded.items() if not kind or kind in plugin.names}


def check_plugins_of_run(data: Mapping[str, Any], own: Collection[str] = ()) -> None:
    """Refuse to resume a run with primitives of plugins that were not loaded when it began.

    Args:
        data: The data of the run's manifest, with an entry ``plugin PATH`` for each plugin; empty if none are recorded.
        own: Paths of plugins that the run's options name.

    Raises:
        InputError: There is such a plugin.
    """
    for file in plugin_digests("primitive") if data else ():
        if f"plugin {file}" not in data and file not in own:
            raise InputError(
                f"the plugin {file} must not be loaded, since the run began without its primitives; resume the run in "
                "a new process"
            )


def use_plugins(digests: Mapping[str, str]) -> None:
    """Load exactly the plugins of another process, given as ``plugin_digests`` of that process.

    Raises:
        EznasError: A file has another content than the process loaded.
    """
    wanted = {Path(file).resolve(): digest for file, digest in digests.items()}
    for path in _loaded.keys() - wanted.keys():
        _loaded.pop(path).unload()
    for path, digest in wanted.items():
        if path not in _loaded or _loaded[path].digest != digest:
            load_plugin(path)
        if _loaded[path].digest != digest:
            raise EznasError(
                f"the plugin {path} must be the same file for all processes, but a worker read another content than "
                "the process that started the run; do not change it during a run"
            )


class _Loader(SourceFileLoader):
    """Compiles the file each time: a cached compilation can be that of an earlier version."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the file."""
        del fullname
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def _import(path: Path, digest: str) -> _Plugin:
    """Import a file as a module whose name tells files and versions apart."""
    name = f"eznas_plugin_{path.stem}_{hashlib.sha256(f'{path}|{digest}'.encode()).hexdigest()[:12]}"
    loader = _Loader(name, str(path))
    spec = ModuleSpec(name, loader, origin=str(path))
    spec.has_location = True
    records = {kind: dict(registry) for kind, registry in _registries().items()}  # built-in records are loaded now
    known = set(primitives.all_primitives())

    def registered() -> _Plugin:
        replaced: dict[str, dict[str, Any]] = {}
        for kind, registry in _registries().items():
            for record in (record for record in registry if registry[record] is not records[kind].get(record)):
                replaced.setdefault(kind, {})[record] = records[kind].get(record)
        added = tuple(record for record in primitives.all_primitives() if record not in known)
        return _Plugin(name, digest, replaced, added)

    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # where dataclasses look their module up
    try:
        loader.exec_module(module)
    except NETWORK_FAILURES as error:
        registered().unload()
        raise InputError(f"the plugin {path} must be importable, it raised {type(error).__name__}: {error}") from error
    if not (plugin := registered()).names:
        plugin.unload()
        kinds = ", ".join([*_REGISTRIES, "primitive"])
        raise InputError(f"the plugin {path} must register something of the kinds {kinds}; it registers nothing")
    return plugin


def _registries() -> dict[str, Registry[Any]]:
    return {kind: getattr(importlib.import_module(module), name) for kind, (module, name) in _REGISTRIES.items()}
