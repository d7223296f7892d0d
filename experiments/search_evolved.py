"""Search NAS-Bench-201 with an evolved proxy, with synflow and with NASWOT, all for the same seconds of scoring."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import click
from search_naswot import RUNS, run, write_rows, write_scores
from tables import write_tables

from eznas.cli.console import Command
from eznas.report.search import COLUMNS, search_rows
from eznas.report.search_page import curves_figure
from eznas.report.style import png
from eznas.scoring import Problem, Proxy, score_networks
from eznas.search.config import SearchConfig
from eznas.search.score_files import read_scores
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

EVOLVED = "evolved_nb201"
PROXIES = {EVOLVED: f"{EVOLVED}.csv", "synflow": "synflow.csv", "naswot": "hook_logdet.csv"}
"""The proxies and the files of their scores."""

TIMED = 40
"""Architectures on which a proxy is timed."""

SECONDS = 600.0
"""Seconds of scoring of one run."""


def seconds_of(proxy: str, architectures: Sequence[str]) -> float:
    """Return the mean seconds of building a network at full size and scoring it, after one network as a warm-up."""
    problem = Problem.of(
        SPACES["nasbench201"], None, images="digits", batch_size=16, seed=1, device="cpu", fidelity="full"
    )
    timed = score_networks([Proxy.of(proxy)], problem.condition(), architectures[: TIMED + 1]).seconds[1:]
    return sum(timed) / len(timed)


def timed_scores(scores: Path, proxy: str, seconds: float) -> Path:
    """Write scores with the seconds of each beside the file; return the new file."""
    path = scores.with_name(f"{proxy}_timed.csv")
    values = read_scores(scores, SPACES["nasbench201"], proxy)[proxy].values
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["architecture", proxy, f"{proxy}_seconds"])
        writer.writerows([architecture, value, seconds] for architecture, value in values.items())
    return path


@click.command(cls=Command)
@click.argument("pool", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def main(pool: Path, source: Path, folder: Path) -> None:
    """Search NAS-Bench-201 with an evolved proxy, with synflow and with NASWOT, all for the same seconds of scoring.

    Each proxy is timed on architectures of POOL, on 16 images in one process. Then 30 runs per proxy score
    architectures in random order until their seconds are spent, and take the one with the best score.

    POOL holds the evolved proxy's scores of random architectures, more than a run can score:
    python verify_scores.py --proxy evolved_nb201 --n_samples 600 --csv POOL

    SOURCE holds naswot_cifar10.json.gz, the NASWOT project's scores of all architectures by the other two proxies on
    128 images, and nasbench201.json.gz, the test accuracies.

    FOLDER receives a run directory per search, search_evolved.csv, and search_evolved.png: accuracy of the best so far
    against seconds of scoring.
    """
    with pool.open(encoding="utf-8", newline="") as file:
        evolved = {row["architecture"]: row[EVOLVED] for row in csv.DictReader(file)}
    write_scores(source / "naswot_cifar10.json.gz", folder)
    write_tables(folder, [source / "nasbench201.json.gz"])
    with (folder / f"{EVOLVED}.csv").open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([("architecture", EVOLVED), *evolved.items()])
    cost = {proxy: seconds_of(proxy, list(evolved)) for proxy in PROXIES}
    searches = []
    for proxy, scores in PROXIES.items():
        config = SearchConfig(
            algorithm="random",
            signal=(proxy,),
            scores=(f"{proxy}={timed_scores(folder / scores, proxy, cost[proxy])}",),
            table=str(folder / "nasbench201_cifar10.csv"),
            target="test_200",
            seconds=SECONDS,
            runs=RUNS,
        )
        searches.append(run(config, folder / proxy))
    rows = [[*row, cost[proxy]] for row, proxy in zip(search_rows(searches), PROXIES, strict=True)]
    write_rows(folder / "search_evolved.csv", [*COLUMNS, "seconds a score"], rows)
    plot = curves_figure(searches, seconds=True)
    if plot is not None:
        (folder / "search_evolved.png").write_bytes(png(plot))


if __name__ == "__main__":
    main()
