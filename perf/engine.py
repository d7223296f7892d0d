"""The engine against the two ways in which others evaluate a population, in one run.

A tournament run (``perf/tournament.py``) is recorded; its generations are the load. Three ways evaluate it on the same
networks, in one process on one thread:

- ``engine``: ``eznas.scoring.Panel``, its capture of what the programs read included;
- ``deap``: all 22 statistics of the reference are captured once a network and kept; each individual is compiled with
  ``deap.gp.compile`` once and called on every network, each of its functions on every unit;
- ``reference``: as the released EZNAS code does it: the 22 statistics are captured anew for every individual. The
  capture is ours, which shares passes between statistics and puts no hooks on modules; the network is built once.

The last two are timed on a sample of the individuals and scaled up; what the sample gives must equal what the engine
gives to 1e-5. Times are processor seconds, so that what else runs on the machine matters little. The counts of nodes
and bytes do not depend on the machine.

    python perf/engine.py [--quick] [--fresh 0.5] [--json FILE]
"""

from __future__ import annotations

import random
import resource
import time
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import torch
from deap import gp
from figures import write_figures
from tournament import REFERENCE, Load, distinct_nodes, nodes, record, sampled

from eznas import primitives
from eznas.capture import capture
from eznas.cli.console import Command, print_table
from eznas.minibatch import load_minibatch
from eznas.primitives import Floor, Kind
from eznas.programs import preorder
from eznas.scoring import Captures, Condition, Panel
from eznas.scoring.executor import SerialExecutor
from eznas.spaces import SPACES, Fidelity

_KEPT = 2**30
"""Bytes of statistics that the engine keeps between generations; the DEAP loop keeps them all."""

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from eznas.capture import Capture
    from eznas.programs import Node


class DeapLoop:
    """Programs as DEAP compiles and calls them; a function of the tensor floor is called on each unit."""

    def __init__(self) -> None:
        self._pset = gp.PrimitiveSet("MAIN", 0)
        self._pset.arguments = [name.replace(".", "_") for name in REFERENCE]

    def compiled(self, program: Node) -> Callable[..., Tensor]:
        """Compile a program: from a list of tensors a statistic, one tensor a unit, to the network's number."""
        found: Callable[..., Tensor] = gp.compile(
            gp.PrimitiveTree([self._piece(node) for node in preorder(program)]), self._pset
        )
        return found

    def _piece(self, node: Node) -> gp.Primitive | gp.Terminal:
        if not node.args:
            value = float(node.name) if node.kind is Kind.LITERAL else node.name.replace(".", "_")
            return gp.Terminal(value, isinstance(value, str), object)
        kinds = [arg.kind for arg in node.args]
        name = "_".join([node.name, *(kind.name for kind in kinds)])
        function: Callable[..., object] = primitives.resolve(node.name, kinds)[0].function
        if kinds[0].floor is Floor.TENSOR:
            function = _over_units(function, reduces=node.kind is Kind.UNIT)
        self._pset.context[name] = function
        return gp.Primitive(name, [object] * len(kinds), object)


def _over_units(function: Callable[..., Any], *, reduces: bool) -> Callable[..., object]:
    def over_units(*args: Any) -> object:
        columns = [repeat(arg) if isinstance(arg, float) else arg for arg in args]
        found = [function(*unit) for unit in zip(*columns, strict=False)]
        return torch.cat(found).double() if reduces else found

    return over_units


def cached_units(captured: Capture) -> list[list[Tensor]]:
    """Return for each statistic a list of one tensor a unit, in execution order."""
    places = sorted(
        (unit, group, place) for group, one in enumerate(captured.groups) for place, unit in enumerate(one.units)
    )
    return [[captured.groups[group].tensors[name][place][None] for _, group, place in places] for name in REFERENCE]


def compare(panel: Panel, load: Load, sample: int, rng: random.Random) -> dict[str, float]:
    """Time the two other ways on a sample of the individuals; return seconds for the whole load.

    Raises:
        AssertionError: They give something else than the engine.
    """
    loop = DeapLoop()
    chosen = rng.sample(load.individuals, min(sample, len(load.individuals)))
    begun = time.process_time()
    functions = [loop.compiled(program) for program in chosen]
    called = time.process_time() - begun
    captured_in = 0.0
    for place, architecture in enumerate(panel.architectures):
        network = panel.condition.network(architecture)
        begun = time.process_time()
        units = cached_units(capture(network, panel.condition.minibatch, REFERENCE))
        captured_in += time.process_time() - begun
        begun = time.process_time()
        with torch.inference_mode():
            found = [float(function(*units)) for function in functions]
        called += time.process_time() - begun
        expected = [load.scores[program][place] for program in chosen]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-12)
    individuals = len(load.individuals)
    each = called / len(chosen)
    return {"deap": captured_in + each * individuals, "reference": (captured_in + each) * individuals}


def figures(panel: Panel, load: Load, kept: Captures, seconds: dict[str, float]) -> dict[str, Any]:
    """Return what ``--json`` writes."""
    individuals, engine = load.individuals, sum(load.seconds)
    evaluations = len(individuals) * len(panel.architectures)
    return {
        "condition": str(panel.condition),
        "networks": len(panel.architectures),
        "individuals": len(individuals),
        "distinct_individuals": len(set(individuals)),
        "nodes": nodes(individuals),
        "distinct_nodes": distinct_nodes(individuals),
        "nodes_by_generation": [nodes(generation) for generation in load.generations],
        "new_nodes_by_generation": _new_nodes(load.generations),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "seconds_by_generation": [round(value, 3) for value in load.seconds],
        "evaluations_a_second": {name: round(evaluations / value, 1) for name, value in seconds.items()},
        "times_the_engine": {name: round(value / engine, 1) for name, value in seconds.items()},
        "kept_mib": round(kept.bytes / 2**20, 1),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def _new_nodes(generations: Sequence[Sequence[Node]]) -> list[int]:
    known, counts = 0, []
    for end in range(1, len(generations) + 1):
        total = distinct_nodes([program for generation in generations[:end] for program in generation])
        counts.append(total - known)
        known = total
    return counts


@click.command(cls=Command)
@click.option("--quick", is_flag=True, help="3 networks, 50 programs, 5 generations.")
@click.option("--size", default="1,8,8,8", help="Cells a stage, channels, pixels and images.")
@click.option("--paper", is_flag=True, help="Programs as the paper's: one mean over units at the root.")
@click.option("--networks", default=16, help="Networks.")
@click.option("--programs", default=200, help="Programs of a generation.")
@click.option("--generations", default=20, help="Generations.")
@click.option("--fresh", default=0.0, help="Share of every generation that is drawn at random.")
@click.option("--sample", default=100, help="Individuals that the other ways are timed on.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(
    *,
    quick: bool,
    size: str,
    paper: bool,
    networks: int,
    programs: int,
    generations: int,
    fresh: float,
    sample: int,
    seed: int,
    json_file: Path | None,
) -> None:
    """Compare the engine with a DEAP loop over cached statistics and with capturing for every individual."""
    torch.set_num_threads(1)
    if quick:
        networks, programs, generations, sample = 3, 50, 5, 20
    space, rng = SPACES["nasbench201"], random.Random(seed)
    minibatch = load_minibatch("digits", 16, seed=seed)
    cells, channels, pixels, images = map(int, size.split(","))
    fidelity = Fidelity(size, cells=cells, channels=channels, pixels=pixels, batch=images)
    condition = Condition.of(space.name, fidelity, seed, minibatch)
    kept = Captures(_KEPT)
    panel = Panel(condition, sampled(space, rng, networks), executor=SerialExecutor(captures=kept))
    convolutions = np.array([one.count("conv") + 0.1 * one.count("3x3") for one in panel.architectures])
    load = record(panel, convolutions, rng, programs, generations, paper=paper, fresh=fresh)
    seconds = {"engine": sum(load.seconds), **compare(panel, load, sample, rng)}
    found = figures(panel, load, kept, seconds)
    print_table(
        f"{found['individuals']} individuals ({found['distinct_individuals']} distinct), {found['nodes']} operator "
        f"nodes ({found['distinct_nodes']} distinct), {networks} networks, {condition}",
        ["way", "processor seconds", "programs x networks a second", "times the engine"],
        [
            [name, f"{value:.1f}", found["evaluations_a_second"][name], found["times_the_engine"][name]]
            for name, value in seconds.items()
        ],
    )
    write_figures(json_file, found)


if __name__ == "__main__":
    main()
