"""How many programs a second are scored from known reductions, tau included: the cheap step of the evolution.

Vectors are made up, as many numbers as NAS-Bench-201's networks have units; programs are bred and judged as the
evolution does it, generation after generation, so that each brings terms that were known before and new ones. What is
timed is the judging of offspring: scores on all networks, tau, and the key that finds programs that rank alike. Every
process runs its own load on one thread; rates are by processor seconds and add up.

    python perf/upper.py [--workers 2] [--networks 400] [--json FILE]
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import torch
from figures import write_figures
from joblib import Parallel, delayed
from tournament import sampled

from eznas.cli.console import Command, print_table
from eznas.config import EvolveConfig
from eznas.gp.fitness import FitnessCase, FitnessEvaluator
from eznas.gp.grammar import random_program, random_reduction
from eznas.gp.population import Breeder
from eznas.minibatch import load_minibatch
from eznas.scoring import Condition, Panel
from eznas.scoring.evaluate_networks import Vectors

if TYPE_CHECKING:
    from eznas.programs import Node

_REDUCTIONS = 80
_HELD_OUT = 10


def made_up(networks: int, seed: int) -> tuple[Panel, list[Node]]:
    """Return a panel whose vectors are drawn at random, and its reductions."""
    from eznas.spaces import SPACES  # by name: a registry that is sent to another process arrives empty

    space, rng = SPACES["nasbench201"], random.Random(seed)
    condition = Condition.of(space.name, space.fidelities["reduced_wide"], seed, load_minibatch("digits", 16))
    panel = Panel(condition, sampled(space, rng, networks))
    reductions = list(dict.fromkeys(random_reduction(rng, 2) for _ in range(_REDUCTIONS)))
    numbers = np.random.default_rng(seed)
    units = [3 * one.count("conv") + 2 for one in panel.architectures]
    panel.table.learn(reductions, [Vectors(count, 0.1 + numbers.random((len(reductions), count))) for count in units])
    return panel, reductions


def judged(networks: int, generations: int, population: int, seed: int) -> tuple[int, float]:
    """Return how many programs were judged, and in how many processor seconds."""
    torch.set_num_threads(1)
    panel, reductions = made_up(networks + _HELD_OUT, seed)
    accuracies = np.random.default_rng(seed + 1).random(networks + _HELD_OUT)
    evaluator = FitnessEvaluator([FitnessCase(panel, accuracies, np.arange(len(accuracies)) < networks)])
    breeder, rng = Breeder(evaluator, EvolveConfig()), random.Random(seed)
    drawn = dict.fromkeys(random_program(rng, rng.randint(0, 2), reductions) for _ in range(population))
    living, count, seconds = breeder.individuals(list(drawn)), 0, 0.0
    for _ in range(generations):
        offspring = [*breeder.offspring(rng, living, population, reductions)]
        begun = time.process_time()
        verdicts = evaluator.evaluate(offspring)
        seconds += time.process_time() - begun
        count += len(verdicts)
        living = breeder.survivors(rng, [*living, *breeder.individuals(offspring)], population)
    return count, seconds


@click.command(cls=Command)
@click.option("--workers", default=2, help="Processes.")
@click.option("--networks", default=400, help="Networks that tau is computed on.")
@click.option("--generations", default=10, help="Generations.")
@click.option("--population", default=200, help="Programs of a generation.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(*, workers: int, networks: int, generations: int, population: int, seed: int, json_file: Path | None) -> None:
    """Time programs made of known reductions."""
    jobs = [delayed(judged)(networks, generations, population, seed + one) for one in range(workers)]
    found = Parallel(n_jobs=workers)(jobs) if workers > 1 else [judged(networks, generations, population, seed)]
    rates = [round(count / seconds) for count, seconds in found]
    print_table(
        f"programs of known reductions on {networks} networks, tau included",
        ["process", "programs", "processor seconds", "programs a second"],
        [[str(place), count, round(spent, 2), rates[place]] for place, (count, spent) in enumerate(found)]
        + [["all", sum(count for count, _ in found), None, sum(rates)]],
    )
    write_figures(json_file, {"networks": networks, "workers": workers, "programs_a_second": sum(rates)})


if __name__ == "__main__":
    main()
