"""Repeat the searches of the NASWOT project's report and of zero-cost-nas on precomputed scores and accuracies."""

from __future__ import annotations

import csv
import gzip
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tables import write_tables

from eznas.api.search import search
from eznas.cli.console import Command
from eznas.report.search import COLUMNS, SearchResults, search_rows
from eznas.search.config import SearchConfig
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNS = 30
PUBLISHED = {
    "hook_logdet": (92.63, 92.68, 92.92),
    "synflow": (93.34, 93.75, 93.74),
    "combined": (93.30, 93.76, 93.74),
    "val12": (93.92, 94.31, 94.51),
}
"""Mean test accuracy over 30 runs: random search, ageing evolution, ageing evolution with warm-up."""


def write_scores(source: Path, folder: Path) -> None:
    """Write the score files, and the table of the test accuracies of one training."""
    with gzip.open(source, "rt", encoding="utf-8") as file:
        columns: dict[str, Any] = json.load(file)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("hook_logdet", "synflow", "snip", "val12"):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(["uid", "score", "time"])
            writer.writerows(
                (uid, "nan" if score is None else score, seconds)
                for uid, (score, seconds) in enumerate(
                    zip(columns[name]["score"], columns[name]["seconds"], strict=True)
                )
            )
    with (folder / "one_seed.csv").open("w", newline="", encoding="utf-8") as out:
        out.write("# dataset: cifar10\n# split: test\n# epochs: 200\n# training_seeds: one\n")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["architecture", "accuracy"])
        writer.writerows(zip(SPACES["nasbench201"].architectures() or (), columns["accuracy"], strict=True))


def naswot_rows(folder: Path) -> list[tuple[str, float | None, SearchConfig]]:
    """Return the rows of the NASWOT project's report: name, published accuracy, configuration."""
    rows: list[tuple[str, float | None, SearchConfig]] = []
    searches: list[tuple[str, dict[str, Any], int | None]] = [
        ("random", {"algorithm": "random"}, 0),
        ("ageing evolution", {}, 1),
        ("ageing evolution, warm-up 500", {"warmup": 500}, 2),
        ("ageing evolution, warm-up 3000", {"warmup": 3000}, 2),
        ("ageing evolution, warm-up 500, move 0.75", {"warmup": 500, "move": 0.75}, None),
    ]
    for signal in ("hook_logdet", "synflow", "snip", "combined", "val12"):
        names = ("hook_logdet", "synflow") if signal == "combined" else (signal,)
        for name, options, place in searches:
            config = SearchConfig(
                signal=names,
                scores=tuple(f"{score}={folder / score}.csv" for score in names),
                table=str(folder / "one_seed.csv"),
                combine="min_max" if signal == "combined" else "rank",
                weights=(0.6, 0.4) if signal == "combined" else (),
                queries=500,
                runs=RUNS,
                count_repeats=True,
                **options,
            )
            published = PUBLISHED[signal][place] if place is not None and signal in PUBLISHED else None
            rows.append((f"{signal}: {name}", published, config))
    return rows


def zero_cost_searches(folder: Path) -> list[list[SearchConfig]]:
    """Return zero-cost-nas's searches by algorithm, the plain one last: synflow guides to the 200-epoch accuracy."""
    steps = ((3000, 0.75), (3000, 0.0), (0, 0.75), (0, 0.0))
    return [
        [
            SearchConfig(
                algorithm=algorithm,
                signal=("validation_200",),
                proxy=("synflow",) if warmup or move else (),
                scores=(f"synflow={folder / 'synflow.csv'}",),
                table=str(folder / "nasbench201_cifar10.csv"),
                target="test_200",
                queries=300,
                runs=RUNS,
                warmup=warmup,
                move=move,
            )
            for warmup, move in steps
            if not (algorithm == "random" and move)
        ]
        for algorithm in ("aging_evolution", "local_search", "random")
    ]


def run(config: SearchConfig, path: Path) -> SearchResults:
    """Do all runs of one search."""
    start = time.perf_counter()
    options = config.model_dump(exclude={"out"})
    results = search(out=path, progress=False, command=" ".join(sys.argv), **options).results
    click.echo(f"{path.name}: {time.perf_counter() - start:.1f} s")
    return results


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table whose numbers have three decimals."""
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([[round(cell, 3) if isinstance(cell, float) else cell for cell in row] for row in rows])


def repeat(source: Path, folder: Path) -> None:
    """Run every search and write the tables."""
    write_scores(source / "naswot_cifar10.json.gz", folder)
    write_tables(folder, [source / "nasbench201.json.gz"])
    rows: list[Sequence[object]] = []
    for name, published, config in naswot_rows(folder):
        summary = run(config, folder / "".join(letter if letter.isalnum() else "_" for letter in name)).summary
        rows.append([name, published, *(summary[key] for key in ("accuracy_mean", "accuracy_std", "seconds_mean"))])
    write_rows(folder / "search_naswot.csv", ["search", "published", "found", "deviation", "seconds"], rows)
    speed_ups: list[Sequence[object]] = []
    for group in zero_cost_searches(folder):
        names = [f"zero_cost_{config.algorithm}_{config.warmup}_{config.move:g}".replace(".", "_") for config in group]
        speed_ups += search_rows([run(config, folder / name) for config, name in zip(group, names, strict=True)])
    write_rows(folder / "search_speed_up.csv", COLUMNS, speed_ups)


@click.command(cls=Command)
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
def main(source: Path, folder: Path) -> None:
    """Repeat the searches of the NASWOT project's report and of zero-cost-nas, 30 runs each.

    SOURCE holds naswot_cifar10.json.gz: for every architecture of NAS-Bench-201 the scores of three proxies, the
    12-epoch validation accuracy, their seconds, and the test accuracy of one training; and nasbench201.json.gz.

    FOLDER receives the scores as uid,score,time files, the accuracy tables, a run directory per search,
    search_naswot.csv (accuracies beside the published ones) and search_speed_up.csv (how many times fewer queries and
    seconds a search needs with a proxy).
    """
    repeat(source, folder)


if __name__ == "__main__":
    main()
