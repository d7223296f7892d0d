"""The names of benchmarks and data sets on EZNAS's command line, turned into the names here."""

from __future__ import annotations

from eznas.benchmarks.catalog import BENCHMARKS
from eznas.errors import InputError
from eznas.spaces import SPACES

__all__ = ["benchmark_name", "dataset_name", "trained_fidelity"]


def benchmark_name(search_space: str, nds_space: str = "", builder: str = "") -> str:
    """Return the name of a benchmark in ``BENCHMARKS``.

    Args:
        search_space: ``NASBench201``, ``NATSBench`` (its size space), ``NDS``, ``custom``, or a name in ``BENCHMARKS``
            or ``SPACES``, in any case.
        nds_space: For NDS, the sweep, such as ``nds_darts`` or ``DARTS_in``.
        builder: For custom, ``package.module:callable``.

    Raises:
        InputError: There is no such benchmark, or ``nds_space`` or ``builder`` belongs to another search space.
    """
    name = search_space.lower()
    if (name == "custom") != bool(builder):
        message = f"builder must be given with search_space custom and only there, got {builder!r}"
        raise InputError(message, parameters=("builder", "search_space"))
    if name == "custom":
        return f"custom:{builder}"
    if name == "nds":
        sweeps = [benchmark for benchmark in BENCHMARKS if benchmark.startswith("nds_")]
        name = f"nds_{nds_space.lower().removeprefix('nds_')}"
        if name not in sweeps:
            raise InputError(
                f"nds_space must be one of {', '.join(sweeps)}, got {nds_space!r}", parameters=("nds_space",)
            )
        return name
    name = "nats_sss" if name == "natsbench" else name
    if name not in BENCHMARKS and name not in SPACES:
        known = ", ".join(("NASBench201", "NATSBench", "NDS", "custom", *BENCHMARKS))
        message = f"search_space must be one of {known} (in any case), got {search_space!r}"
        raise InputError(message, parameters=("search_space",))
    if nds_space:
        message = f"nds_space must be empty unless search_space is NDS, got {nds_space!r}"
        raise InputError(message, parameters=("nds_space", "search_space"))
    return name


def dataset_name(benchmark: str, dataset: str | None) -> str:
    """Return the name of a data set in lower case; None stands for the benchmark's first one.

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
