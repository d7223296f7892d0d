"""Repeat the searches of the NASWOT project's report, and those of zero-cost-nas, on tables beside a checkout.

    python experiments/search_naswot.py ../shared/data runs/search_naswot

The first folder holds ``naswot_cifar10.json.gz`` (scores of every architecture of NAS-Bench-201 by three proxies,
12-epoch validation accuracy, seconds, and the test accuracy of one training) and ``nasbench201.json.gz``. Written are
the scores as ``uid,score,time`` files, two tables, a run directory a row, and ``search_naswot.csv``: what was found
beside what is published.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

from tables import main as write_tables

from eznas.run import RunDirectory
from eznas.scoring import Proxy
from eznas.search import Options, run_campaign
from eznas.spaces import SPACES

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


def naswot_rows(folder: Path) -> list[tuple[str, float | None, Options]]:
    """Return the rows of the NASWOT project's report: name, published accuracy, options."""
    rows: list[tuple[str, float | None, Options]] = []
    searches: list[tuple[str, dict[str, Any]]] = [
        ("random", {"algorithm": "random"}),
        ("ageing evolution", {}),
        ("ageing evolution, warm-up 500", {"warmup": 500}),
        ("ageing evolution, warm-up 3000", {"warmup": 3000}),
        ("ageing evolution, warm-up 500, move 0.75", {"warmup": 500, "move": 0.75}),
    ]
    for signal in ("hook_logdet", "synflow", "snip", "combined", "val12"):
        given = ("hook_logdet", "synflow") if signal == "combined" else (signal,)
        for index, (name, facts) in enumerate(searches):
            options = Options(
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
            published = PUBLISHED.get(signal)
            rows.append((f"{signal}: {name}", published[min(index, 2)] if published and index < 4 else None, options))
    return rows


def zero_cost_rows(folder: Path) -> list[tuple[str, float | None, Options]]:
    """Return the rows of zero-cost-nas: the 200-epoch validation accuracy is climbed, synflow leads."""
    rows: list[tuple[str, float | None, Options]] = []
    for algorithm in ("aging_evolution", "random", "local_search"):
        for warmup, move in ((0, 0.0), (3000, 0.0), (0, 0.75), (3000, 0.75)):
            if algorithm == "random" and move:
                continue
            options = Options(
                algorithm=algorithm,
                signal=("valid200",),
                proxy=("synflow",),
                scores=(f"synflow={folder / 'synflow.csv'}",),
                table=str(folder / "nasbench201_cifar10.csv"),
                target="test200",
                warmup=warmup,
                move=move,
                queries=500,
                runs=RUNS,
            )
            rows.append((f"zero-cost-nas {algorithm}: warm-up {warmup}, move {move:g}", None, options))
    return rows


def main(source: Path, folder: Path) -> None:
    """Run every row and write what was found."""
    write_scores(source / "naswot_cifar10.json.gz", folder)
    write_tables(source / "nasbench201.json.gz", folder)
    found: list[list[object]] = []
    for name, published, options in [*naswot_rows(folder), *zero_cost_rows(folder)]:
        path = folder / "".join(letter if letter.isalnum() else "_" for letter in name)
        start = time.perf_counter()
        with RunDirectory.create(path, options.as_toml(), seed=options.seed, command=" ".join(sys.argv)) as directory:
            summary = run_campaign(options, directory, Proxy.of)["summary"]
        spent = time.perf_counter() - start
        mean, deviation = summary["accuracy_mean"], summary["accuracy_std"]
        found.append([name, published, round(mean, 3), round(deviation, 3), round(summary["seconds_mean"], 1)])
        shown = "" if published is None or math.isnan(published) else f", published {published}"
        sys.stdout.write(f"{name}: {mean:.2f} +- {deviation:.2f}{shown} ({spent:.1f} s)\n")
    with (folder / "search_naswot.csv").open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["search", "published", "found", "deviation", "seconds"])
        writer.writerows(found)


if __name__ == "__main__":
    if len(sys.argv) != 3 or not Path(sys.argv[1]).is_dir():  # noqa: PLR2004 - two arguments
        sys.exit(f"usage: {sys.argv[0]} FOLDER_OF_TABLES FOLDER; the first must exist")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
