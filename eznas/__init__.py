"""eznas: discover, compute and evaluate zero-cost proxies for neural architecture search.

The names below are loaded when they are first used, so ``import eznas`` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eznas.benchmarks import load_table
    from eznas.errors import InputError
    from eznas.measures import MEASURES
    from eznas.minibatch import load_minibatch
    from eznas.programs import evaluate
    from eznas.programs.export import to_python
    from eznas.programs.parse import parse
    from eznas.scoring.plugin import load_plugin
    from eznas.scoring.score_many import measure
    from eznas.spaces import SPACES
    from eznas.status import Score, Status

__all__ = [
    "MEASURES",
    "SPACES",
    "InputError",
    "Score",
    "Status",
    "__version__",
    "evaluate",
    "load_minibatch",
    "load_plugin",
    "load_table",
    "measure",
    "parse",
    "to_python",
]

_MODULES = {
    "MEASURES": "eznas.measures",
    "SPACES": "eznas.spaces",
    "InputError": "eznas.errors",
    "Score": "eznas.status",
    "Status": "eznas.status",
    "evaluate": "eznas.programs",
    "load_minibatch": "eznas.minibatch",
    "load_plugin": "eznas.scoring.plugin",
    "load_table": "eznas.benchmarks",
    "measure": "eznas.scoring.score_many",
    "parse": "eznas.programs",
    "to_python": "eznas.programs.export",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name not in _MODULES:
        raise AttributeError(f"module 'eznas' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def _version() -> str:
    from importlib import metadata  # takes longer than all the rest

    try:
        return metadata.version("eznas")
    except metadata.PackageNotFoundError:
        return "0+unknown"  # a checkout that was never installed
