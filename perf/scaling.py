"""How the time of an evolution grows with its programs and its networks.

Tournament runs (``perf/tournament.py``) are timed for several sizes of their population on the same networks: twice the
programs cost less than twice the time, as programs share subtrees. The smallest is then evaluated again, the same
programs, on more and more networks, whose statistics are not kept: twice the networks cost about twice the time, and
memory does not grow. Times are processor seconds of one thread, summed over the seeds; memory is the peak of a process
of its own for each number of networks.

    python perf/scaling.py [--quick] [--plot scaling.png] [--json FILE]
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import torch
from figures import write_figures
from tournament import Load, record, sampled

from eznas.cli.console import Command, print_table
from eznas.minibatch import load_minibatch
from eznas.programs import parse, reductions
from eznas.report.style import BLUE, GREY, ORANGE, figure, plain
from eznas.scoring import Captures, Condition, Panel
from eznas.scoring.executor import SerialExecutor
from eznas.spaces import SPACES, Fidelity

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE = Fidelity("small", cells=1, channels=8, pixels=8, batch=8)
_PROGRAMS, _NETWORKS = (25, 50, 100, 200, 400), (10, 20, 40, 80, 160, 320, 640)


def panel_of(networks: int, seed: int, captures: Captures | None) -> Panel:
    """Return small networks."""
    space, rng = SPACES["nasbench201"], random.Random(seed)
    condition = Condition.of(space.name, _SIZE, seed, load_minibatch("digits", 8))
    return Panel(condition, sampled(space, rng, networks), executor=SerialExecutor(captures=captures))


def evolved(networks: int, programs: int, generations: int, seed: int) -> Load:
    """Return a tournament run, which keeps the statistics of its networks."""
    panel = panel_of(networks, seed, Captures(2**30))
    convolutions = np.array([one.count("conv") + 0.1 * one.count("3x3") for one in panel.architectures])
    return record(panel, convolutions, random.Random(seed), programs, generations, paper=False, fresh=0.0)


def again(generations: Sequence[Sequence[str]], networks: int, seed: int) -> tuple[float, int]:
    """Return the processor seconds of evaluating programs on other networks, and the peak of this process in bytes."""
    torch.set_num_threads(1)
    programs = [[parse(text) for text in generation] for generation in generations]
    panel = panel_of(networks, seed, None)
    panel.extend(reductions(programs[0])[:1])  # what is loaded at first use
    begun = time.process_time()
    for generation in programs:
        panel.extend(reductions(generation))
        panel.table.scores(generation)
    return time.process_time() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def draw(path: Path, curves: dict[str, dict[int, float]]) -> None:
    """Write the plot: both curves beside the line of twice the time for twice as many."""
    made = figure(6.4, 3.0)
    for axes, (name, curve), colour in zip(made.subplots(1, 2), curves.items(), (BLUE, ORANGE), strict=True):
        sizes, times = list(curve), list(curve.values())
        axes.loglog(sizes, times, "o-", color=colour, linewidth=1.6, markersize=4, label="measured")
        axes.loglog(
            sizes, [times[0] * size / sizes[0] for size in sizes], "--", color=GREY, linewidth=1, label="proportional"
        )
        axes.set_xlabel(name)
        axes.set_ylabel("processor seconds")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize=8)
        plain(axes)
    made.savefig(path, dpi=200)


@click.command(cls=Command)
@click.option("--quick", is_flag=True, help="Three sizes each, on few networks and generations.")
@click.option("--generations", default=6, help="Generations of each run.")
@click.option("--seeds", default=3, help="Runs that are added up.")
@click.option("--plot", type=Path, help="PNG, SVG or PDF to write.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(*, quick: bool, generations: int, seeds: int, plot: Path | None, json_file: Path | None) -> None:
    """Time runs with more and more programs, and on more and more networks."""
    torch.set_num_threads(1)
    counts, sizes = (_PROGRAMS[:3], (4, 8, 16)) if quick else (_PROGRAMS, _NETWORKS)
    generations, seeds = (3, 1) if quick else (generations, seeds)
    evolved(
        sizes[0], counts[-1], generations, seed=seeds
    )  # a seed of no timed run: it loads what is needed at first use
    curves: dict[str, dict[int, float]] = {
        "programs": dict.fromkeys(counts, 0.0),
        "networks": dict.fromkeys(sizes, 0.0),
    }
    peaks: dict[int, int] = {}
    for seed in range(seeds):
        for count in counts:
            curves["programs"][count] += sum(evolved(sizes[0], count, generations, seed).seconds)
        load = evolved(sizes[0], counts[0], generations, seed)
        texts = [[program.text for program in generation] for generation in load.generations]
        for size in sizes:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as new:
                spent, taken = new.submit(again, texts, size, seed).result()
            curves["networks"][size] += spent
            peaks[size] = max(peaks.get(size, 0), taken)
    rows = []
    for name, curve in curves.items():
        before: float | None = None
        for size, spent in curve.items():
            times = None if before is None else round(spent / before, 2)
            rows.append([name, size, round(spent, 2), times, peaks[size] >> 20 if name == "networks" else None])
            before = spent
    print_table(
        f"{generations} generations, {seeds} seeds, {_SIZE}",
        ["of", "how many", "processor seconds", "times the half", "peak MiB"],
        rows,
    )
    if plot is not None:
        draw(plot, curves)
    write_figures(json_file, {"generations": generations, "seeds": seeds, "curves": curves, "peaks": peaks})


if __name__ == "__main__":
    main()
