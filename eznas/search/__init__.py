"""Searching architectures: algorithms behind one protocol, led by any proxy, climbing any signal.

Start reading in ``loop.py``: what one search does, in order. ``protocol.py`` says what an algorithm must do.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from eznas.callables import CallableModule

if TYPE_CHECKING:
    from eznas.search.config import SearchConfig
    from eznas.search.domain import Domain
    from eznas.search.guide import Guide
    from eznas.search.loop import Objective, SearchBudget, search
    from eznas.search.protocol import ALGORITHMS, Algorithm, Proposal, Searcher, SearcherConfig, Task
    from eznas.search.repeats import run_repeats
    from eznas.search.signals import ComputedSignal, Observation, Signal, TabularSignal

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "ComputedSignal",
    "Domain",
    "Guide",
    "Objective",
    "Observation",
    "Proposal",
    "SearchBudget",
    "SearchConfig",
    "Searcher",
    "SearcherConfig",
    "Signal",
    "TabularSignal",
    "Task",
    "run_repeats",
    "search",
]

_HOMES = {
    "ALGORITHMS": "protocol",
    "Algorithm": "protocol",
    "SearchBudget": "loop",
    "Domain": "domain",
    "Guide": "guide",
    "SearcherConfig": "protocol",
    "TabularSignal": "signals",
    "ComputedSignal": "signals",
    "Objective": "loop",
    "Observation": "signals",
    "SearchConfig": "config",
    "Proposal": "protocol",
    "Searcher": "protocol",
    "Signal": "signals",
    "Task": "protocol",
    "run_repeats": "repeats",
    "search": "loop",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


sys.modules[__name__].__class__ = CallableModule
