"""The records of benchmarks; ``eznas.benchmarks.builtin`` registers them."""

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


class Rounding(NamedTuple):
    """The largest difference between a file's number and the exact one."""

    absolute: float = 0.0
    relative: float = 0.0


_EXACT = Rounding()


@dataclass(frozen=True)
class FlopsColumn:
    """A column with the operations of a forward pass.

    Args:
        column: The name of the column.
        unit: Operations for 1 in the column.
        counted: How operations are counted; a name in ``eznas.benchmarks.costs.COUNTS``.
        definition: The same in words.
        rounding: Rounding of the column.
    """

    column: str
    unit: float
    counted: str
    definition: str
    rounding: Rounding = _EXACT


class Reader(Protocol):
    """Reads the official files of a benchmark for one data set."""

    def __call__(self, files: Sequence[Path], dataset: str, *, every_epoch: bool = False) -> Converted:
        """Return the contents.

        Args:
            files: The official files.
            dataset: The data set, in lower case.
            every_epoch: Whether to keep learning curves whole, and not only epochs at powers of two.

        Raises:
            InputError: A file is faulty, or there are too many.
        """


@dataclass(frozen=True)
class OfficialFile:
    """An official file of a benchmark.

    Args:
        name: The file's or directory's name.
        size: The published size in words; empty where none is.
        digest: ``sha256:`` or ``md5:`` and the published digest or its beginning; empty where none is published. Only
            whole digests are compared.
    """

    name: str
    size: str = ""
    digest: str = ""


@dataclass(frozen=True)
class BenchmarkInfo:
    """One benchmark.

    Args:
        name: The name in ``BENCHMARKS``.
        space: The search space's name.
        datasets: The data sets of the trainings, in lower case.
        citation: The publication.
        home: The web page with the official files.
        licence: Licence of the data; ``"not stated"`` where its authors do not say.
        architectures: Number of architectures; 0 where unknown.
        targets: The columns that may be the accuracy.
        fidelity: The space's fidelity whose networks were trained.
        files: The official files that ``convert`` reads.
        best: For each data set, the published highest values of columns, in percent.
        convert: Reads official files for one data set; None where there is no converter.
        embedded: For each data set whose accuracies pip can install, a function that reads them; it takes the name of a
            column, or None for the usual one.
        extra: The extra of this package that installs the embedded accuracies.
        module: The Python module that comes with them.
        flops: The columns of operations that are compared with networks built here.
        params_unit: Parameters for 1 in the column ``params``; 0 where networks here cannot be compared.
        params_rounding: Rounding of that column.
        left_out: Takes a data set; returns the entries of the embedded source that the table lacks, with reasons.
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

    def __repr__(self) -> str:
        return f"<BenchmarkInfo {self.name}: {self.space} on {', '.join(self.datasets)}>"

    def dataset(self, name: str) -> str:
        """Return the name of a data set in lower case.

        Raises:
            InputError: The benchmark has no such data set.
        """
        if name.lower() not in self.datasets:
            raise unknown(f"data set of {self.name}", name, self.datasets)
        return name.lower()


BENCHMARKS: Registry[BenchmarkInfo] = Registry("benchmark", lambda info: info.name, ["eznas.benchmarks.builtin"])
"""Every benchmark by name."""
