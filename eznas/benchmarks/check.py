"""Checking a table: its number of architectures, its best values, and the costs of networks built from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from eznas.benchmarks.conversion import ROUNDING
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from eznas.benchmarks.catalog import BenchmarkInfo, FlopsColumn
    from eznas.benchmarks.table import AccuracyTable
    from eznas.spaces import SearchSpace

__all__ = ["CLASSES", "SCORES", "Checked", "check_table", "multiply_adds", "sampled"]

CLASSES = {
    "cifar10": 10,
    "cifar100": 100,
    "svhn": 10,
    "imagenet16-120": 120,
    "imagenet": 1000,
    "class_scene": 63,
    "class_object": 100,
}
"""Classes of the data sets whose networks are built; the other tasks of TransNAS-Bench-101 have other heads."""

_PIXELS = {"imagenet16-120": 16}
"""Images of data sets that are smaller than those of a space's full fidelity."""

SCORES = "zc_"
"""Benchmarks of scores, in which ``params`` is a proxy's score."""


@dataclass(frozen=True)
class Checked:
    """What was found.

    Args:
        facts: What holds, and what could not be compared, in sentences.
        faults: What does not hold.
    """

    facts: tuple[str, ...]
    faults: tuple[str, ...]


def check_table(info: BenchmarkInfo, table: AccuracyTable, networks: int, told: Callable[[], None]) -> Checked:
    """Compare a table with what is published of its benchmark, and with networks built from it.

    Args:
        info: The benchmark.
        table: Accuracies on one of its data sets.
        networks: How many networks are built, see ``sampled``.
        told: Is called after each network.
    """
    facts, faults = _best_values(info, table)
    dataset = table.target.dataset
    chosen = sampled(info, table, networks)
    if chosen:
        found = _costs(info, table, chosen, told)
        facts += found.facts
        faults += found.faults
    elif _has_costs(info, table):
        facts.append(f"networks for {dataset}, which have another head, are not built, and their costs not compared")
    return Checked(tuple(facts), tuple(faults))


def sampled(info: BenchmarkInfo, table: AccuracyTable, networks: int) -> list[int]:
    """Return the places of so many networks at equal steps through a table; none where costs cannot be compared.

    Args:
        info: The benchmark.
        table: Accuracies on one of its data sets.
        networks: How many; 0 for all.
    """
    if not _has_costs(info, table) or table.target.dataset not in CLASSES:
        return []
    count = min(networks or len(table), len(table))
    return [place * len(table) // count for place in range(count)]


def _has_costs(info: BenchmarkInfo, table: AccuracyTable) -> bool:
    return "params" in table.columns and not info.name.startswith(SCORES)


def _best_values(info: BenchmarkInfo, table: AccuracyTable) -> tuple[list[str], list[str]]:
    facts, faults = [], []
    if info.architectures:
        verdict = "as published" if len(table) == info.architectures else f"of {info.architectures} published"
        facts.append(f"{len(table)} architectures, {verdict}")
    for column, best in info.best.get(table.target.dataset, {}).items():
        if column not in table.columns:
            facts.append(f"the table has no column {column}, whose best is {best} as published")
            continue
        values: NDArray[np.float64] = table.columns[column]
        found, missing = np.fmax.reduce(values), int(np.isnan(values).sum())
        if missing:
            facts.append(f"{missing} architectures have no {column}")
        if abs(found - best) <= ROUNDING:
            facts.append(f"the best {column} is {best}, as published")
        elif len(table) == info.architectures:
            faults.append(f"the best {column} must be {best}, got {found:.4f}")
    return facts, faults


def _costs(info: BenchmarkInfo, table: AccuracyTable, chosen: Sequence[int], told: Callable[[], None]) -> Checked:
    """Compare parameters, and multiply-adds where the table has them, with those of networks that are built."""
    space, flops = SPACES[info.space], info.flops
    counted = flops is not None and flops.column in table.columns
    wrong: list[str] = []
    other: list[str] = []
    for index in chosen:
        architecture, params = table.architectures[index], table.columns["params"][index]
        network = _built(info, space, architecture, table.target.dataset)
        if _parameters(network) != params:
            wrong.append(architecture)
        elif flops is not None and counted and not _agrees(info, table, index, network, flops):
            other.append(architecture)
        told()
    equal = len(chosen) - len(wrong)
    facts = [f"{equal} of {len(chosen)} networks built have the table's number of parameters"]
    if flops is not None and counted:
        facts.append(f"{equal - len(other)} of these {equal} have the table's {flops.column}: {flops.definition}")
    faults = [f"{one} has another number of parameters than the table says" for one in wrong[:1]]
    if flops is not None:
        faults += [f"{one} has other {flops.column} than the table says" for one in other[:1]]
    return Checked(tuple(facts), tuple(faults))


def _built(info: BenchmarkInfo, space: SearchSpace, architecture: str, dataset: str) -> nn.Module:
    import torch

    with torch.device("meta"):
        return space.build(architecture, space.fidelities[info.fidelity], CLASSES[dataset])


def _parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _agrees(info: BenchmarkInfo, table: AccuracyTable, index: int, network: nn.Module, flops: FlopsColumn) -> bool:
    pixels = _PIXELS.get(table.target.dataset, SPACES[info.space].fidelities[info.fidelity].pixels)
    found = multiply_adds(network, pixels, bias=flops.bias) / flops.unit
    return bool(np.isclose(found, table.columns[flops.column][index], rtol=1e-7, atol=0))


def multiply_adds(network: nn.Module, pixels: int, *, bias: bool) -> int:
    """Return the multiply-adds of one image in convolutions and linear layers, one multiply-add as one.

    Args:
        network: On torch's meta device, so that nothing is computed.
        pixels: Height and width of the image.
        bias: Whether adding a bias counts as one too.
    """
    import torch
    from torch import nn

    total = 0

    def count(module: nn.Module, _given: object, out: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d | nn.Linear):
            total += out.numel() * (module.weight[0].numel() + (bias and module.bias is not None))

    handles = [module.register_forward_hook(count) for module in network.modules()]
    try:
        network.eval()(torch.empty((1, 3, pixels, pixels), device="meta"))
    finally:
        for handle in handles:
            handle.remove()
    return total
