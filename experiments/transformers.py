"""Measures on transformers with published accuracies; ``python experiments/transformers.py --help`` explains."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import torch

from eznas import measure
from eznas.benchmarks import load_table
from eznas.cli.console import Command
from eznas.errors import InputError
from eznas.minibatch import Minibatch
from eznas.networks import construct, initialise
from eznas.rank_metrics import tau_equal_size
from eznas.ranking import correlate
from eznas.report.html import interval
from eznas.seeds import numpy_rng, torch_generator
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

EPILOG = """\b
Examples:
  python experiments/transformers.py score TABLES/flexibert_glue.csv flexibert.csv
  eznas verify --benchmark autoformer_tiny --samples 0 --fidelity small_images --batch-size 8 --csv autoformer.csv \\
    --proxy params --proxy flops --proxy snip
  python experiments/transformers.py table flexibert.csv
  python experiments/transformers.py table autoformer.csv
"""
MEASURES = (
    *("params", "flops", "depth", "l2_norm", "grad_norm", "snip", "plain", "synflow", "jacob_cov", "epe_nas"),
    *("fisher", "grasp", "gradsign", "zico", "zen", "near", "meco", "swap_regularised"),
    *("az_expressivity", "az_progressivity", "az_trainability", "eznas_a_paper", "eznas_pnas", "eznas_top"),
)
TOKENS, BATCH, CLASSES = 32, 8, 2
RESAMPLES = 500


@click.group(epilog=EPILOG)
def main() -> None:
    """Compare the measures with the accuracies of transformers.

    The networks of NAS-Bench-BERT read tokens, which are drawn at random here. Those of AutoFormer read images, and
    eznas verify scores them.
    """


@main.command(cls=Command)
@click.argument("table", type=Path)
@click.argument("out", type=Path)
@click.option("--seed", default=1, show_default=True, help="Seed of the tokens, the initialisations and the order.")
@click.option("--seconds", default=0.0, help="Stop after so many seconds; 0 for no limit.")
def score(table: Path, out: Path, seed: int, seconds: float) -> None:
    """Score the networks of a table of NAS-Bench-BERT on 8 sequences of 32 tokens; continues from the file OUT."""
    accuracies = load_table("flexibert", "glue", table)
    space, full = SPACES["flexibert"], SPACES["flexibert"].fidelities["full"]
    tokens = torch.randint(1, space.vocabulary, (BATCH, TOKENS), generator=torch_generator(seed, "tokens"))
    minibatch = Minibatch(tokens, torch.arange(BATCH) % CLASSES, CLASSES, "random tokens", seed=seed)
    done = set(_read(out)[0]) if out.exists() else set()
    started = time.perf_counter()
    with out.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not done:
            writer.writerow(["architecture", "accuracy", *MEASURES])
        for place in numpy_rng(seed, "order").permutation(len(accuracies)).tolist():
            architecture = accuracies.architectures[place]
            if architecture in done:
                continue
            if seconds and time.perf_counter() - started > seconds:
                break
            network = construct(lambda: space.build(architecture, full, CLASSES))  # noqa: B023 - called at once
            initialise(network, seed)
            scores = measure(network, minibatch, MEASURES)
            values = [scores[name].value if scores[name].status == "ok" else "" for name in MEASURES]
            writer.writerow([architecture, accuracies.accuracies[place], *values])
            file.flush()


@main.command("table", cls=Command)
@click.argument("scores", type=Path)
def print_table(scores: Path) -> None:
    """Print tau of each measure, and tau on pairs of equal size, with intervals."""
    _, accuracies, columns = _read(scores)
    click.echo("| measure | n | tau (95 %) | tau on pairs of equal size (95 %) |\n|---|---|---|---|")
    sizes = columns["params"]
    lines = []
    for name, column in columns.items():
        known = np.isfinite(column)
        if known.sum() < 10 or np.ptp(column[known]) == 0:  # noqa: PLR2004 - too few for an interval
            continue
        found = correlate(column[known], accuracies[known])
        equal, low, high = equal_size(column[known], accuracies[known], sizes[known])
        cells = f"{found.tau:.3f} ({interval(found.tau_low, found.tau_high)}) | {equal:.3f} ({interval(low, high)})"
        lines.append((found.tau, f"| {name} | {found.n} | {cells} |"))
    for _, line in sorted(lines, reverse=True):
        click.echo(line)


def equal_size(
    scores: NDArray[np.float64], accuracies: NDArray[np.float64], sizes: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Return tau on pairs whose sizes differ by at most 10 %, and the ends of its bootstrap interval."""
    rng = numpy_rng(0, "bootstrap")
    draws = (rng.integers(len(scores), size=len(scores)) for _ in range(RESAMPLES))
    taus = [tau_equal_size(scores[draw], accuracies[draw], sizes[draw]) for draw in draws]
    low, high = np.nanquantile(taus, [0.025, 0.975])
    return tau_equal_size(scores, accuracies, sizes), float(low), float(high)


def _read(path: Path) -> tuple[list[str], NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Return the architectures, the accuracies and the scores of a file, NaN where there is none."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("accuracy")]
    if not rows or "params" not in rows[0]:
        raise InputError(f"{path} must have rows with the columns architecture, accuracy and params")
    names = [name for name in rows[0] if name not in ("architecture", "accuracy", "status")]
    return [row["architecture"] for row in rows], _numbers(rows, "accuracy"), {n: _numbers(rows, n) for n in names}


def _numbers(rows: Sequence[dict[str, str]], name: str) -> NDArray[np.float64]:
    return np.array([float(row[name] or "nan") for row in rows])


if __name__ == "__main__":
    main(prog_name="python experiments/transformers.py")
