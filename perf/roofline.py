"""How far evaluating programs is from what this machine's memory allows, and what to make faster next.

A generation of the paper's scheme (``perf/tournament.py``) is evaluated on full-size networks as the engine does it for
one network after the other: capture, then every distinct node on chunks of units. Each primitive is timed; the bytes of
its arguments and of its result are what it has to move. The limit is the bandwidth of one thread that adds two tensors
into a third: of tensors far larger than the caches, and of tensors as large as a chunk, which stay in a cache, as those
of the engine do. A fraction of one would mean that nothing but moving bytes takes time. Times are processor seconds.

    python perf/roofline.py [--quick] [--networks 4] [--json FILE]
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import torch
from figures import write_figures
from torch import Tensor
from tournament import record, sampled

from eznas import primitives
from eznas.capture import capture
from eznas.cli.console import Command, print_table
from eznas.minibatch import load_minibatch
from eznas.programs import Trace, evaluate_reductions, reductions, statistics
from eznas.programs.tensor_floor import CHUNK
from eznas.scoring import Condition, Panel
from eznas.spaces import SPACES, Fidelity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from eznas.primitives import Kind, Primitive
    from eznas.programs import Node

_LARGE = 256 * 2**20
"""Bytes of tensors that no cache holds."""

_CACHE, _MEMORY = "all bytes from and to a cache", "all bytes from and to memory"
_SHOWN = 12
_SMALL = Fidelity("small", cells=1, channels=4, pixels=8, batch=4)
"""Where the generation is bred."""


def bandwidths(large: int = _LARGE) -> dict[str, float]:
    """Return GB/s of one thread: the best of several rounds."""
    rounds = max(1, large // CHUNK // 4)
    in_memory, in_cache = _rates(large, 1), _rates(CHUNK, rounds)
    first, second = torch.ones(CHUNK // 4), torch.ones(CHUNK // 4)
    return {
        **{f"{name} in memory": rate for name, rate in in_memory.items()},
        **{f"{name} in cache": rate for name, rate in in_cache.items()},
        "sum in cache, into new memory": 3 * CHUNK / _least(lambda: torch.add(first, second), rounds) / 1e9,
    }


def _rates(size: int, rounds: int) -> dict[str, float]:
    first, second, third = (torch.ones(size // 4) for _ in range(3))
    return {
        "copy": 2 * size / _least(lambda: third.copy_(first), rounds) / 1e9,
        "sum": 3 * size / _least(lambda: torch.add(first, second, out=third), rounds) / 1e9,
    }


def _least(work: Callable[[], object], rounds: int) -> float:
    """Return the processor seconds of one call: the least of five times so many."""
    work()
    times = []
    for _ in range(5):
        begun = time.thread_time()
        for _ in range(rounds):
            work()
        times.append((time.thread_time() - begun) / rounds)
    return min(times)


@dataclass
class Row:
    """What calls of one primitive took."""

    calls: int = 0
    bytes: int = 0
    seconds: float = 0.0


class Profile:
    """Times every primitive that is looked up while it is installed."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = defaultdict(Row)
        self._resolve = primitives.resolve
        self._known: dict[str, Primitive] = {}  # one for each overload: trees of different primitives share nothing

    def install(self) -> None:
        """Let ``eznas.primitives.resolve`` give timed functions."""
        primitives.resolve = self._timed

    def _timed(self, name: str, args: Sequence[Kind]) -> tuple[Primitive, Kind]:
        found, kind = self._resolve(name, args)
        overload = f"{name}({', '.join(one.value for one in args)})"
        if overload in self._known:
            return self._known[overload], kind
        row, function = self.rows[overload], found.function

        def timed(*args: Any) -> Tensor:
            begun = time.thread_time()
            result = function(*args)
            row.seconds += time.thread_time() - begun
            row.calls += 1
            row.bytes += sum(one.nbytes for one in (*args, result) if isinstance(one, Tensor))
            return result

        self._known[overload] = replace(found, function=timed)
        return self._known[overload], kind


def bred(programs: int, generations: int, seed: int) -> list[Node]:
    """Return the reductions of a generation that small networks bred."""
    space, rng = SPACES["nasbench201"], random.Random(seed)
    condition = Condition.of(space.name, _SMALL, seed, load_minibatch("digits", 4, seed=seed))
    panel = Panel(condition, sampled(space, rng, 4))
    load = record(panel, np.arange(4.0), rng, programs, generations, paper=True, fresh=0.5)
    return reductions(load.generations[-1])


def plain_passes(condition: Condition, architecture: str) -> float:
    """Return the processor seconds of a forward and a backward pass for each of the three scenarios in plain torch."""
    network, minibatch = condition.network(architecture), condition.minibatch
    batches = [minibatch.images, minibatch.noise, minibatch.perturbed]
    begun = time.process_time()
    for images in batches:
        network(images.clone().requires_grad_()).sum().backward()
    return time.process_time() - begun


def evaluated(
    condition: Condition, architectures: Sequence[str], nodes: Sequence[Node], profile: Profile
) -> dict[str, Any]:
    """Evaluate reductions on networks and add up the seconds and bytes.

    Raises:
        AssertionError: Some of what the engine counts as calls of primitives was not timed.
    """
    names, trace = sorted(statistics(nodes)), Trace()
    spent = dict.fromkeys(("build", "plain", "capture", "evaluate"), 0.0)
    held = 0
    for architecture in architectures:
        spent["plain"] += plain_passes(condition, architecture)
        begun = time.process_time()
        network = condition.network(architecture)
        built = time.process_time()
        captured = capture(network, condition.minibatch, names)
        had = time.process_time()
        evaluate_reductions(nodes, captured, trace)
        spent["evaluate"] += time.process_time() - had
        spent["capture"] += had - built
        spent["build"] += built - begun
        held += captured.nbytes
    counted = sum(row.calls for row in profile.rows.values())
    if counted != trace.calls:
        raise AssertionError(f"the engine called {trace.calls} primitives, and {counted} were timed")
    count = len(architectures)
    return {
        "seconds_a_network": {name: round(value / count, 3) for name, value in spent.items()},
        "seconds_in_primitives_a_network": round(sum(row.seconds for row in profile.rows.values()) / count, 3),
        "captured_mib_a_network": round(held / count / 2**20, 1),
        "moved_mib_a_network": round(sum(row.bytes for row in profile.rows.values()) / count / 2**20, 1),
        "calls_a_network": counted // count,
        "evaluations_a_network": trace.evaluations // count,
        "reductions": len(nodes),
        "statistics": len(names),
    }


def show(found: dict[str, Any], rows: Sequence[tuple[str, Row]], networks: int) -> None:
    """Print the tables."""
    roofs = found["gb_a_second"]
    print_table("bandwidth of one thread", ["", "GB/s"], [[name, roof] for name, roof in roofs.items()])
    spent = found["seconds_a_network"]
    print_table(
        f"one network: {found['reductions']} reductions that read {found['statistics']} statistics",
        ["", "processor seconds", "MiB"],
        [
            ["build", spent["build"], None],
            ["capture", spent["capture"], found["captured_mib_a_network"]],
            ["the same three passes in plain torch", spent["plain"], None],
            ["evaluate", spent["evaluate"], found["moved_mib_a_network"]],
            ["of this, in primitives", found["seconds_in_primitives_a_network"], found["moved_mib_a_network"]],
            *[[f"at the limit: {name}", seconds, None] for name, seconds in found["seconds_at_the_limit"].items()],
        ],
    )
    total = sum(row.seconds for _, row in rows)
    print_table(
        f"the {_SHOWN} primitives that take most, a network",
        ["primitive", "calls", "MiB", "processor seconds", "share", "GB/s", "of the cache's limit"],
        [
            [
                *(name, row.calls // networks, round(row.bytes / networks / 2**20, 1), row.seconds / networks),
                *(row.seconds / total, row.bytes / row.seconds / 1e9),
                row.bytes / row.seconds / 1e9 / roofs["sum in cache"],
            ]
            for name, row in rows[:_SHOWN]
        ],
    )
    call, (first, row) = spent["capture"] + spent["evaluate"], rows[0]
    click.echo(
        f"Evaluating reaches {found['fraction_of_the_limit'][_MEMORY]:.0%} of the memory's limit and "
        f"{found['fraction_of_the_limit'][_CACHE]:.0%} of the cache's. Capture takes {spent['capture'] / call:.0%} of "
        f"a call; most of what primitives take goes to {first}, {row.seconds / total:.0%}."
    )


@click.command(cls=Command)
@click.option("--quick", is_flag=True, help="One network of reduced size, few programs.")
@click.option("--programs", default=50, help="Programs of the generation.")
@click.option("--generations", default=5, help="Generations that it is bred for.")
@click.option("--networks", default=4, help="Networks.")
@click.option("--fidelity", default="full", help="Size of the networks.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(
    *, quick: bool, programs: int, generations: int, networks: int, fidelity: str, seed: int, json_file: Path | None
) -> None:
    """Compare the time of evaluation with the time of moving its bytes."""
    torch.set_num_threads(1)
    if quick:
        programs, generations, networks, fidelity = 10, 2, 1, "reduced_wide"
    profile, space, rng = Profile(), SPACES["nasbench201"], random.Random(seed)
    profile.install()  # before anything is looked up
    condition = Condition.of(space.name, space.fidelities[fidelity], seed, load_minibatch("digits", 16, seed=seed))
    nodes = bred(programs, generations, seed)
    for row in profile.rows.values():  # of what bred them
        row.calls, row.bytes, row.seconds = 0, 0, 0.0
    roofs = bandwidths(_LARGE // 16 if quick else _LARGE)
    found = evaluated(condition, sampled(space, rng, networks), nodes, profile)
    moved, evaluating = found["moved_mib_a_network"] * 2**20 / 1e9, found["seconds_a_network"]["evaluate"]
    held = found["captured_mib_a_network"] * 2**20 / 1e9
    limits = {
        _CACHE: moved / roofs["sum in cache"],
        _MEMORY: moved / roofs["sum in memory"],
        "statistics read once from memory": held / roofs["sum in memory"],
    }
    rows = sorted(profile.rows.items(), key=lambda entry: -entry[1].seconds)
    rows = [(name, row) for name, row in rows if row.calls]
    found |= {
        "condition": str(condition),
        "networks": networks,
        "gb_a_second": {name: round(roof, 2) for name, roof in roofs.items()},
        "seconds_at_the_limit": {name: round(seconds, 4) for name, seconds in limits.items()},
        "fraction_of_the_limit": {name: round(seconds / evaluating, 3) for name, seconds in limits.items()},
        "primitives": {name: vars(row) for name, row in rows},
    }
    show(found, rows, networks)
    write_figures(json_file, found)


if __name__ == "__main__":
    main()
