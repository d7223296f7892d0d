"""The result of a converter: architectures, and every number that the official file has for each.

Points of a learning curve are columns too: ``test_200@8`` is the test accuracy after 8 of 200 epochs. Tables keep the
epochs that are powers of two, or every epoch on request.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eznas.benchmarks.table import AccuracyTable, column_target
from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from eznas.benchmarks.table import Target
    from eznas.spaces import SearchSpace


_ROUNDING = 1e-6
"""Relative difference up to which two statements of a fact agree."""


class Training(NamedTuple):
    """One training of an architecture.

    Args:
        values: Columns that are averaged over trainings.
        facts: Columns that all trainings of the architecture share, such as ``params`` and ``flops``.
        seed: The training's name in columns of its own, such as ``test_200_seed777``.
        single: The names of the ``values`` that get such a column.
    """

    values: dict[str, float]
    facts: dict[str, float]
    seed: str = ""
    single: tuple[str, ...] = ()


@dataclass(frozen=True)
class Converted:
    """The contents of official files, for one data set.

    Args:
        architectures: Official strings, without duplicates.
        columns: ``n`` numbers each, NaN where the file has none.
        usual: The column that is the accuracy unless another one is asked for.
        target: Which accuracy that is.
        notes: Sentences for the reader of the table, which the manifest repeats.
    """

    architectures: tuple[str, ...]
    columns: dict[str, NDArray[np.float64]]
    usual: str
    target: Target
    notes: tuple[str, ...] = field(default=())

    @classmethod
    def of(
        cls, rows: Mapping[str, dict[str, float]], usual: str, target: Target, notes: Iterable[str] = ()
    ) -> Converted:
        """Gather the numbers of each architecture into columns."""
        return cls(tuple(rows), gather([*rows.values()]), usual, target, tuple(notes))

    def __repr__(self) -> str:
        return f"<Converted {len(self.architectures):,} architectures, {self.target}, {len(self.columns)} columns>"

    def table(self, benchmark: str, space: str, source: str, digest: str) -> AccuracyTable:
        """Return the table; architectures without the usual accuracy are left out.

        Raises:
            InputError: None has one.
        """
        usual = self.columns[self.usual]
        kept = np.flatnonzero(np.isfinite(usual))
        if not kept.size:
            raise InputError(f"{source} must have {self.usual} of some architecture, it has none")
        return AccuracyTable(
            benchmark=benchmark,
            space=space,
            target=self.target,
            architectures=tuple(self.architectures[index] for index in kept),
            accuracies=usual[kept],
            source=source,
            digest=digest,
            columns={name: column[kept] for name, column in self.columns.items()},
        )


def gather(rows: Sequence[dict[str, float]]) -> dict[str, NDArray[np.float64]]:
    """Return the columns of rows, in the order in which their names appear; NaN where a row has no such number."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, np.nan) for row in rows], dtype=np.float64) for name in names}


def averaged(trainings: Mapping[str, Sequence[Mapping[str, float]]]) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Return the means over the trainings of each architecture, and a note on those that were trained several times."""
    several = sum(len(rows) > 1 for rows in trainings.values())
    notes = [f"{several} architectures were trained several times; their columns are means"] if several else []
    return {architecture: _means(rows) for architecture, rows in trainings.items()}, notes


def curve(column: str, values: Iterable[float | None], *, every_epoch: bool = False) -> dict[str, float]:
    """Return the points of a learning curve as columns, without the last, which is the column itself.

    Args:
        column: That of the whole training, such as ``test_200``.
        values: After each epoch; None where there is none.
        every_epoch: Whether to keep all epochs, and not only powers of two.
    """
    points = list(enumerate(values, 1))[:-1]
    return {
        f"{column}@{epoch}": value
        for epoch, value in points
        if value is not None and (every_epoch or epoch & (epoch - 1) == 0)
    }


class TrainedArchitectures:
    """The architectures of a file: means over the trainings of each, and facts on which its trainings agree.

    Where the trainings of an architecture state different ``params``, the network is built, and the trainings that
    state another number than it has are left out. Facts that still differ are left empty. Notes count both.

    Args:
        space: Builds the networks.
        dataset: The data set of the trainings.
        fidelity: The space's fidelity whose networks were trained.
        counted: Whether to add the column ``trainings``, the number of trainings of a mean.
    """

    def __init__(self, space: SearchSpace, dataset: str, fidelity: str = "full", *, counted: bool = False) -> None:
        self.space = space
        self.dataset = dataset
        self.fidelity = fidelity
        self.counted = counted
        self._rows: dict[str, dict[str, float]] = {}
        self._repeated = 0
        self._left_out: dict[str, int] = {}
        self._emptied: Counter[str] = Counter()

    def add(self, architecture: str, trainings: Sequence[Training], place: str) -> None:
        """Add an architecture with all its trainings.

        Raises:
            InputError: The architecture was added before; the message begins with ``place``.
        """
        if architecture in self._rows:
            raise InputError(f"{place}: {architecture} has an entry already; give each architecture once")
        if "params" in _contradicted(trainings):
            trainings = self._verified(architecture, trainings)
        contradicted = _contradicted(trainings)
        self._emptied.update(contradicted)
        self._repeated += len(trainings) > 1
        row = _means([training.values for training in trainings])
        for training in trainings:
            row |= {name: value for name, value in training.facts.items() if name not in contradicted}
            row |= {f"{name}_seed{training.seed}": training.values[name] for name in training.single}
        self._rows[architecture] = row | ({"trainings": float(len(trainings))} if self.counted else {})

    def converted(self, usual: str, training_seeds: str, source: str, notes: Iterable[str] = ()) -> Converted:
        """Return the table's contents.

        Args:
            usual: The column that is the accuracy, named as ``column_target`` reads it.
            training_seeds: The number and seeds of the averaged trainings, in words.
            source: The file, for messages.
            notes: Further notes, which come first.

        Raises:
            InputError: No training has the usual accuracy.
        """
        columns, target = gather(list(self._rows.values())), column_target(usual, self.dataset, training_seeds)
        if target is None or usual not in columns:
            split, _, epochs = usual.partition("_")
            raise InputError(
                f"{source} must hold {split} accuracies on {self.dataset} after trainings of {epochs} epochs, "
                "it holds none"
            )
        return Converted(tuple(self._rows), columns, usual, target, (*notes, *self._notes()))

    def _verified(self, architecture: str, trainings: Sequence[Training]) -> Sequence[Training]:
        """Return the trainings that state the parameters of the built network, or all where none does."""
        from eznas.benchmarks.costs import CLASSES, build_without_values, parameters

        if self.dataset not in CLASSES:  # its networks, which have another head, are not built
            return trainings
        params = parameters(build_without_values(self.space, architecture, self.fidelity, self.dataset))
        if all(training.facts.get("params") != params for training in trainings):
            return trainings
        kept = [training for training in trainings if training.facts.get("params", params) == params]
        self._left_out[architecture] = len(trainings) - len(kept)
        return kept

    def _notes(self) -> Iterator[str]:
        if self.counted and self._repeated:
            yield f"{self._repeated} architectures were trained several times; their columns are means"
        if self._left_out:
            yield (
                f"{sum(self._left_out.values())} trainings of {len(self._left_out)} architectures, such as "
                f"{next(iter(self._left_out))}, were left out: they state another number of parameters than the "
                "architecture's network has"
            )
        for name, count in sorted(self._emptied.items()):
            yield (
                f"{count} architectures have trainings that state different {name}: their {name} is left empty, and "
                "their accuracies are means over trainings that may be of different networks"
            )


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: statistics.fmean([row[name] for row in rows if name in row]) for name in names}


def _contradicted(trainings: Sequence[Training]) -> set[str]:
    """Return the facts on which the trainings of an architecture differ by more than rounding."""
    stated: dict[str, list[float]] = defaultdict(list)
    for training in trainings:
        for name, value in training.facts.items():
            stated[name].append(value)
    return {name for name, values in stated.items() if not math.isclose(min(values), max(values), rel_tol=_ROUNDING)}


def only(files: Sequence[Path], what: str) -> Path:
    """Return the only file.

    Raises:
        InputError: There are several.
    """
    if len(files) != 1:
        raise InputError(f"{what} must be converted from one file, got {len(files)}")
    return files[0]


def parsed(space: SearchSpace, text: str, place: str) -> str:
    """Return the official string of an architecture in a file.

    Raises:
        InputError: The space has no such architecture; the message begins with ``place``.
    """
    try:
        return space.parse(text)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
