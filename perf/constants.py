"""What a whole benchmark would take on a cluster: the constants are measured here, the rest is arithmetic.

Random reductions are evaluated on networks of NAS-Bench-201 as a worker does it. The processor seconds of a call, the
bytes that go to the worker and back, and the bytes of a vector in the store are printed by size of the networks. Below
them stands what many reductions on all networks take on a number of cores: see ``docs/scaling.md``. Programs above
known reductions are timed by ``perf/upper.py``.

    python perf/constants.py [--quick] [--sample 5] [--reductions 10000] [--cores 128] [--json FILE]
"""

from __future__ import annotations

import functools
import pickle
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import torch
from figures import write_figures

from eznas.cli.console import Command, print_table
from eznas.gp.grammar import random_reduction
from eznas.minibatch import load_minibatch
from eznas.primitives import STATISTICS
from eznas.programs.memory import kind_bytes
from eznas.scoring import Condition
from eznas.scoring.condition import installation
from eznas.scoring.evaluate_networks import NetworkBatch, evaluate_networks
from eznas.scoring.vector_store import VectorStore
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALL = 15_625
"""Networks of NAS-Bench-201."""

_AT_ONCE = 80
"""Reductions of a call."""


def constants(condition: Condition, architectures: Sequence[str], texts: tuple[str, ...]) -> dict[str, float]:
    """Return the means over calls with one network each."""
    call = functools.partial(evaluate_networks, condition, texts, None, None)
    total = dict.fromkeys(("processor_seconds", "units", "bytes_sent", "bytes_back", "statistics_mib"), 0.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.sqlite"
        with VectorStore(path) as store:
            for architecture in architectures:
                begun = time.process_time()
                (vectors,) = call(NetworkBatch([architecture]))
                total["processor_seconds"] += time.process_time() - begun
                total["units"] += vectors.units
                total["bytes_sent"] += len(pickle.dumps((call, 0, NetworkBatch([architecture]), installation())))
                total["bytes_back"] += len(pickle.dumps((0, [vectors])))
                sizes = kind_bytes(condition.network(architecture), condition.minibatch)
                total["statistics_mib"] += sum(sizes[one.kind] for one in STATISTICS.values()) / 2**20
                store.save(architecture, texts, vectors.values)
        stored = path.stat().st_size / len(texts)
    return {name: value / len(architectures) for name, value in {**total, "bytes_stored": stored}.items()}


def sums(found: dict[str, float], reductions: int, cores: int) -> list[object]:
    """Return core hours, hours, and GB through the scheduler and in the store, of reductions on all networks."""
    calls = _ALL * reductions / _AT_ONCE
    hours = calls * found["processor_seconds"] / 3600
    sent = calls * (found["bytes_sent"] + found["bytes_back"]) / 1e9
    return [
        round(hours, 1),
        round(hours / cores, 2),
        round(sent, 1),
        round(_ALL * reductions * found["bytes_stored"] / 1e9, 1),
    ]


@click.command(cls=Command)
@click.option("--quick", is_flag=True, help="One network of the smallest size.")
@click.option("--sample", default=5, help="Networks of each size.")
@click.option("--reductions", default=10_000, help="Distinct reductions that all programs are made of.")
@click.option("--cores", default=128, help="Cores of the cluster.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(*, quick: bool, sample: int, reductions: int, cores: int, seed: int, json_file: Path | None) -> None:
    """Measure the constants of the arithmetic and do it."""
    torch.set_num_threads(1)
    space, rng = SPACES["nasbench201"], random.Random(seed)
    texts = tuple(random_reduction(rng, 2).text for _ in range(_AT_ONCE))
    architectures = [space.sample(rng) for _ in range(1 if quick else sample)]
    minibatch = load_minibatch("digits", 16, seed=seed)
    found = {
        name: constants(Condition.of(space.name, space.fidelities[name], seed, minibatch), architectures, texts)
        for name in (("reduced_wide",) if quick else (*space.reduced, "full"))
    }
    print_table(
        f"a call for {_AT_ONCE} random reductions, on average over {len(architectures)} networks",
        ["size", *next(iter(found.values()))],
        [[name, *[round(value, 2) for value in one.values()]] for name, one in found.items()],
    )
    print_table(
        f"{reductions} reductions on {_ALL} networks (arithmetic, not a run)",
        ["size", "core hours", f"hours on {cores} cores", "GB through the scheduler", "GB in the store"],
        [[name, *sums(one, reductions, cores)] for name, one in found.items()],
    )
    write_figures(json_file, {"networks": len(architectures), **found})


if __name__ == "__main__":
    main()
