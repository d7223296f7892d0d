"""One visit of a network in processor seconds: build it, capture its statistics, evaluate reductions on them.

An evolution and a verification visit every network in this way, so that their time is the number of visits times these
seconds. With ``--against``, the same visits run in another checkout of eznas too: both run in processes of their own,
in turns, so that the load of the machine affects both alike. The figures are the least of all rounds.

    python perf/visit.py [--quick] [--against CHECKOUT] [--space nasbench201] [--rounds 5] [--json FILE]
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import torch
from checkouts import in_checkout
from figures import write_figures

from eznas.capture import capture
from eznas.cli.console import Command, print_table
from eznas.gp.grammar import random_reduction
from eznas.minibatch import load_minibatch
from eznas.programs import evaluate_reductions, statistics
from eznas.scoring import Condition
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEPS = ("build", "capture", "evaluate")


def visited(space_name: str, fidelity: str, networks: int, reductions: int, images: int, seed: int) -> dict[str, float]:
    """Return the mean processor seconds of each step over networks; a first network warms up and does not count."""
    space, rng = SPACES[space_name], random.Random(seed)
    nodes = [random_reduction(rng, 2) for _ in range(reductions)]
    names = sorted(statistics(nodes))
    minibatch = load_minibatch("digits", images, seed=seed)
    condition = Condition.of(space_name, space.fidelities[fidelity], seed, minibatch)
    seconds = dict.fromkeys(_STEPS, 0.0)
    for place in range(networks + 1):
        architecture = space.sample(rng)
        times = [time.process_time()]
        network = condition.network(architecture)
        times.append(time.process_time())
        captured = capture(network, condition.minibatch, names)
        times.append(time.process_time())
        evaluate_reductions(nodes, captured)
        times.append(time.process_time())
        if place:
            for step, begun, ended in zip(_STEPS, times, times[1:], strict=False):
                seconds[step] += (ended - begun) / networks
    return {**seconds, "visit": sum(seconds.values())}


def least_of_rounds(checkouts: Sequence[Path], rounds: int, options: dict[str, Any]) -> list[dict[str, float]]:
    """Return for each checkout, the first of which is this one, the least seconds of each step."""
    least: list[dict[str, float]] = [{} for _ in checkouts]
    for _ in range(rounds):
        for figures, checkout in zip(least, checkouts, strict=True):
            seconds = in_checkout(__file__, checkout, options) if len(checkouts) > 1 else visited(**options)
            for step, value in seconds.items():
                figures[step] = min(figures.get(step, value), value)
    return least


def ratio(least: Sequence[dict[str, float]], step: str) -> list[float]:
    """Return how many times the seconds of this checkout the other one took; nothing without another."""
    return [round(other[step] / least[0][step], 2) for other in least[1:]]


@click.command(cls=Command)
@click.option("--quick", is_flag=True, help="One network of the smallest size, one round.")
@click.option("--against", type=click.Path(path_type=Path, exists=True), help="Another checkout to compare with.")
@click.option("--space", "space_name", default="nasbench201", help="Search space.")
@click.option("--fidelity", default="", help="One size of the networks.  [default: reduced and full]")
@click.option("--networks", default=6, help="Networks.")
@click.option("--reductions", default=60, help="Random reductions.")
@click.option("--images", default=8, help="Images; a size of networks may use fewer.")
@click.option("--rounds", default=5, help="Rounds, of which the fastest counts.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--child", is_flag=True, hidden=True, help="Read the arguments of one round as JSON, and print it.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(
    *,
    quick: bool,
    against: Path | None,
    space_name: str,
    fidelity: str,
    networks: int,
    reductions: int,
    images: int,
    rounds: int,
    seed: int,
    child: bool,
    json_file: Path | None,
) -> None:
    """Time the steps of a visit, here and in another checkout."""
    torch.set_num_threads(1)
    if child:
        click.echo(json.dumps(visited(**json.load(sys.stdin))))
        return
    fidelities = [fidelity] if fidelity else [*SPACES[space_name].reduced, "full"]
    if quick:
        fidelities, networks, reductions, rounds = fidelities[:1], 1, 5, 1
    checkouts = [Path(__file__).parents[1], *([against] if against else [])]
    found: dict[str, list[dict[str, float]]] = {}
    for name in fidelities:
        options = {"space_name": space_name, "fidelity": name, "networks": networks, "reductions": reductions}
        found[name] = least_of_rounds(checkouts, rounds, {**options, "images": images, "seed": seed})
    print_table(
        f"a visit in processor milliseconds, mean over {networks} networks of {space_name}; {reductions} reductions",
        ["size", "step", "here", *(["other checkout", "ratio"] if against else [])],
        [
            [name, step, *(round(1e3 * figures[step], 1) for figures in least), *ratio(least, step)]
            for name, least in found.items()
            for step in (*_STEPS, "visit")
        ],
    )
    write_figures(json_file, found)


if __name__ == "__main__":
    main()
