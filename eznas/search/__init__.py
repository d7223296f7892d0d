"""Searching architectures: algorithms behind one protocol, led by any proxy, climbing any signal.

Start reading in ``loop.py``: what one search does, in order. ``protocol.py`` says what an algorithm must do.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eznas.search.campaign import run_campaign
    from eznas.search.domain import Domain
    from eznas.search.guide import Guide
    from eznas.search.loop import Budget, Objective, search
    from eznas.search.options import Options
    from eznas.search.protocol import ALGORITHMS, Algorithm, Knobs, Proposal, Searcher, Task
    from eznas.search.signals import Known, Live, Observation, Signal

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Budget",
    "Domain",
    "Guide",
    "Knobs",
    "Known",
    "Live",
    "Objective",
    "Observation",
    "Options",
    "Proposal",
    "Searcher",
    "Signal",
    "Task",
    "run_campaign",
    "search",
]

_HOMES = {
    "ALGORITHMS": "protocol",
    "Algorithm": "protocol",
    "Budget": "loop",
    "Domain": "domain",
    "Guide": "guide",
    "Knobs": "protocol",
    "Known": "signals",
    "Live": "signals",
    "Objective": "loop",
    "Observation": "signals",
    "Options": "options",
    "Proposal": "protocol",
    "Searcher": "protocol",
    "Signal": "signals",
    "Task": "protocol",
    "run_campaign": "campaign",
    "search": "loop",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
