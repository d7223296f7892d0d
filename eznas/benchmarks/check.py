"""Checking a table: its number of architectures, its best values, and the costs of networks built from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.benchmarks.conversion import ROUNDING
from eznas.benchmarks.costs import CLASSES, build_without_values, operations, parameters
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from eznas.benchmarks.catalog import BenchmarkInfo, Rounding
    from eznas.benchmarks.table import AccuracyTable


_PIXELS = {"imagenet16-120": 16}
"""The data sets whose images are smaller than those of a space's full fidelity."""


@dataclass(frozen=True)
class Checked:
    """The result of a check, in sentences.

    Args:
        facts: Facts that hold or could not be compared.
        faults: Facts that do not hold.
    """

    facts: tuple[str, ...]
    faults: tuple[str, ...]


def check_table(info: BenchmarkInfo, table: AccuracyTable, networks: int, advance: Callable[[], None]) -> Checked:
    """Compare a table with published facts of its benchmark, and with networks built from it.

    Args:
        info: The benchmark.
        table: Accuracies on one of its data sets.
        networks: Number of networks to build, see ``sampled``.
        advance: Called after each network.
    """
    facts, faults = _best_values(info, table)
    dataset = table.target.dataset
    chosen = sampled(info, table, networks)
    if chosen:
        costs = _costs(info, table, chosen, advance)
        facts += costs.facts
        faults += costs.faults
    elif _has_costs(info, table):
        facts.append(f"networks for {dataset}, which have another head, are not built, and their costs not compared")
    return Checked(tuple(facts), tuple(faults))


def sampled(info: BenchmarkInfo, table: AccuracyTable, networks: int) -> list[int]:
    """Return places at equal steps through a table; none where costs cannot be compared.

    Args:
        info: The benchmark.
        table: Accuracies on one of its data sets.
        networks: Number of places; 0 for all.
    """
    if not _has_costs(info, table) or table.target.dataset not in CLASSES:
        return []
    count = min(networks or len(table), len(table))
    return [place * len(table) // count for place in range(count)]


def _has_costs(info: BenchmarkInfo, table: AccuracyTable) -> bool:
    return "params" in table.columns and info.params_unit > 0


def _best_values(info: BenchmarkInfo, table: AccuracyTable) -> tuple[list[str], list[str]]:
    facts, faults = [], []
    if info.architectures:
        verdict = "as published" if len(table) == info.architectures else f"of {info.architectures} published"
        facts.append(f"{len(table)} architectures, {verdict}")
    for column, best in info.best.get(table.target.dataset, {}).items():
        if column not in table.columns:
            facts.append(f"the table has no column {column}, whose published best is {best}")
            continue
        values: NDArray[np.float64] = table.columns[column]
        highest, missing = np.fmax.reduce(values), int(np.isnan(values).sum())
        if missing:
            facts.append(f"{missing} architectures have no {column}")
        if abs(highest - best) <= ROUNDING:
            facts.append(f"the best {column} is {best}, as published")
        elif len(table) == info.architectures:
            faults.append(f"the best {column} must be {best}, got {highest:.4f}")
    return facts, faults


def _costs(info: BenchmarkInfo, table: AccuracyTable, chosen: Sequence[int], advance: Callable[[], None]) -> Checked:
    """Compare the table's parameters and operations with those of networks that are built."""
    dataset, space = table.target.dataset, SPACES[info.space]
    pixels = _PIXELS.get(dataset, space.fidelities[info.fidelity].pixels)
    columns = [flops for flops in info.flops if flops.column in table.columns]
    named = {"params": "number of parameters"} | {
        flops.column: f"{flops.column}: {flops.definition}" for flops in columns
    }
    rounding = {"params": info.params_rounding} | {flops.column: flops.rounding for flops in columns}
    differing: dict[str, list[str]] = {column: [] for column in named}
    for index in chosen:
        architecture = table.architectures[index]
        network = build_without_values(space, architecture, info.fidelity, dataset)
        counted = {"params": parameters(network) / info.params_unit}
        counted |= {flops.column: operations(network, pixels, flops.counted) / flops.unit for flops in columns}
        for column, count in counted.items():
            if not _same(count, table.columns[column][index], rounding[column]):
                differing[column].append(architecture)
        advance()
    facts, faults = [], []
    for column, architectures in differing.items():
        equal = len(chosen) - len(architectures)
        facts.append(f"{equal} of {len(chosen)} networks built have the table's {named[column]}")
        if missing := int(np.isnan(table.columns[column][list(chosen)]).sum()):
            facts.append(f"{missing} of these have no {column}, and are not compared")
        other = "another number of parameters" if column == "params" else f"other {column}"
        faults += [f"{architecture} has {other} than in the table" for architecture in architectures[:1]]
    return Checked(tuple(facts), tuple(faults))


def _same(counted: float, stated: float, rounding: Rounding) -> bool:
    return math.isnan(stated) or abs(counted - stated) <= rounding.absolute + rounding.relative * abs(stated)
