"""Tables of accuracies from column files; ``python experiments/tables.py --help`` explains."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
import statistics
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from eznas.cli.console import Command
from eznas.errors import EznasError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Table = tuple[str, dict[str, object], list[str], dict[str, list[Any]]]
    """A file's stem, the facts above its header, its architectures, and its columns, the accuracy first."""

_EPILOG = """\b
Column files:
  A column file is gzipped JSON, an object of parallel lists, or gzipped CSV.
  nasbench201     cells as six digits for the edges 0>1, 0>2, 0>3, 1>2, 1>3, 2>3; the accuracy is validation_200
  nats_sss        channels as five digits, an eighth of each
  nasbench101     the upper triangle of each cell's adjacency, and a digit for each inner vertex
  transnas101     the two classification tasks
  nasbench_macro  three test accuracies each
  darts_random    cells as pairs of operation and input; no benchmark finds darts_random_cifar10.csv, so give it by
                  --benchmark nasbench301 --table
  flexibert_glue  GLUE scores, by channels and layers
  autoformer_imagenet_tiny
                  accuracies inherited from the supernet, params_m and mflops
\b
Examples:
  python experiments/tables.py TABLES nasbench201.json.gz nats_sss.json.gz
  EZNAS_DATA=TABLES eznas verify --benchmark nats_sss
"""
_EDGES = {"0>1": 0, "0>2": 1, "0>3": 2, "1>2": 3, "1>3": 4, "2>3": 5}
_NAMES = {"valid": "validation", "test": "test"}


def _facts(dataset: str, split: str, epochs: int, training_seeds: str) -> dict[str, object]:
    return {"dataset": dataset, "split": split, "epochs": epochs, "training_seeds": training_seeds}


def nasbench201_string(cell: str, operations: list[str]) -> str:
    """Turn six digits into the benchmark's string."""
    nodes = (("0>1",), ("0>2", "1>2"), ("0>3", "1>3", "2>3"))
    return "+".join(
        "|" + "".join(f"{operations[int(cell[_EDGES[edge]])]}~{edge[0]}|" for edge in edges) for edges in nodes
    )


def _nasbench201(read: dict[str, Any]) -> Iterator[Table]:
    architectures = [nasbench201_string(cell, read["ops"]) for cell in read["cell"]]
    for dataset in ("cifar10", "cifar100", "ImageNet16-120"):
        if dataset not in read:
            continue
        figures = {**read[dataset], **read.get(f"hw_{dataset}", {})}
        columns = {"validation_200": figures["valid200"]}
        for name, values in figures.items():
            split = next((split for split in _NAMES if name.startswith(split)), None)
            if split:
                epochs, _, rest = name.removeprefix(split).partition("_")
                columns["_".join(filter(None, (_NAMES[split], epochs, rest)))] = values
            elif name == "mflops":  # NASLib's count, not that of the official files
                columns["mflops_every_layer"] = values
            elif name.endswith("_latency"):  # a device that cannot run a cell has -1 there
                columns[name] = [value if value > 0 else "" for value in values]
            elif name == "params":
                columns[name] = values
        facts = _facts(dataset.lower(), "validation", 200, "as NASLib queries it")
        yield f"nasbench201_{dataset.lower()}", facts, architectures, columns


def _nats_sss(read: dict[str, Any]) -> Iterator[Table]:
    architectures = [":".join(str(8 * int(digit)) for digit in one) for one in read["channels"]]
    for dataset in ("cifar10", "cifar100"):
        columns = {"test_90": read[dataset]["accuracy"], "params": read[dataset]["params"]}
        yield f"nats_sss_{dataset}", _facts(dataset, "test", 90, "not stated"), architectures, columns


def _nasbench101(read: dict[str, Any]) -> Iterator[Table]:
    cells = zip(read["adj"], read["op"], strict=True)
    architectures = [nasbench101_string(edges, [read["ops"][int(digit)] for digit in named]) for edges, named in cells]
    columns = {f"validation_{one}": [round(100 * value, 4) for value in read[f"val{one}"]] for one in (108, 36, 12, 4)}
    columns |= {"train_seconds_108": read["train_seconds"], "params": read["params"]}
    yield "nasbench101_cifar10", _facts("cifar10", "validation", 108, "not stated"), architectures, columns


def nasbench101_string(triangle: str, operations: list[str]) -> str:
    """Turn an upper triangle, row by row, and the operations of inner vertices into the form of the space."""
    size, digits = len(operations) + 2, iter(triangle)
    rows = [["0"] * size for _ in range(size)]
    for i, j in itertools.combinations(range(size), 2):
        rows[i][j] = next(digits)
    return f"{'/'.join(map(''.join, rows))} {','.join(['input', *operations, 'output'])}"


def _transnas101(read: dict[str, Any]) -> Iterator[Table]:
    for kind in ("micro", "macro"):
        for task in ("class_scene", "class_object"):
            columns = {"validation_25": read[kind][task]["val_accuracy"]}
            facts = _facts(task, "validation", 25, "as NASLib queries it")
            yield f"transnas_{kind}_{task}", facts, read[kind]["arch"], columns


def _nasbench_macro(read: dict[str, Any]) -> Iterator[Table]:
    columns = {"test_50": [statistics.fmean(values) for values in read["acc"]]}
    columns |= {"params": read["params"], "flops": read["flops"]}
    facts = _facts("cifar10", "test", 50, "mean of three trainings, each the best of its epochs")
    yield "nasbench_macro_cifar10", facts, read["arch"], columns


def _darts_random(read: dict[str, Any]) -> Iterator[Table]:
    facts = _facts("cifar10", "validation", 200, "one training each")
    architectures = [darts_string(cells, read["ops"]) for cells in read["genotype"]]
    yield "darts_random_cifar10", facts, architectures, {"validation_200": read["valid"]}


def darts_string(cells: list[list[list[int]]], operations: list[str]) -> str:
    """Turn pairs of operation and input, of the normal and the reduction cell, into a genotype."""
    genotype: dict[str, object] = {}
    for name, cell in zip(("normal", "reduce"), cells, strict=True):
        genotype[name] = [[operations[operation], source] for operation, source in cell]
        genotype[f"{name}_concat"] = [2, 3, 4, 5]
    return json.dumps(genotype)


def _flexibert(read: dict[str, Any]) -> Iterator[Table]:
    trainings: dict[str, list[int]] = {}
    for row, (hidden, layers) in enumerate(zip(read["hidden"], read["layers"], strict=True)):
        trainings.setdefault(json.dumps({"hidden": int(hidden), "layers": json.loads(layers)}), []).append(row)
    columns = {
        name: [round(statistics.fmean(float(read[name][row]) for row in rows), 6) for rows in trainings.values()]
        for name in ("glue", "cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst", "sts")
    }
    seeds = "trainings of 100,000 steps, mostly one of each"
    facts: dict[str, object] = {"dataset": "glue", "split": "validation", "training_seeds": seeds}
    yield "flexibert_glue", facts, list(trainings), columns


def _autoformer(read: dict[str, Any]) -> Iterator[Table]:
    columns = {
        "inherited": read["imagenet_inherited_top1"],
        "params": [round(1e6 * float(millions)) for millions in read["params_m"]],
        "mflops": read["mflops"],
    }
    seeds = "weights inherited from the supernet"
    facts: dict[str, object] = {"dataset": "imagenet", "split": "validation", "training_seeds": seeds}
    yield "autoformer_tiny_imagenet", facts, read["arch"], columns


_READERS: dict[str, Callable[[dict[str, Any]], Iterator[Table]]] = {
    "cell": _nasbench201,
    "channels": _nats_sss,
    "adj": _nasbench101,
    "micro": _transnas101,
    "acc": _nasbench_macro,
    "genotype": _darts_random,
    "glue": _flexibert,
    "imagenet_inherited_top1": _autoformer,
}
"""For each kind of file, a key that no other kind has."""


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("folder", type=Path)
@click.argument("sources", metavar="COLUMNS.gz...", nargs=-1, required=True, type=Path)
def main(folder: Path, sources: tuple[Path, ...]) -> None:
    """Write the tables of column files into a folder.

    Each data set gets one table, named as commands search for it (nasbench201_cifar10.csv). Its columns have the names
    that eznas benchmarks convert gives them (validation_200), so that tables from either source are interchangeable.
    """
    write_tables(folder, sources)


def write_tables(folder: Path, sources: Iterable[Path]) -> None:
    """Write the tables of column files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for source in sources:
        for stem, facts, architectures, columns in _read(source):
            path = folder / f"{stem}.csv"
            with path.open("w", newline="", encoding="utf-8") as out:
                out.writelines(f"# {name}: {value}\n" for name, value in facts.items())
                writer = csv.writer(out, lineterminator="\n")
                accuracy = next(iter(columns))
                writer.writerow(["architecture", "accuracy", *columns])
                writer.writerows(zip(architectures, columns[accuracy], *columns.values(), strict=True))
            click.echo(f"{path}: {len(architectures)} architectures; accuracy = {accuracy}")


def _read(source: Path) -> Iterator[Table]:
    try:
        with gzip.open(source, "rt", encoding="utf-8") as file:
            columns = _columns(file) if ".csv" in source.suffixes else json.load(file)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise EznasError(f"{source} must be a column file, gzipped JSON or CSV, but cannot be read: {error}") from error
    reader = next((reader for name, reader in _READERS.items() if name in columns), None)
    if reader is None:
        raise EznasError(f"{source} must be one of the column files that --help lists")
    return reader(columns)


def _columns(file: TextIO) -> dict[str, list[str]]:
    header, *rows = csv.reader(file)
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


if __name__ == "__main__":
    main(prog_name="python experiments/tables.py")
