"""Loading the accuracies of a benchmark: the user's table, or the one that is installed with pip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.benchmarks.catalog import BENCHMARKS
from eznas.benchmarks.csv import read_table
from eznas.benchmarks.places import find_table, looked_in
from eznas.errors import InputError
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from pathlib import Path

    from eznas.benchmarks.table import AccuracyTable

__all__ = ["load_table"]


def load_table(
    benchmark: str = "nasbench201",
    dataset: str = "cifar10",
    table: Path | None = None,
    target: str | None = None,
) -> AccuracyTable:
    """Return the accuracies of a benchmark's architectures on a data set.

    Args:
        benchmark: A name in ``BENCHMARKS``; or with ``table`` a search space's, such as
            ``custom:package.module:callable``.
        dataset: One of the benchmark's data sets, in any case; any name for a search space without a benchmark.
        table: A table as ``eznas.benchmarks.csv`` describes it; None for ``BENCHMARK_DATASET.csv`` in one of
            ``eznas.benchmarks.places``, or else the embedded one.
        target: The column that is the accuracy, where it is not the usual one.

    Raises:
        InputError: There is no such benchmark, data set, table or column, or the table is faulty.
    """
    if benchmark not in BENCHMARKS and (benchmark.startswith("custom:") or benchmark in SPACES):
        if table is None:
            raise InputError(f"the accuracies of {benchmark} must be given with --table FILE")
        return read_table(table, benchmark=benchmark, space=SPACES[benchmark], dataset=dataset, target=target)
    info = BENCHMARKS[benchmark]
    dataset = info.dataset(dataset)
    table = table or find_table(benchmark, dataset)
    if table is not None:
        return read_table(table, benchmark=benchmark, space=SPACES[info.space], dataset=dataset, target=target)
    if dataset not in info.embedded:
        embedded = " and ".join(f"{name}/{known}" for name in BENCHMARKS for known in BENCHMARKS[name].embedded)
        raise InputError(
            f"the accuracies of {benchmark} on {dataset} must be given with --table FILE (a CSV with the "
            f"columns architecture and accuracy) or as {benchmark}_{dataset}.csv in a folder that is looked in "
            f"({looked_in()}); only those of {embedded} are embedded; see python -m eznas.benchmarks info {benchmark}"
        )
    return info.embedded[dataset](target)
