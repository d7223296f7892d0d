"""The engine against the two ways in which others evaluate a population, in one run.

A tournament run over programs of one reduction each (as EZNAS evolves them) is recorded; its generations are the load.
Three ways evaluate it on the same networks:

- ``engine``: ``eznas.scoring.Panel``: what is new in a generation, shared subexpressions once, units stacked by shape;
- ``deap``: statistics are captured once a network; each individual is compiled with ``deap.gp.compile`` and called on
  every unit;
- ``reference``: as the released EZNAS code does it: all its 22 statistics are captured anew for every individual.

The last two are timed on a sample of the individuals and scaled up; what the sample gives must equal what the engine
gives to 1e-5. The counts of nodes do not depend on the machine. Run it alone on a machine:

    python perf/engine.py --json perf/engine.json
"""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import torch
from deap import gp

import primitives
from eznas.capture import capture
from eznas.console import print_table
from eznas.gp.grammar import random_reduction, random_tensor
from eznas.minibatch import load_minibatch
from eznas.programs import Node, apply, preorder, replace, statistics
from eznas.ranking import TauTarget
from eznas.run import versions
from eznas.scoring import Condition, Panel
from eznas.spaces import SPACES
from primitives import STATISTICS, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eznas.capture import Capture

_REFERENCE = [name for name, fact in STATISTICS.items() if fact.reference_index is not None]
_DEPTH = 4


@dataclass
class Load:
    """A recorded tournament run.

    Args:
        generations: For each generation the individuals to evaluate: the varied ones, equal ones included.
        seconds: What the engine took, each generation's capture and evaluation.
        scores: What it gave, ``n`` numbers an individual.
    """

    generations: list[list[Node]] = field(default_factory=list)
    seconds: float = 0.0
    scores: dict[Node, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def individuals(self) -> list[Node]:
        """All individuals of all generations."""
        return [program for generation in self.generations for program in generation]


def record(
    condition: Condition, networks: Sequence[str], programs: int, generations: int, fresh: float, seed: int
) -> Load:
    """Evolve programs by tournaments of four, crossover and mutation .4 each, and evaluate them with the engine.

    Args:
        condition: How the networks are built and run.
        networks: On which fitness is the tau with their number of convolutions.
        programs: Individuals of a generation.
        generations: How many.
        fresh: Share of every generation that is drawn at random instead of bred.
        seed: Seed of the run.
    """
    rng, load, panel = random.Random(seed), Load(), Panel(condition, networks)
    target = TauTarget(np.array([one.count("conv") for one in networks], dtype=np.float64))
    population = [(_random(rng), True) for _ in range(programs)]
    for _ in range(generations):
        load.generations.append([program for program, varied in population if varied])
        begun = time.perf_counter()
        panel.extend([program.args[0] for program, _ in population])
        scores = panel.scores([program for program, _ in population])
        load.seconds += time.perf_counter() - begun
        load.scores |= {program: row for (program, _), row in zip(population, scores, strict=True)}
        taus = np.nan_to_num(target.taus(scores), nan=-1.0)

        def select(taus: NDArray[np.float64] = taus, living: list[tuple[Node, bool]] = population) -> Node:
            return living[max(rng.sample(range(len(living)), 4), key=lambda index: float(taus[index]))][0]

        drawn = round(fresh * programs)
        bred = [_varied(rng, select(), select()) for _ in range(programs - drawn)]
        population = bred + [(_random(rng), True) for _ in range(drawn)]
    return load


def _random(rng: random.Random) -> Node:
    while True:
        reduction = random_reduction(rng, rng.randint(1, _DEPTH))
        if not reduction.name.endswith("eig_ratio") and statistics([reduction]) <= set(_REFERENCE):
            return apply("mean", reduction)


def _varied(rng: random.Random, first: Node, second: Node) -> tuple[Node, bool]:
    """Return an offspring and whether it is more than a copy, as DEAP's varOr makes them."""
    way = rng.random()
    places = [
        (index, node) for index, node in enumerate(preorder(first)) if index > 1 and node.kind is not Kind.LITERAL
    ]
    if way >= 0.8 or not places:  # noqa: PLR2004 - a fifth are copies
        return first, False
    index, old = rng.choice(places)
    donors = [node for node in preorder(second) if node.kind is old.kind]
    new = rng.choice(donors) if way < 0.4 and donors else random_tensor(rng, old.kind, rng.randint(0, 2))  # noqa: PLR2004
    child = replace(first, index, new)
    usable = child.height <= 2 + _DEPTH and statistics([child]) <= set(_REFERENCE)
    return (child, True) if usable else (first, False)


class DeapLoop:
    """Programs as DEAP compiles and calls them: one call a unit."""

    def __init__(self) -> None:
        self.pset = gp.PrimitiveSet("MAIN", 0)
        self.pset.arguments = [name.replace(".", "_") for name in _REFERENCE]

    def compiled(self, program: Node) -> Any:
        """Compile the reduction of a program."""
        return gp.compile(gp.PrimitiveTree([self._piece(node) for node in preorder(program.args[0])]), self.pset)

    def _piece(self, node: Node) -> gp.Primitive | gp.Terminal:
        if not node.args:
            value = float(node.name) if node.kind is Kind.LITERAL else node.name.replace(".", "_")
            return gp.Terminal(value, isinstance(value, str), object)
        kinds = [arg.kind for arg in node.args]
        name = "_".join([node.name, *(kind.name for kind in kinds)])
        self.pset.context[name] = primitives.resolve(node.name, kinds)[0].function
        return gp.Primitive(name, [object] * len(kinds), object)

    def score(self, program: Node, captured: Capture) -> float:
        """Score one network unit by unit: the mean of the units' numbers."""
        function = self.compiled(program)
        values = []
        with torch.inference_mode():
            for group in captured.groups:
                for place in range(len(group.units)):
                    tensors = [group.stacked(name, place, place + 1) for name in _REFERENCE if name in group.tensors]
                    values.append(float(function(*tensors)))
        return float(np.mean(values))


def nodes(programs: Sequence[Node]) -> int:
    """Count operator nodes, each occurrence."""
    return sum(1 for program in programs for node in preorder(program.args[0]) if node.args)


def distinct_nodes(programs: Sequence[Node]) -> int:
    """Count distinct operator nodes."""
    return len({node for program in programs for node in preorder(program.args[0]) if node.args})


def compare(condition: Condition, networks: Sequence[str], load: Load, sample: int, seed: int) -> dict[str, float]:
    """Time the two other ways on a sample of the individuals; return seconds for the whole load.

    Raises:
        AssertionError: They give something else than the engine.
    """
    rng, loop = random.Random(seed), DeapLoop()
    chosen = rng.sample(load.individuals, min(sample, len(load.individuals)))
    seconds = {"deap": 0.0, "reference": 0.0}
    for place, architecture in enumerate(networks):
        begun = time.perf_counter()
        captured = capture(condition.network(architecture), condition.minibatch, _REFERENCE)
        captured_in = time.perf_counter() - begun
        begun = time.perf_counter()
        found = [loop.score(program, captured) for program in chosen]
        each = (time.perf_counter() - begun) / len(chosen)
        np.testing.assert_allclose(found, [load.scores[program][place] for program in chosen], rtol=1e-5, atol=1e-12)
        seconds["deap"] += captured_in + each * len(load.individuals)
        seconds["reference"] += (captured_in + each) * len(load.individuals)
    return seconds


@click.command()
@click.option("--fidelity", default="reduced_wide", help="Size of the networks.")
@click.option("--networks", default=6, help="Networks.")
@click.option("--programs", default=200, help="Programs of a generation.")
@click.option("--generations", default=20, help="Generations.")
@click.option("--fresh", default=0.0, help="Share of every generation that is drawn at random.")
@click.option("--sample", default=60, help="Individuals that the other ways are timed on.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(
    fidelity: str,
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
    space, rng = SPACES["nasbench201"], random.Random(seed)
    minibatch = load_minibatch("digits", 16, seed=seed)
    condition = Condition.of(space.name, space.fidelities[fidelity], seed, minibatch)
    drawn = [space.sample(rng) for _ in range(networks)]
    load = record(condition, drawn, programs, generations, fresh, seed)
    seconds = {"engine": load.seconds, **compare(condition, drawn, load, sample, seed)}
    individuals = load.individuals
    figures = {
        "condition": str(condition),
        "networks": networks,
        "programs": programs,
        "generations": generations,
        "fresh": fresh,
        "individuals": len(individuals),
        "distinct_individuals": len(set(individuals)),
        "nodes": nodes(individuals),
        "distinct_nodes": distinct_nodes(individuals),
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
        "times_the_engine": {name: round(value / load.seconds, 1) for name, value in seconds.items()},
        "versions": versions(),
    }
    print_table(
        f"{len(individuals)} individuals ({len(set(individuals))} distinct), {figures['nodes']} operator nodes "
        f"({figures['distinct_nodes']} distinct), {networks} networks, {condition}",
        ["way", "seconds", "times the engine"],
        [[name, f"{value:.1f}", f"{value / load.seconds:.1f}"] for name, value in seconds.items()],
    )
    if json_file is not None:
        json_file.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
