"""eznas: discover, compute and evaluate zero-cost proxies for neural architecture search.

``import eznas`` costs nothing: each name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eznas.api.predictions import predict
    from eznas.api.verify import verify
    from eznas.benchmarks import load_table
    from eznas.errors import InputError
    from eznas.measures import MEASURES
    from eznas.minibatch import Minibatch, load_minibatch
    from eznas.programs import evaluate
    from eznas.programs.export import to_python
    from eznas.programs.parse import parse
    from eznas.scoring.plugin import load_plugin
    from eznas.scoring.score_many import estimate_seconds, measure
    from eznas.scoring.unit_report import units
    from eznas.spaces import SPACES
    from eznas.status import Score, Status

__all__ = [
    "MEASURES",
    "SPACES",
    "InputError",
    "Minibatch",
    "Score",
    "Status",
    "__version__",
    "estimate_seconds",
    "evaluate",
    "evolve",
    "load_minibatch",
    "load_plugin",
    "load_table",
    "measure",
    "parse",
    "predict",
    "search",
    "to_python",
    "units",
    "verify",
]

_MODULES = {
    "MEASURES": "eznas.measures",
    "SPACES": "eznas.spaces",
    "InputError": "eznas.errors",
    "Minibatch": "eznas.minibatch",
    "Score": "eznas.status",
    "Status": "eznas.status",
    "estimate_seconds": "eznas.scoring.score_many",
    "evaluate": "eznas.programs",
    "evolve": "eznas.api.evolve",
    "load_minibatch": "eznas.minibatch",
    "load_plugin": "eznas.scoring.plugin",
    "load_table": "eznas.benchmarks",
    "measure": "eznas.scoring.score_many",
    "parse": "eznas.programs",
    "predict": "eznas.api.predictions",
    "search": "eznas.api.search",
    "to_python": "eznas.programs.export",
    "units": "eznas.scoring.unit_report",
    "verify": "eznas.api.verify",
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
    from importlib import metadata  # slow to import

    try:
        return metadata.version("eznas")
    except metadata.PackageNotFoundError:
        return "0+unknown"  # a checkout without an installation
