"""Defaults that follow from a benchmark."""

from __future__ import annotations

from eznas.benchmarks.catalog import BENCHMARKS
from eznas.spaces import SPACES


def dataset_name(benchmark: str, dataset: str | None) -> str:
    """Return a data set's name in lower case; the benchmark's first by default.

    Raises:
        InputError: The benchmark has no such data set.
    """
    if benchmark.startswith("custom:") or (benchmark in SPACES and benchmark not in BENCHMARKS):
        return dataset or "custom"
    info = BENCHMARKS[benchmark]
    return info.datasets[0] if dataset is None else info.dataset(dataset)


def trained_fidelity(benchmark: str) -> str:
    """Return the name of the fidelity whose networks a benchmark trained; ``full`` for a custom one."""
    return BENCHMARKS[benchmark].fidelity if benchmark in BENCHMARKS else "full"
