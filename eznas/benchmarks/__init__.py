"""Benchmarks: tables of trained accuracies over the architectures of a search space."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eznas.benchmarks.catalog import BENCHMARKS, BenchmarkInfo
    from eznas.benchmarks.csv import read_table, write_table
    from eznas.benchmarks.load import load_table
    from eznas.benchmarks.split import sample_splits
    from eznas.benchmarks.table import AccuracyTable, Target

__all__ = [
    "BENCHMARKS",
    "AccuracyTable",
    "BenchmarkInfo",
    "Target",
    "load_table",
    "read_table",
    "sample_splits",
    "write_table",
]

_HOMES = {
    "BENCHMARKS": "catalog",
    "AccuracyTable": "table",
    "BenchmarkInfo": "catalog",
    "Target": "table",
    "load_table": "load",
    "read_table": "csv",
    "sample_splits": "split",
    "write_table": "csv",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
