"""Repeat the searches of the NASWOT project's report, and those of zero-cost-nas, on tables beside a checkout.

    python experiments/search_naswot.py ../shared/data runs/search_naswot

The first folder holds ``naswot_cifar10.json.gz`` (scores of every architecture of NAS-Bench-201 by three proxies,
12-epoch validation accuracy, seconds, and the test accuracy of one training) and ``nasbench201.json.gz``. Written are
the scores as ``uid,score,time`` files, tables, a run directory a search, ``search_naswot.csv``: what was found beside
what is published, and ``search_speed_up.csv``: how many times fewer queries and seconds a proxy makes of a search.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tables import write_tables

from eznas.report.search import COLUMNS, Curves, read_curves, search_rows
from eznas.run import RunDirectory
from eznas.scoring import Proxy, local_executor
from eznas.search import SearchConfig, run_repeats
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
    """Write the score files, and the table of the one-seed test accuracies."""
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
    """Return the rows of the NASWOT project's report: name, published accuracy, options."""
    rows: list[tuple[str, float | None, SearchConfig]] = []
    searches: list[tuple[str, dict[str, Any]]] = [
        ("random", {"algorithm": "random"}),
        ("ageing evolution", {}),
        ("ageing evolution, warm-up 500", {"warmup": 500}),
        ("ageing evolution, warm-up 3000", {"warmup": 3000}),
        ("ageing evolution, warm-up 500, move 0.75", {"warmup": 500, "move": 0.75}),
    ]
    published_ones = (0, 1, 2, 2, None)
    for signal in ("hook_logdet", "synflow", "snip", "combined", "val12"):
        given = ("hook_logdet", "synflow") if signal == "combined" else (signal,)
        for (name, facts), place in zip(searches, published_ones, strict=True):
            options = SearchConfig(
                signal=given,
                scores=tuple(f"{one}={folder / one}.csv" for one in given),
                table=str(folder / "one_seed.csv"),
                combine="minmax",
                weights=(0.6, 0.4) if signal == "combined" else (),
                queries=500,
                runs=RUNS,
                count_repeats=True,
                **facts,
            )
            published = PUBLISHED[signal][place] if place is not None and signal in PUBLISHED else None
            rows.append((f"{signal}: {name}", published, options))
    return rows


def zero_cost_searches(folder: Path) -> list[list[SearchConfig]]:
    """Return zero-cost-nas's searches by algorithm, the plain one last: synflow leads to 200-epoch accuracy."""
    groups = []
    for algorithm, steps in (
        ("aging_evolution", ((3000, 0.75), (3000, 0.0), (0, 0.75), (0, 0.0))),
        ("local_search", ((3000, 0.75), (3000, 0.0), (0, 0.75), (0, 0.0))),
        ("random", ((3000, 0.0), (0, 0.0))),
    ):
        plain = SearchConfig(
            algorithm=algorithm,
            signal=("validation_200",),
            proxy=("synflow",),
            scores=(f"synflow={folder / 'synflow.csv'}",),
            table=str(folder / "nasbench201_cifar10.csv"),
            target="test_200",
            queries=300,
            runs=RUNS,
        )
        groups.append([replace(plain, warmup=warmup, move=move) for warmup, move in steps])
    return groups


def run(options: SearchConfig, path: Path) -> Curves:
    """Do all runs of one search."""
    start = time.perf_counter()
    with RunDirectory.create(path, options.as_toml(), seed=options.seed, command=" ".join(sys.argv)) as directory:
        run_repeats(options, directory, Proxy.of, executor=local_executor())
        sys.stdout.write(f"{path.name}: {time.perf_counter() - start:.1f} s\n")
        return read_curves(directory)


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a table, its numbers with three decimals."""
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([[round(one, 3) if isinstance(one, float) else one for one in row] for row in rows])


def main(source: Path, folder: Path) -> None:
    """Run every search and write what was found."""
    write_scores(source / "naswot_cifar10.json.gz", folder)
    write_tables(folder, [source / "nasbench201.json.gz"])
    rows: list[Sequence[object]] = []
    for name, published, options in naswot_rows(folder):
        found = run(options, folder / "".join(letter if letter.isalnum() else "_" for letter in name)).summary
        rows.append([name, published, *(found[one] for one in ("accuracy_mean", "accuracy_std", "seconds_mean"))])
    write_rows(folder / "search_naswot.csv", ["search", "published", "found", "deviation", "seconds"], rows)
    speed_ups: list[Sequence[object]] = []
    for group in zero_cost_searches(folder):
        curves = [
            run(one, folder / f"zero_cost_{one.algorithm}_{one.warmup}_{one.move:g}".replace(".", "_")) for one in group
        ]
        speed_ups += search_rows(curves)
    write_rows(folder / "search_speed_up.csv", COLUMNS, speed_ups)


if __name__ == "__main__":
    if len(sys.argv) != 3 or not Path(sys.argv[1]).is_dir():  # noqa: PLR2004 - two arguments
        sys.exit(f"usage: {sys.argv[0]} FOLDER_OF_COLUMN_FILES FOLDER_OF_RUNS; the first must exist")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
