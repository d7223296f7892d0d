"""The benchmarks that are known: the space, the data sets, and which accuracies come with the package."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eznas.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eznas.benchmarks.table import AccuracyTable

__all__ = ["BENCHMARKS", "BenchmarkInfo"]


@dataclass(frozen=True)
class BenchmarkInfo:
    """One benchmark.

    Args:
        name: The name on command lines.
        space: The search space's name.
        datasets: What its architectures were trained on.
        citation: Where it is published.
        embedded: For the data sets whose accuracies can be installed with pip: reads them, given the name of
            a column or None for the usual one.
    """

    name: str
    space: str
    datasets: tuple[str, ...]
    citation: str
    embedded: Mapping[str, Callable[[str | None], AccuracyTable]] = field(default_factory=dict)


def _analog(target: str | None) -> AccuracyTable:
    from eznas.benchmarks.convert.analog import read_analog

    return read_analog(target)


BENCHMARKS: Registry[BenchmarkInfo] = Registry("benchmark", lambda info: info.name)
"""Every benchmark by name."""

BENCHMARKS.register(
    BenchmarkInfo(
        name="nasbench201",
        space="nasbench201",
        datasets=("cifar10", "cifar100", "imagenet16-120"),
        citation="Dong, Yang. NAS-Bench-201. ICLR 2020. arXiv:2001.00326",
        embedded={"cifar10": _analog},
    )
)
