"""Command line: the catalogue of benchmarks, and tables from official files (``python -m eznas.benchmarks --help``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from eznas.console import Command, print_table
from eznas.errors import EznasError, InputError

if TYPE_CHECKING:
    from eznas.benchmarks import BenchmarkInfo
    from eznas.spaces import SearchSpace

__all__ = ["main"]

_NETWORKS = 20
_SCORES = "zc_"
"""Benchmarks of scores, in which ``params`` is a proxy's score."""

_EPILOG = """\b
Examples:
  What there is:
    python -m eznas.benchmarks list
    python -m eznas.benchmarks info nats_sss
  A table from the official files, where it will be found:
    python -m eznas.benchmarks convert nats_sss NATS-sss-v1_0-50262-simple -o $EZNAS_DATA/nats_sss_cifar10.csv
    python -m eznas.benchmarks check nats_sss
"""


@click.group(epilog=_EPILOG)
def main() -> None:
    """Accuracies of trained networks: what is known of them, and tables from official files."""


_DATA = click.option(
    "--data",
    metavar="DIR",
    type=Path,
    help="Folder to look for tables in, named NAME_DATASET.csv, before that of EZNAS_DATA and that of the "
    'configuration, data = "DIR" in ~/.config/eznas/config.toml.',
)


@main.command("list", cls=Command)
@_DATA
def _list(data: Path | None) -> None:
    """List the benchmarks, and which are here."""
    from eznas.benchmarks import BENCHMARKS
    from eznas.benchmarks.places import looked_in

    print_table(
        f"benchmarks; tables are looked for in: {looked_in(data)}",
        ["name", "space", "data sets", "architectures", "here", "converter"],
        [
            [
                info.name,
                info.space,
                ", ".join(info.datasets),
                info.architectures or None,
                _here(info, data) or "-",
                "yes" if info.convert else "-",
            ]
            for info in BENCHMARKS.values()
        ],
    )


@main.command("info", cls=Command)
@click.argument("name")
@_DATA
def _info(name: str, data: Path | None) -> None:
    """Say what is known of a benchmark."""
    from eznas.benchmarks import BENCHMARKS
    from eznas.benchmarks.places import looked_in

    info = BENCHMARKS[name]
    facts = {
        "space": info.space,
        "data sets": ", ".join(info.datasets),
        "architectures": info.architectures or "not known",
        "targets": ", ".join(info.targets) or "-",
        "best": "; ".join(
            f"{dataset} {column} {best}" for dataset, columns in info.best.items() for column, best in columns.items()
        )
        or "-",
        "citation": info.citation,
        "licence": info.licence,
        "offered at": info.home or "-",
        "files": "; ".join(" ".join(filter(None, (one.name, one.size, one.digest))) for one in info.files) or "-",
        "embedded": ", ".join(info.embedded) or "-",
        "here": _here(info, data) or "-",
        "looked for in": looked_in(data),
    }
    width = max(map(len, facts))
    for fact, value in facts.items():
        click.echo(f"{fact:{width}}  {value}")


@main.command("convert", cls=Command)
@click.argument("name")
@click.argument("files", nargs=-1, required=True, type=Path)
@click.option("-o", "--out", metavar="TABLE.csv", type=Path, required=True, help="Table to write; .csv or .csv.gz.")
@click.option("--dataset", metavar="NAME", help="Data set of the accuracies.  [default: the benchmark's first]")
@click.option("--partial", is_flag=True, help="Accept files that hold a part of the benchmark.")
def _convert(name: str, files: tuple[Path, ...], out: Path, dataset: str | None, *, partial: bool) -> None:
    """Turn official files of a benchmark into a table, with a manifest beside it."""
    from eznas.benchmarks import BENCHMARKS
    from eznas.benchmarks.conversion import convert, manifest_path

    info = BENCHMARKS[name]
    done = convert(info, files, dataset or info.datasets[0], out, partial=partial)
    click.echo(f"{out}: {done.manifest['architectures']} architectures, {done.manifest['accuracy']}")
    for sentence in (*done.manifest["checks"], *done.manifest["notes"]):
        click.echo(f"  {sentence}")
    click.echo(f"  manifest: {manifest_path(out)}")


@main.command("check", cls=Command)
@click.argument("name")
@click.option("--dataset", metavar="NAME", help="Data set of the accuracies.  [default: the benchmark's first]")
@click.option("--table", metavar="CSV", type=Path, help="Table to check instead of the one that is found.")
@_DATA
def _check(name: str, dataset: str | None, table: Path | None, data: Path | None) -> None:
    """Check a table: its number of architectures, its best values, and the parameters of networks built from it."""
    import numpy as np

    from eznas.benchmarks import BENCHMARKS, load_table
    from eznas.benchmarks.conversion import ROUNDING
    from eznas.benchmarks.places import find_table
    from eznas.spaces import SPACES

    info = BENCHMARKS[name]
    dataset = dataset or info.datasets[0]
    known = load_table(name, dataset, table or find_table(name, dataset, data))
    click.echo(f"{known.source}: {len(known)} architectures, {known.target}")
    faults = []
    if info.architectures:
        verdict = "as published" if len(known) == info.architectures else f"of {info.architectures} published"
        click.echo(f"  {len(known)} architectures, {verdict}")
    for column, best in info.best.get(dataset, {}).items():
        if column not in known.columns:
            click.echo(f"  the table has no column {column}, whose best is {best} as published")
            continue
        values = known.columns[column]
        found, missing = np.fmax.reduce(values), int(np.isnan(values).sum())
        if missing:
            click.echo(f"  {missing} architectures have no {column}")
        if not abs(found - best) <= ROUNDING and len(known) == info.architectures:
            faults.append(f"the best {column} must be {best}, got {found:.4f}")
    if "params" in known.columns and not name.startswith(_SCORES):
        step = max(1, len(known) // _NETWORKS)
        pairs = list(zip(known.architectures, known.columns["params"], strict=True))[::step]
        wrong = [one for one, params in pairs if _params(SPACES[info.space], one, dataset) != params]
        click.echo(f"  {len(pairs) - len(wrong)} of {len(pairs)} networks built have the table's number of parameters")
        faults += [f"{one} has another number of parameters than the table says" for one in wrong[:1]]
    if faults:
        raise EznasError("; ".join(faults))


_CLASSES = {
    "cifar10": 10,
    "cifar100": 100,
    "imagenet16-120": 120,
    "imagenet": 1000,
    "class_scene": 63,
    "class_object": 100,
}


def _params(space: SearchSpace, architecture: str, dataset: str) -> int:
    import torch

    if dataset not in _CLASSES:
        raise InputError(f"the number of classes of {dataset} must be known to build its networks; it is not")
    with torch.device("meta"):
        network = space.build(architecture, space.fidelities["full"], _CLASSES[dataset])
    return sum(parameter.numel() for parameter in network.parameters())


def _here(info: BenchmarkInfo, data: Path | None) -> str:
    from eznas.benchmarks.places import find_table

    found = {dataset: find_table(info.name, dataset, data) for dataset in info.datasets}
    tables = [f"{dataset} ({path})" for dataset, path in found.items() if path]
    return ", ".join([*tables, *(f"{dataset} (with pip)" for dataset in info.embedded if not found[dataset])])


if __name__ == "__main__":
    main(prog_name="python -m eznas.benchmarks")
