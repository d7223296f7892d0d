"""Evaluate all predictors beside published figures; ``python experiments/predictor_table.py --help`` explains.

The protocol is that of White et al., How Powerful are Performance Predictors in Neural Architecture Search?: 200 random
test architectures, and Kendall's tau by the number of training architectures.
"""

from __future__ import annotations

import ast
import csv
import gzip
import json
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from predictor_table_published import NOT_EVALUATED, NOTES, PUBLISHED
from tables import write_tables

from eznas.api.predict import evaluate
from eznas.benchmarks.convert.zc import NOTATIONS
from eznas.cli.console import Command
from eznas.errors import InputError
from eznas.files import write_output
from eznas.predictors.fits import fit_versions
from eznas.run import versions
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Row = dict[str, Any]

SIZES = (5, 8, 14, 24, 42, 71, 121, 205)
TRIALS, TEST = 20, 200
LARGEST = {"brp_nas": 24}
"""Most training architectures, by predictor. An epoch of brp_nas has all pairs: with 205, one fit takes hours."""

CHEAP = (
    *("gp", "bayesian_linear_regression", "bayesian_ridge", "gp_fitted", "svr", "xgboost", "lightgbm", "random_forest"),
    *("xgboost_slow", "random_forest_graf", "gradient_boosting", "extra_trees"),
)
SLOW = (
    *("bohamiann", "variational_sparse_gp", "sparse_gp", "dngo", "mlp", "bananas", "bonas", "ngboost", "nao"),
    *("siamese_nas", "gates", "gcn", "ta_gates", "seminas", "brp_nas"),
)
SCORED = (
    *("measure:fisher", "measure:grad_norm", "measure:grasp", "measure:jacob_cov", "measure:snip", "measure:synflow"),
    *("extra_trees@measures", "xgboost@onehot+measures", "random_forest_graf@graf+measures"),
    *("xgboost_slow@graf+measures", "extra_trees@graf+measures", "blended_trees@graf+measures"),
)
"""Predictors that read scores; their architectures are those of the table of published scores."""

SLOW_SCORED = ("omni_seminas@tokens+measures", "omni@measures+onehot")
RENAMED = {"jacov": "jacob_cov", "nwot": "naswot"}
"""Measures by their names in the published files."""

COLUMNS = ("train_size", "epochs", "tau", "tau_sd", "tau_top_half", "spearman", "coverage_95", "undefined", "failed")
"""The columns of an evaluation that the record of a predictor has."""

_SKIPPED = ("net", "net_str", "source", "note", "arch", "val_accuracy", "seconds")
_FAILED = -1e8  # NASLib's mark of a measure without a value


@dataclass(frozen=True)
class Data:
    """A benchmark.

    Args:
        target: Column of the accuracies.
        curves: The last epochs of learning curves, by the predictors that read them.
        scored: The table of the architectures with published scores.
        most: Most training architectures with scores.
    """

    target: str
    curves: Mapping[str, tuple[int, ...]]
    scored: str
    most: int


DATA = {
    "nasbench201": Data("validation_200", {"early_stopping_accuracy": (12,)}, "nasbench201_cifar10.csv", SIZES[-1]),
    "nasbench101": Data(
        "validation_108", {"early_stopping_accuracy": (4, 12, 36), "lcsvr": (36,)}, "nasbench101_scored.csv", 71
    ),
}


def entries() -> Iterator[tuple[str, str]]:
    """Yield every benchmark and predictor, cheap predictors first."""
    for names in ((*CHEAP, *SCORED), SLOW, SLOW_SCORED):
        for space, data in DATA.items():
            curved = [*data.curves] if names[0] == CHEAP[0] else []
            yield from ((space, name) for name in (*curved, *names))


def prepare(columns: Path, folder: Path) -> None:
    """Write the tables and the published scores as CSV files.

    The points of the learning curves are trainings of their own: 12 epochs of NAS-Bench-201, 4, 12 and 36 of
    NAS-Bench-101.
    """
    write_tables(folder, [columns / f"{space}.json.gz" for space in DATA])
    for benchmark, data in DATA.items():
        path = folder / f"{benchmark}_cifar10.csv"
        split, _, last = data.target.partition("_")
        lines = path.read_text(encoding="utf-8").splitlines()
        header = next(place for place, line in enumerate(lines) if line.startswith("architecture"))
        names = lines[header].split(",")
        points = {f"{split}_{epoch}": f"{data.target}@{epoch}" for epoch in (4, 12, 36) if epoch < int(last)}
        lines[header] = ",".join(points.get(name, name) for name in names)
        write_output(path, "\n".join(lines) + "\n")
    published = _read(columns / "published_scores_nb201_cifar10.json.gz")
    _write_scores(folder / "nasbench201_scores.csv", published["net_str"], published)
    suite = _read(columns / "published_scores_nbsuite_zero.json.gz")["nasbench101"]["cifar10"]
    space = SPACES["nasbench101"]
    cells = [space.parse(NOTATIONS["nasbench101"](ast.literal_eval(text))) for text in suite["arch"]]
    _write_scores(folder / "nasbench101_scores.csv", cells, suite)
    rows = {cell: [accuracy] * 2 for cell, accuracy in zip(cells, suite["val_accuracy"], strict=True)}
    facts = "# dataset: cifar10\n# split: validation\n# epochs: 108\n# training_seeds: as NASLib queries it\n"
    _write(folder / "nasbench101_scored.csv", ["architecture", "accuracy", "validation_108"], rows, facts)


def _read(path: Path) -> dict[str, Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        read: dict[str, Any] = json.load(file)
    return read


def _write_scores(path: Path, cells: Sequence[str], columns: Mapping[str, Any]) -> None:
    names = [name for name in columns if name not in _SKIPPED]
    rows = {
        cell: ["" if value is None or value <= _FAILED else value for value in values]
        for cell, *values in zip(cells, *(columns[name] for name in names), strict=True)
    }
    _write(path, ["architecture", *(RENAMED.get(name, name) for name in names)], rows)


def _write(path: Path, header: Sequence[str], rows: Mapping[str, Iterable[object]], facts: str = "") -> None:
    with path.open("w", newline="", encoding="utf-8") as out:
        out.write(facts)
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([cell, *values] for cell, values in rows.items())


def evaluated(folder: Path, space: str, name: str, trials: int, workers: int) -> dict[str, Any]:
    """Evaluate one predictor on one benchmark, or continue, and return its record."""
    data, tables = DATA[space], folder / "data"
    scored = "measure" in name
    curved = name in data.curves
    most = min(data.most if scored else SIZES[-1], LARGEST.get(name, SIZES[-1]))
    begin = time.process_time()
    try:
        evaluation = evaluate(
            name,
            benchmark=space,
            table=tables / (data.scored if scored else f"{space}_cifar10.csv"),
            target=data.target,
            scores=[tables / f"{space}_scores.csv"] if scored else (),
            curves={"validation_accuracy": data.target} if curved else None,
            epochs=data.curves[name] if curved else (),
            train_sizes=[size for size in SIZES if size <= most],
            trials=trials,
            test=TEST,
            csv=folder / f"{space}_{name.replace(':', '_')}.csv",
            resume=True,
            workers=workers,
            progress=False,
        )
    except InputError as error:
        return {"space": space, "predictor": name, "status": str(error), "rows": []}
    return {
        "space": space,
        "predictor": name,
        "status": "ok",
        "architectures": evaluation.facts["architectures"],
        "target": evaluation.facts["target"],
        "data": evaluation.facts["data"],
        "command": shlex.join(["python", "experiments/predictor_table.py", *sys.argv[1:]]),
        "versions": {**versions(), **fit_versions()},
        "seed": evaluation.facts["seed"],
        "trials": trials,
        "fit_seconds": round(sum(row["fit_seconds"] for row in evaluation.rows) / trials, 2),
        "processor_seconds": round(time.process_time() - begin, 1),
        "rows": [{column: row[column] for column in COLUMNS} for row in evaluation.summary],
    }


def add_seconds(record: dict[str, Any], earlier: Mapping[str, Any]) -> dict[str, Any]:
    """Add the processor seconds of earlier commands, whose trials a record continues."""
    if record["status"] != "ok":
        return record
    return record | {"processor_seconds": round(record["processor_seconds"] + earlier.get("processor_seconds", 0), 1)}


def facts(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the content of ``predictor_table.json``."""
    return {
        "processor_seconds": round(sum(record.get("processor_seconds", 0) for record in records), 1),
        "sizes": SIZES,
        "test": TEST,
        "records": records,
    }


def published_at(space: str, name: str, size: int) -> float | None:
    """Return the published tau at a size, linear in its logarithm between published sizes; None outside them."""
    known = PUBLISHED.get((space, name), {})
    if not known or not min(known) <= size <= max(known):
        return None
    return float(np.interp(np.log(size), np.log([*known]), [*known.values()]))


def markdown(records: Sequence[Mapping[str, Any]]) -> str:
    """Return a table for each benchmark: mean tau, its standard deviation in brackets, and published figures."""
    text = []
    for space in DATA:
        text += [f"## {space}", "", f"| predictor | trials | {' | '.join(map(str, SIZES))} |", "|---" * 10 + "|"]
        for record in (one for one in records if one["space"] == space):
            text += _lines(space, record)
        text.append("")
    text += ["## Not evaluated", "", *(f"- {name}: {reason}" for name, reason in NOT_EVALUATED.items()), ""]
    return "\n".join(text)


def _lines(space: str, record: Mapping[str, Any]) -> Iterator[str]:
    name = record["predictor"]
    if record["status"] != "ok":
        yield f"| {name} | {record['status']} |" + " |" * len(SIZES)
        return
    for epoch in sorted({row["epochs"] for row in record["rows"]}):
        rows = {row["train_size"]: row for row in record["rows"] if row["epochs"] == epoch}
        cells = [_cell(rows.get(size) or rows.get(0)) for size in SIZES]
        yield f"| {name}{f', epoch {epoch}' if epoch else ''} | {record['trials']} | {' | '.join(cells)} |"
    figures = [published_at(space, name, size) for size in SIZES]
    if any(figure is not None for figure in figures):
        cells = ["" if figure is None else f"{figure:.3f}" for figure in figures]
        yield f"| {name}, published | | {' | '.join(cells)} |"
    if (space, name) in NOTES:
        yield f"| | {NOTES[space, name]} |" + " |" * len(SIZES)


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None or row["tau"] is None:
        return "-"
    spread = "" if row["tau_sd"] is None else f" ({row['tau_sd']:.3f})"
    return f"{row['tau']:.3f}{spread}"


@click.command(cls=Command)
@click.argument("columns", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--trials", default=TRIALS, show_default=True, help="Most trials of a predictor.")
@click.option("--workers", default=1, show_default=True, help="Worker processes.")
@click.option(
    "--only", multiple=True, metavar="NAME", help="Evaluate this predictor alone; may be repeated. Default: all."
)
def main(columns: Path, folder: Path, trials: int, workers: int, only: tuple[str, ...]) -> None:
    """Evaluate all predictors on NAS-Bench-201 and NAS-Bench-101, CIFAR-10 validation accuracy.

    COLUMNS is the folder of the column files of both benchmarks and of published scores. FOLDER receives the tables in
    data/, the trials of each predictor as CSV, and predictor_table.json and .md, written anew after each predictor. The
    same command continues after a stop, and one with more --trials adds trials.
    """
    (folder / "data").mkdir(parents=True, exist_ok=True)
    prepare(columns, folder / "data")
    path = folder / "predictor_table.json"
    for space, name in entries():
        if only and name not in only:
            continue
        record = evaluated(folder, space, name, trials, workers)
        click.echo(f"{space} {name}: {record['status']}, {record.get('processor_seconds', 0)} s")
        # read here, because another command may have added records meanwhile
        kept = json.loads(path.read_text(encoding="utf-8"))["records"] if path.exists() else []
        records = {(record["space"], record["predictor"]): record for record in kept}
        records[space, name] = add_seconds(record, records.get((space, name), {}))
        table = [records[key] for key in entries() if key in records]
        write_output(path, json.dumps(facts(table), indent=1) + "\n")
        write_output(folder / "predictor_table.md", markdown(table))


if __name__ == "__main__":
    main()
