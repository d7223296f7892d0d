"""The paper's budget: what its whole search takes here, in wall time and in memory of all processes together.

EZNAS searches with 50 programs for 15 generations on 80 networks: half of every generation is bred (``varOr`` of the
winners of tournaments of four), half is drawn anew; a program is the mean over units of a tree that is at most 10 high.
Programs read the released code's 22 statistics on three scenarios (the minibatch, noise, the minibatch perturbed).
Networks are NAS-Bench-201's at full size, all from one space, on 16 images. Accuracies are made up from the numbers of
convolutions: they decide what is bred, not what it costs. As in an evolution, a program without a value on the first
two networks is not evaluated on the others, since it has no tau.

Processes and memory are shared out as ``--workers`` and ``--memory`` of an evolution do. Memory is looked at every
second (``perf/memory.py``); the sum of the peaks that the kernel saw in each process is a bound that misses nothing.
With smaller numbers than the paper's, the time is scaled to its budget, which is no measurement of it.

    python perf/search_budget.py [--quick] [--networks 80] [--generations 15] [--json FILE]
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from figures import write_figures
from memory import Meter, processor_seconds
from tournament import REFERENCE, distinct_nodes, nodes, record, sampled

from eznas.cli.console import Command, print_table
from eznas.fields import parse_size
from eznas.minibatch import load_minibatch
from eznas.primitives import STATISTICS
from eznas.programs import statistics
from eznas.programs.memory import kind_bytes
from eznas.report.display import Display
from eznas.run import versions
from eznas.scoring import Condition, Executor, Panel, local_executor
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.programs import Node
    from eznas.progress import Progress

_PROGRAMS, _NETWORKS, _GENERATIONS, _IMAGES, _FRESH = 50, 80, 15, 16, 0.5
_EVERY = 1.0
"""Seconds between two looks at the memory: each costs a hundredth of a second for every half gigabyte."""


class Watched(Panel):
    """A panel that runs networks in several processes, shows how far it is, and remembers what it was asked.

    Attributes:
        read: For each call of ``extend``, the statistics that its reductions read.
        reductions: All that were evaluated.
        seconds: Wall time of each call.
    """

    def __init__(
        self, condition: Condition, architectures: Sequence[str], executor: Executor, progress: Progress
    ) -> None:
        super().__init__(condition, architectures, executor=executor)
        self.read: list[frozenset[str]] = []
        self.reductions: dict[Node, None] = {}
        self.seconds: list[float] = []
        self._progress = progress

    def extend(
        self,
        reductions: Sequence[Node],
        progress: Progress | None = None,
        *,
        screen: bool = False,
        deadline: float | None = None,
        least: int = 0,
    ) -> list[bool]:
        """Evaluate new reductions on every network; see ``Panel``."""
        new = dict.fromkeys(node for node in reductions if node not in self.reductions)
        self._progress.stage(f"generation {len(self.read) + 1}: {len(new)} new reductions", len(self.architectures))
        begun = time.monotonic()
        found = super().extend(reductions, progress or self._progress, screen=screen, deadline=deadline, least=least)
        self.seconds.append(time.monotonic() - begun)
        self.read.append(statistics(new))
        self.reductions |= new
        return found


def captured_bytes(panel: Watched) -> int:
    """Return the bytes of the statistics that were captured, those captured again each time included."""
    times = Counter(STATISTICS[name].kind for names in panel.read for name in names)
    total = 0
    for architecture in panel.architectures:
        sizes = kind_bytes(panel.condition.network(architecture), panel.condition.minibatch)
        total += sum(count * sizes[kind] for kind, count in times.items())
    return total


@click.command(cls=Command)
@click.option("--quick", is_flag=True, help="4 networks of reduced size, 10 programs, 2 generations.")
@click.option("--programs", default=_PROGRAMS, help="Programs of a generation.")
@click.option("--networks", default=_NETWORKS, help="Networks.")
@click.option("--generations", default=_GENERATIONS, help="Generations.")
@click.option("--workers", default=2, help="Processes that run networks.")
@click.option("--memory", default="4G", help="What all processes may take together.")
@click.option("--images", default="digits", help="Minibatch: digits, noise or a path.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(
    *,
    quick: bool,
    programs: int,
    networks: int,
    generations: int,
    workers: int,
    memory: str,
    images: str,
    seed: int,
    json_file: Path | None,
) -> None:
    """Run the paper's budget."""
    if quick:
        programs, networks, generations = 10, 4, 2
    space, rng = SPACES["nasbench201"], random.Random(seed)
    fidelity = space.fidelities["reduced_wide" if quick else "full"]
    condition = Condition.of(space.name, fidelity, seed, load_minibatch(images, _IMAGES, seed=seed))
    executor = local_executor(workers, int(str(parse_size(memory))))
    with Display() as progress, Meter(os.getpid(), _EVERY) as meter:
        begun = time.monotonic()
        panel = Watched(condition, sampled(space, rng, networks), executor, progress)
        convolutions = np.array([one.count("conv") + 0.1 * one.count("3x3") for one in panel.architectures])
        load = record(panel, convolutions, rng, programs, generations, paper=True, fresh=_FRESH, screen=True)
        seconds, spent = time.monotonic() - begun, processor_seconds(os.getpid())
        meter.look()
    individuals = load.individuals
    found: dict[str, Any] = {
        "condition": str(condition),
        "programs": programs,
        "generations": generations,
        "networks": networks,
        "workers": executor.workers,
        "seconds": round(seconds, 1),
        "processor_seconds": round(spent, 1),
        "seconds_by_generation": [round(one, 1) for one in panel.seconds],
        "programs_evaluated": len(individuals),
        "distinct_programs": len(set(individuals)),
        "operator_nodes": nodes(individuals),
        "distinct_operator_nodes": distinct_nodes(individuals),
        "distinct_reductions": len(panel.reductions),
        "statistics_by_generation": [len(names) for names in panel.read],
        "captured_gib": round(captured_bytes(panel) / 2**30, 2),
        "failed_networks": len(panel.left_out),
        "memory_gib": round(meter.peak / 2**30, 2),
        "memory_bound_gib": round(sum(meter.alone.values()) / 2**30, 2),
        **meter.figures(),
    }
    share = programs * generations * networks / (_PROGRAMS * _GENERATIONS * _NETWORKS)
    rows = [
        ["wall time", f"{seconds / 60:.1f} minutes on {executor.workers} processes"],
        ["processor time", f"{spent / 60:.1f} minutes"],
        ["most memory of all processes together", f"{meter.peak / 2**30:.2f} GiB"],
        ["sum of the processes' own peaks", f"{found['memory_bound_gib']} GiB in {len(meter.alone)} processes"],
        ["programs evaluated", f"{len(individuals)}, {found['distinct_programs']} distinct"],
        ["operator nodes", f"{found['operator_nodes']}, {found['distinct_operator_nodes']} distinct"],
        ["distinct reductions", f"{len(panel.reductions)}"],
        [
            "statistics captured",
            f"at most {found['captured_gib']} GiB of {len(REFERENCE)} kinds, the same ones again included",
        ],
        ["versions", ", ".join(f"{name} {version}" for name, version in versions().items())],
    ]
    if share < 1 and not quick:
        scaled = {"wall": seconds / share / 60, "processor": spent / share / 60}
        found["minutes_for_the_papers_budget"] = {name: round(one, 1) for name, one in scaled.items()}
        said = f"{scaled['wall']:.0f} minutes, {scaled['processor']:.0f} of processors; it was not run"
        rows.insert(2, ["scaled to the paper's budget", said])
    title = f"{programs} programs x {generations} generations on {networks} networks, {condition}"
    print_table(title, ["", "what"], rows)
    write_figures(json_file, found)


if __name__ == "__main__":
    main()
