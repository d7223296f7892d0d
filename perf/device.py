"""Scores and seconds on an accelerator beside those on the CPU.

Both devices build the same networks and score them with the same measures and programs; the accelerator does so twice.
The CPU scores them in float64 too. A first table shows the mean seconds of each step on one network, and how many times
as fast the accelerator is. A second one has a row for each proxy: Kendall's tau between the scores of both devices, the
greatest relative difference between them, the greatest one of each device from float64, the networks on which only one
device has a score, and whether the accelerator gave equal scores both times.

    python perf/device.py [--device cuda] [--space nasbench201] [--networks 8] [--threads 1] [--json FILE]
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import torch
from checkouts import compared
from figures import write_figures

from eznas.capture import capture
from eznas.cli.console import Command, print_table
from eznas.errors import InputError
from eznas.gp.grammar import random_reduction
from eznas.measures import MEASURES
from eznas.minibatch import load_minibatch
from eznas.programs import evaluate_reductions, statistics
from eznas.scoring import Condition
from eznas.scoring.condition import resolve_device
from eznas.scoring.score_many import measure
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from eznas.programs import Node

_SPACES = ("nasbench201", "nats_sss", "darts", "transnas_micro")


def seconds_of(function: Callable[[], Any], device: str) -> tuple[Any, float]:
    """Return the result of a function and its seconds, with the work that it left on the device."""
    begun = time.perf_counter()
    result = function()
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - begun


def visited(
    condition: Condition, architecture: str, reductions: Sequence[Node], measures: Sequence[str], dtype: torch.dtype
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the scores of one network and the seconds of each step.

    The score of a reduction is the mean over units. Where a proxy has no value, it is NaN.
    """
    device, minibatch = condition.device, condition.minibatch
    network, build = seconds_of(lambda: condition.network(architecture), device)
    if dtype is not torch.float32:
        network, minibatch = network.to(dtype), replace(minibatch, images=minibatch.images.to(dtype))
    scores, measuring = seconds_of(lambda: measure(network, minibatch, measures), device)
    captured, capturing = seconds_of(lambda: capture(network, minibatch, sorted(statistics(reductions))), device)
    values, evaluating = seconds_of(lambda: evaluate_reductions(reductions, captured), device)
    found = {str(node): float(value.mean()) for node, value in values.items()}
    found |= {name: score.value if score.ok else math.nan for name, score in scores.items()}
    return found, {"build": build, "capture": capturing, "reductions": evaluating, "measures": measuring}


def run_space(space_name: str, device: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the seconds on both devices and a row for each proxy."""
    space, rng = SPACES[space_name], random.Random(options["seed"])
    reductions = [random_reduction(rng, 2) for _ in range(options["reductions"])]
    architectures = [space.sample(rng) for _ in range(options["networks"] + 1)]
    measures = list(options["measures"] or MEASURES)
    minibatch = load_minibatch("digits", options["images"], seed=options["seed"])
    fidelity = space.fidelities[options["fidelity"]]
    scores: dict[str, list[dict[str, float]]] = {}
    seconds: dict[str, dict[str, float]] = {}
    runs = {"cpu": ("cpu", torch.float32), "double": ("cpu", torch.float64)}
    runs |= {"device": (device, torch.float32), "again": (device, torch.float32)}
    for run, (name, dtype) in runs.items():
        condition = Condition.of(space_name, fidelity, options["seed"], minibatch, name)
        visits = [visited(condition, architecture, reductions, measures, dtype) for architecture in architectures]
        scores[run] = [found for found, _ in visits]
        steps = [taken for _, taken in visits[1:]]  # the first one warms up
        seconds[run] = {step: sum(row[step] for row in steps) / len(steps) for step in steps[0]}
    rows = []
    for proxy in scores["cpu"][0]:
        of = {run: np.array([found[proxy] for found in scores[run]]) for run in scores}
        tau, difference, alone = compared(of["cpu"], of["device"])
        errors = {f"{run}_error": compared(of[run], of["double"])[1] for run in ("cpu", "device")}
        equal = bool(np.array_equal(of["device"], of["again"], equal_nan=True))
        rows.append({"proxy": proxy, "tau": tau, "difference": difference, **errors, "alone": alone, "equal": equal})
    return {"space": space_name, "seconds": seconds, "proxies": rows}


def print_space(found: Mapping[str, Any], device: str, threads: int) -> None:
    """Print the seconds and the scores of one space."""
    print_table(
        f"{found['space']}: seconds of one network, CPU with {threads} threads beside {device}",
        ["step", "CPU", device, "times as fast"],
        [
            [step, on_cpu, on_device, on_cpu / on_device]
            for step, on_cpu in found["seconds"]["cpu"].items()
            for on_device in [found["seconds"]["device"][step]]
        ],
    )
    print_table(
        f"{found['space']}: scores on both devices",
        ["proxy", "tau", "difference", "CPU's", f"{device}'s", "one alone", "equal twice"],
        [[cell if not isinstance(cell, float) else f"{cell:.1e}" for cell in row.values()] for row in found["proxies"]],
    )


@click.command(cls=Command, context_settings={"show_default": True})
@click.option("--device", default="auto", help="Device beside the CPU.")
@click.option("--space", "spaces", multiple=True, default=_SPACES, help="Search space; may be repeated.")
@click.option("--fidelity", default="full", help="Size of the networks.")
@click.option("--networks", default=8, help="Networks, beside one that warms up.")
@click.option("--reductions", default=60, help="Random reductions.")
@click.option("--measure", "measures", multiple=True, help="Measure; may be repeated.  [default: all]")
@click.option("--images", default=16, help="Images; a size of networks may use fewer.")
@click.option("--threads", default=1, help="Threads of the CPU.")
@click.option("--seed", default=0, help="Seed of everything.")
@click.option("--json", "json_file", type=Path, help="File to write the figures to.")
def main(*, device: str, spaces: Sequence[str], threads: int, json_file: Path | None, **options: Any) -> None:
    """Compare scores and seconds on two devices."""
    torch.set_num_threads(threads)
    device = resolve_device(device)
    if device == "cpu":
        raise InputError("device must be one beside the CPU; this machine has none", parameters=("device",))
    about = {"device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device}
    figures: list[dict[str, Any]] = []
    for name in spaces:
        figures.append(run_space(name, device, options))
        print_space(figures[-1], device, threads)
        write_figures(json_file, {**about, "threads": threads, **options, "spaces": figures})


if __name__ == "__main__":
    main()
