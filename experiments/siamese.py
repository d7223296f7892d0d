"""Repeat Siamese-NAS's comparison on NAS-Bench-201, CIFAR-100: ``python experiments/siamese.py run --help``."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import statistics
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from eznas.cli.console import Command
from eznas.errors import InputError
from eznas.files import write_output
from eznas.predictors import ENCODINGS
from eznas.predictors.brp.network import BrpSettings
from eznas.predictors.brp.sampling import BrpSearch
from eznas.predictors.encodings.base import EncodingInputs, GraphEncoding
from eznas.predictors.siamese.sampling import SiameseSearch, SiameseSettings
from eznas.ranking import correlate
from eznas.run import versions
from eznas.seeds import numpy_rng
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from eznas.predictors.encodings.graphs import Graphs

LOOKED_AT = 30
SHARED = ("target", "table", "versions")
"""What all records of a report must share: the column, the digest of its file, and the versions of packages."""
TOTALS = (100, 125, 150, 200)
PUBLISHED = {
    "siamese_nsam_bts": (73.6, 73.8, 74.1, 74.25),
    "siamese_nsam": (72.8, 73.1, 73.4, 73.7),
    "siamese": (72.2, 72.5, 72.5, 72.7),
    "brp": (73.7, 73.8, 73.8, 73.85),
    "plain": (72.0, 72.1, 71.9, 72.1),
}
"""Figure 6 (b) of the paper, read off at ``TOTALS``; every architecture has the accuracy of one training there."""

BRP = BrpSettings(width=128, batch=256, pairs=1024, learning_rate=1e-3)
"""A sixth of the published cost or less: a narrower network, and at most 1,024 pairs in each epoch."""


@dataclass(frozen=True, eq=False)
class Data:
    """The space: accuracies in percent, a code of three equal numbers from synflow, and the graphs."""

    accuracies: NDArray[np.float64]
    codes: NDArray[np.float64]
    nodes: Graphs
    operations: Graphs


@cache
def read(source: Path, table: Path, target: str) -> Data:
    """Read the table and synflow's scores."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    by_cell = {row["architecture"]: float(row[target]) for row in rows}
    space = SPACES["nasbench201"]
    cells = list(space.architectures() or ())
    with gzip.open(source / "naswot_cifar10.json.gz", "rt", encoding="utf-8") as file:
        synflow = np.log1p(np.array(json.load(file)["synflow"]["score"], dtype=np.float64))
    code = (synflow - synflow.mean()) / synflow.std()
    encodings = [ENCODINGS[name](EncodingInputs(space)) for name in ("graph_nodes", "graph")]
    nodes, operations = (encoding.graphs(cells) for encoding in encodings if isinstance(encoding, GraphEncoding))
    return Data(np.array([by_cell[cell] for cell in cells]), np.stack([code] * 3, axis=1), nodes, operations)


def _siamese(data: Data, budget: int, seed: int, **settings: Any) -> tuple[list[int], dict[int, float], int]:
    coded = settings.pop("coded", True)
    search = SiameseSearch(
        data.nodes,
        (lambda places: data.codes[list(places)]) if coded else None,
        budget=budget,
        seed=seed,
        settings=SiameseSettings(**settings),
    )
    ranking = search.run(data.accuracies.__getitem__)
    return ranking, search.accuracies, len(search.coded)


def _brp(data: Data, budget: int, seed: int) -> tuple[list[int], dict[int, float], int]:
    search = BrpSearch(data.operations, budget=budget, seed=seed, settings=BRP)
    return search.run(data.accuracies.__getitem__), search.accuracies, 0


def _random(data: Data, budget: int, seed: int) -> tuple[list[int], dict[int, float], int]:
    drawn: list[int] = numpy_rng(seed, "random").permutation(len(data.accuracies)).tolist()
    trained = drawn[-budget:]
    return drawn, {place: float(data.accuracies[place]) for place in trained}, 0


METHODS: dict[str, Callable[[Data, int, int], tuple[list[int], dict[int, float], int]]] = {
    "siamese_nsam_bts": _siamese,
    "siamese_nsam": lambda *args: _siamese(*args, sampling=False),
    "siamese": lambda *args: _siamese(*args, sampling=False, attention=False),
    "siamese_nsam_bts_without_code": lambda *args: _siamese(*args, coded=False),
    "brp": _brp,
    "plain": lambda *args: _siamese(*args, sampling=False, attention=False, coded=False),
    "random": _random,
}
LABELS = {
    "siamese_nsam_bts": "Siamese-NAS, attention and budgeted sampling",
    "siamese_nsam": "Siamese-NAS, attention",
    "siamese": "Siamese-NAS",
    "siamese_nsam_bts_without_code": "Siamese-NAS, attention and budgeted sampling, no code",
    "brp": "BRP-NAS",
    "plain": "plain predictor",
    "random": "best of 30 random architectures",
}
"""The names of the methods in the plot."""
DEFAULT = ("siamese_nsam_bts", "siamese_nsam", "brp", "plain", "random")


def one_run(data: Data, method: str, total: int, repeat: int) -> dict[str, Any]:
    """Run one search and return its record."""
    start = time.process_time()
    ranking, trained, coded = METHODS[method](data, total - LOOKED_AT, repeat)
    seconds = time.process_time() - start
    best = np.maximum.accumulate(data.accuracies[ranking[: max(TOTALS)]])
    order = np.empty(len(ranking))
    order[ranking] = -np.arange(len(ranking), dtype=np.float64)
    return {
        "method": method,
        "total": total,
        "repeat": repeat,
        "accuracy": float(best[LOOKED_AT - 1]),
        "accuracy_with_trained": float(max(best[LOOKED_AT - 1], *trained.values())),
        "best_of_first": best.tolist(),
        "spearman": correlate(order, data.accuracies, resamples=0).rho,
        "trained": len(trained),
        "coded": coded,
        "cpu_seconds": round(seconds, 1),
    }


def summarise(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return mean and standard error of each method at each total, beside the published figure."""
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault((record["method"], record["total"]), []).append(record)
    rows = []
    for method in METHODS:
        for total in sorted({total for name, total in groups if name == method}):
            members = groups[method, total]
            values = [member["accuracy"] for member in members]
            error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None
            known = method in PUBLISHED and total in TOTALS
            rows.append(
                {
                    "method": method,
                    "total": total,
                    "repeats": len(values),
                    "accuracy": statistics.fmean(values),
                    "standard_error": error,
                    "published": PUBLISHED[method][TOTALS.index(total)] if known else None,
                    "accuracy_with_trained": statistics.fmean(m["accuracy_with_trained"] for m in members),
                    "spearman": statistics.fmean(m["spearman"] for m in members),
                    "cpu_seconds": statistics.fmean(m["cpu_seconds"] for m in members),
                }
            )
    return rows


def plot(rows: Sequence[dict[str, Any]], best: float, path: Path) -> None:
    """Draw accuracy over the total of each method, with two standard errors; published figures are dashed."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    for number, method in enumerate(dict.fromkeys(row["method"] for row in rows)):
        mine = [row for row in rows if row["method"] == method]
        totals = [row["total"] for row in mine]
        errors = [2 * (row["standard_error"] or 0) for row in mine]
        colour = f"C{number}"
        axes.errorbar(totals, [row["accuracy"] for row in mine], errors, color=colour, marker="o", label=LABELS[method])
        if all(row["published"] is not None for row in mine):
            axes.plot(totals, [row["published"] for row in mine], color=colour, linestyle="--", alpha=0.5)
    axes.axhline(best, color="grey", linewidth=0.8, label="best of the table")
    axes.set(xlabel="architectures looked up, N + 30", ylabel="test accuracy in percent")
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)


@click.group()
def main() -> None:
    """Repeat Siamese-NAS's comparison on NAS-Bench-201, CIFAR-100."""


@main.command(cls=Command)
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("table", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--repeats", default=30, show_default=True, help="Repeats of each search.")
@click.option("--first", default=0, show_default=True, help="Number of the first repeat, its seed.")
@click.option("--total", "totals", type=int, multiple=True, default=TOTALS, show_default=True, help="N + 30.")
@click.option("--method", "methods", type=click.Choice([*METHODS]), multiple=True, default=DEFAULT, show_default=True)
@click.option("--target", default="test_200", show_default=True, help="Column of the accuracies.")
def run(
    source: Path,
    table: Path,
    folder: Path,
    repeats: int,
    first: int,
    totals: tuple[int, ...],
    methods: tuple[str, ...],
    target: str,
) -> None:
    """Run the searches whose record is not in FOLDER yet; several processes may run different repeats.

    SOURCE holds naswot_cifar10.json.gz with the scores of synflow, which stand in for estimation codes. TABLE is the
    table of CIFAR-100. FOLDER receives a record of each search.
    """
    import torch

    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    data = read(source, table, target)
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    for repeat in range(first, first + repeats):
        for method in methods:
            for total in totals:
                path = folder / f"{method}_{total}_{repeat}.json"
                if not path.exists():
                    record = one_run(data, method, total, repeat)
                    facts = {"target": target, "table": digest, "versions": versions()}
                    write_output(path, json.dumps(record | facts) + "\n")
                    click.echo(f"{path.stem}: {record['accuracy']:.2f} in {record['cpu_seconds']} s")


@main.command(cls=Command)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--best", default=73.51, show_default=True, help="The best accuracy of the table.")
def report(folder: Path, out: Path, best: float) -> None:
    """Write the means of the records in FOLDER to OUT, a JSON file, and a plot of the same name beside it."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*_*.json"))]
    if any(record[name] != records[0][name] for record in records for name in SHARED):
        raise InputError(f"all records in {folder} must have the same {', '.join(SHARED)}; report them apart")
    rows = summarise(records)
    totals = " ".join(f"--total {total}" for total in sorted({record["total"] for record in records}))
    facts = {
        "command": f"python experiments/siamese.py run FOLDER_OF_COLUMN_FILES TABLE.csv FOLDER_OF_RUNS {totals}",
        **{name: records[0][name] for name in SHARED},
        "device": "cpu",
        "seeds": sorted({record["repeat"] for record in records}),
        "looked_at": LOOKED_AT,
        "brp": asdict(BRP),
        "rows": rows,
    }
    write_output(out, json.dumps(facts, indent=1) + "\n")
    plot(rows, best, out.with_suffix(".png"))
    for row in rows:
        error = "" if row["standard_error"] is None else f" +- {row['standard_error']:.3f}"
        published = "" if row["published"] is None else f", published {row['published']}"
        click.echo(f"{row['method']} {row['total']}: {row['accuracy']:.3f}{error} ({row['repeats']}){published}")


if __name__ == "__main__":
    main()
