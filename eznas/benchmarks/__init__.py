"""Benchmarks: tables of trained accuracies over the architectures of a search space. Importing it imports no torch."""

from __future__ import annotations

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
