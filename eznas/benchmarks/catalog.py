"""What a benchmark is, as the catalogue knows it; ``eznas.benchmarks.known`` lists those that exist."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from eznas.errors import unknown
from eznas.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from eznas.benchmarks.convert.converted import Converted
    from eznas.benchmarks.table import AccuracyTable

__all__ = ["BENCHMARKS", "BenchmarkInfo", "FlopsColumn", "OfficialFile", "Reader", "Rounding"]


class Rounding(NamedTuple):
    """How far from the exact number a file's may be."""

    absolute: float = 0.0
    relative: float = 0.0


_EXACT = Rounding()


@dataclass(frozen=True)
class FlopsColumn:
    """What a benchmark's tables call the costs of a forward pass, and what was counted.

    Args:
        column: The column.
        unit: Operations that are 1 in it.
        counted: A name in ``eznas.benchmarks.costs.COUNTS``.
        definition: In words.
        rounding: Of the column.
    """

    column: str
    unit: float
    counted: str
    definition: str
    rounding: Rounding = _EXACT


class Reader(Protocol):
    """Reads the official files of a benchmark for one data set."""

    def __call__(self, files: Sequence[Path], dataset: str, *, every_epoch: bool = False) -> Converted:
        """Return what they hold; of learning curves every epoch, or those at powers of two."""


@dataclass(frozen=True)
class OfficialFile:
    """A file that its authors offer.

    Args:
        name: The file's or directory's name.
        size: In words, as its authors state it; empty where they do not.
        digest: ``sha256:`` or ``md5:`` and the digest, or the part of it that its authors state; empty where they
            state none. Only a whole one is compared.
    """

    name: str
    size: str = ""
    digest: str = ""


@dataclass(frozen=True)
class BenchmarkInfo:
    """One benchmark.

    Args:
        name: The name on command lines.
        space: The search space's name.
        datasets: What its architectures were trained on, in lower case.
        citation: Where it is published.
        home: Where its files are offered.
        licence: Of the data; ``"not stated"`` where its authors do not say.
        architectures: How many the whole benchmark has; 0 where that is not known.
        targets: The columns that may be the accuracy.
        fidelity: The space's fidelity whose networks were trained.
        files: What its authors offer and ``convert`` reads.
        best: For data sets, the highest value of columns as published, in percent.
        convert: Reads official files for one data set; None where there is no converter.
        embedded: For the data sets whose accuracies can be installed with pip: reads them, given the name of
            a column or None for the usual one.
        extra: The extra of this package that installs them.
        module: The Python module that comes with them.
        flops: The columns of operations, where what was counted is known and networks here can be compared.
        params_unit: Parameters that are 1 in the column ``params``; 0 where networks here cannot be compared.
        params_rounding: Of that column.
        left_out: For a data set, what the source of the embedded table has that the table lacks, and why.
    """

    name: str
    space: str
    datasets: tuple[str, ...]
    citation: str
    home: str = ""
    licence: str = "not stated"
    architectures: int = 0
    targets: tuple[str, ...] = ()
    fidelity: str = "full"
    files: tuple[OfficialFile, ...] = ()
    best: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    convert: Reader | None = None
    embedded: Mapping[str, Callable[[str | None], AccuracyTable]] = field(default_factory=dict)
    extra: str = ""
    module: str = ""
    flops: tuple[FlopsColumn, ...] = ()
    params_unit: float = 1.0
    params_rounding: Rounding = _EXACT
    left_out: Callable[[str], Mapping[str, str]] | None = None

    def dataset(self, name: str) -> str:
        """Return the name of a data set, which may be given in any case.

        Raises:
            InputError: The benchmark has no such data set.
        """
        if name.lower() not in self.datasets:
            raise unknown(f"data set of {self.name}", name, self.datasets)
        return name.lower()


BENCHMARKS: Registry[BenchmarkInfo] = Registry("benchmark", lambda info: info.name, ["eznas.benchmarks.known"])
"""Every benchmark by name."""
