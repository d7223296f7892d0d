"""Loading the accuracies of a benchmark: the user's table, or one that a PyPI package holds."""

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


def load_table(
    benchmark: str = "nasbench201", dataset: str = "cifar10", table: Path | None = None, target: str | None = None
) -> AccuracyTable:
    """Return the accuracies of a benchmark's architectures on a data set.

    Args:
        benchmark: A name in ``BENCHMARKS``; with ``table`` also the name of a search space, such as
            ``custom:package.module:callable``.
        dataset: One of the benchmark's data sets, in any case; any name for a search space without a benchmark.
        table: A CSV file as ``eznas.benchmarks.csv`` describes it; None for ``BENCHMARK_DATASET.csv`` in a folder of
            ``eznas.benchmarks.places``, or else the embedded table.
        target: The column of the accuracy; None for the usual one.

    Raises:
        InputError: There is no such benchmark, data set, table or column, or the table is faulty.
    """
    if benchmark not in BENCHMARKS and (benchmark.startswith("custom:") or benchmark in SPACES):
        if table is None:
            raise InputError(
                f"table must be a file with the accuracies of {benchmark}, got none", parameters=("table",)
            )
        return read_table(table, benchmark=benchmark, space=SPACES[benchmark], dataset=dataset, target=target)
    info = BENCHMARKS[benchmark]
    dataset = info.dataset(dataset)
    table = table or find_table(benchmark, dataset)
    if table is not None:
        return read_table(table, benchmark=benchmark, space=SPACES[info.space], dataset=dataset, target=target)
    if dataset not in info.embedded:
        embedded = " and ".join(f"{name}/{each}" for name in BENCHMARKS for each in BENCHMARKS[name].embedded)
        raise InputError(
            f"table must be a CSV file with the accuracies of {benchmark} on {dataset}, or {benchmark}_{dataset}.csv "
            f"must be in a folder that is looked in ({looked_in()}); only the accuracies of {embedded} come with a "
            f"package; see eznas benchmarks info {benchmark}",
            parameters=("table",),
        )
    return info.embedded[dataset](target)
