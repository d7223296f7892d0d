"""Command line: the catalogue of benchmarks, and tables from official files (``python -m eznas.benchmarks --help``)."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eznas.cli.console import Command, Progress, print_table
from eznas.errors import EznasError, InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.benchmarks import BenchmarkInfo

__all__ = ["main"]

_SHOWN = 3
"""Data sets of a benchmark that ``list`` names; of more it names the first."""

_EPILOG = """\b
Examples:
  What there is:
    python -m eznas.benchmarks list
    python -m eznas.benchmarks info nats_sss
  A table from the official files, where it will be found:
    python -m eznas.benchmarks convert nats_sss NATS-sss-v1_0-50262-simple -o $EZNAS_DATA/nats_sss_cifar10.csv
    python -m eznas.benchmarks check nats_sss
  Every network of every table that is here:
    python -m eznas.benchmarks check --networks 0
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
        ["name", "data sets", "architectures", "here", "converter"],
        [
            [
                info.name,
                _some(info.datasets),
                info.architectures or None,
                _here(info, data, brief=True) or "-",
                "yes" if info.convert else "-",
            ]
            for info in BENCHMARKS.values()
        ],
    )


@main.command("info", cls=Command)
@click.argument("name")
@click.option("--left_out", is_flag=True, help="List each architecture that the embedded tables lack, and why.")
@_DATA
def _info(name: str, data: Path | None, *, left_out: bool) -> None:
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
        "embedded": f'{", ".join(info.embedded)} (pip install "eznas[{info.extra}]")' if info.embedded else "-",
        "here": _here(info, data) or "-",
        "looked for in": looked_in(data),
    }
    width = max(map(len, facts))
    for fact, value in facts.items():
        click.echo(f"{fact:{width}}  {value}")
    if info.left_out is not None:
        _print_left_out(info, each=left_out)


def _print_left_out(info: BenchmarkInfo, *, each: bool) -> None:
    """Say what the embedded tables lack, by reason or one by one."""
    for dataset in info.datasets if info.left_out else ():
        try:
            reasons = info.left_out(dataset) if info.left_out else {}
        except InputError as error:  # what they are read from is not installed
            click.echo(str(error))
            return
        counts = Counter(reasons.values())
        click.echo(
            f"{dataset}: left out are {', '.join(f'{count} {reason}' for reason, count in counts.most_common())}"
        )
        for one, reason in reasons.items() if each else ():
            click.echo(f"  {one}: {reason}")


@main.command("convert", cls=Command)
@click.argument("name")
@click.argument("files", nargs=-1, required=True, type=Path)
@click.option("-o", "--out", metavar="TABLE.csv", type=Path, required=True, help="Table to write; .csv or .csv.gz.")
@click.option("--dataset", metavar="NAME", help="Data set of the accuracies.  [default: the benchmark's first]")
@click.option("--partial", is_flag=True, help="Accept files that hold a part of the benchmark.")
@click.option("--every_epoch", is_flag=True, help="Keep learning curves whole, and not only epochs 1, 2, 4, 8, ...")
@click.option("--force", is_flag=True, help="Replace the table if it exists.")
def _convert(name: str, files: tuple[Path, ...], out: Path, dataset: str | None, **flags: bool) -> None:
    """Turn official files of a benchmark into a table, with a manifest beside it."""
    from eznas.benchmarks import BENCHMARKS
    from eznas.benchmarks.conversion import convert, manifest_path

    info = BENCHMARKS[name]
    done = convert(info, files, dataset or info.datasets[0], out, **flags)
    click.echo(f"{out}: {done.manifest['architectures']} architectures, {done.manifest['accuracy']}")
    for sentence in (*done.manifest["checks"], *done.manifest["notes"]):
        click.echo(f"  {sentence}")
    click.echo(f"  manifest: {manifest_path(out)}")


@main.command("check", cls=Command)
@click.argument("names", nargs=-1)
@click.option("--dataset", metavar="NAME", help="Data set of the accuracies.  [default: those whose tables are found]")
@click.option("--table", metavar="CSV", type=Path, help="Table to check instead of the one that is found.")
@click.option(
    "--networks",
    metavar="N",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Networks to build, at equal steps through the table; 0 for all.",
)
@click.option("--quiet", is_flag=True, help="Print no progress.")
@_DATA
def _check(
    names: tuple[str, ...], dataset: str | None, table: Path | None, networks: int, data: Path | None, *, quiet: bool
) -> None:
    """Check tables: architectures, best values, and the parameters and multiply-adds of networks built from them.

    Without names, every table that is found is checked. A table that is found and cannot be used is a fault like any
    other: the rest are checked all the same.
    """
    from eznas.benchmarks import BENCHMARKS
    from eznas.benchmarks.places import looked_in

    if table is not None and len(names) != 1:
        raise InputError(f"--table must come with the name of one benchmark, got {len(names)}")
    infos = [BENCHMARKS[name] for name in names or BENCHMARKS]
    if dataset is not None and not names:
        infos = [info for info in infos if dataset.lower() in info.datasets]
        if not infos:
            raise unknown("data set", dataset, {one for info in BENCHMARKS.values() for one in info.datasets})
    tables = [
        (info, one, path)
        for info in infos
        for one, path in _tables(info, dataset, table, data, asked=bool(names)).items()
    ]
    if not tables:
        name = f"NAME_{dataset.lower() if dataset else 'DATASET'}.csv"
        raise InputError(f"no table was found; {name} must be in a folder that is looked in ({looked_in(data)})")
    faults = [
        fault
        for info, one, path in tables
        for fault in _faults(info, one, path, networks, asked=path in (None, table), quiet=quiet)
    ]
    if faults:
        raise EznasError("; ".join(faults))


def _faults(
    info: BenchmarkInfo, dataset: str, path: Path | None, networks: int, *, asked: bool, quiet: bool
) -> Sequence[str]:
    """Check one table: print what holds, and return what does not; one that was asked for must be readable."""
    from eznas.benchmarks import load_table
    from eznas.benchmarks.check import check_table, sampled

    try:
        known = load_table(info.name, dataset, path)
    except InputError as error:
        if asked:
            raise
        click.echo(f"{info.name}, {path}: cannot be used")
        return [str(error)]
    click.echo(f"{info.name}, {known.source}: {len(known)} architectures, {known.target}")
    with Progress(quiet=quiet) as progress:
        progress.stage("networks", len(sampled(info, known, networks)))
        checked = check_table(info, known, networks, progress.advance)
    for fact in checked.facts:
        click.echo(f"  {fact}")
    return checked.faults


def _tables(
    info: BenchmarkInfo, dataset: str | None, table: Path | None, data: Path | None, *, asked: bool
) -> dict[str, Path | None]:
    """Return the data sets to check, with the table of each; None for what is embedded, or missing though asked for."""
    from eznas.benchmarks.places import find_table, looked_in

    given = info.dataset(dataset) if dataset else info.datasets[0] if table else None
    found = {one: table or find_table(info.name, one, data) for one in ((given,) if given else info.datasets)}
    here = {one: path for one, path in found.items() if path or (asked and (given or one in info.embedded))}
    missing = given or info.datasets[0]
    lacking = not here or (here.get(missing, Path()) is None and missing not in info.embedded)
    if asked and lacking:
        how = f"; python -m eznas.benchmarks convert {info.name} makes it of official files" if info.convert else ""
        raise InputError(f"{info.name}_{missing}.csv must be in a folder that is looked in ({looked_in(data)}){how}")
    return here


def _some(names: Sequence[str]) -> str:
    """Return the names, or the first and how many more there are; ``info`` lists all."""
    return ", ".join(names) if len(names) <= _SHOWN else f"{names[0]} and {len(names) - 1} more"


def _here(info: BenchmarkInfo, data: Path | None, *, brief: bool = False) -> str:
    """Return which data sets are here, and where; brief leaves out the folder that is looked in first."""
    from eznas.benchmarks.places import find_table, places

    found = {dataset: find_table(info.name, dataset, data) for dataset in info.datasets}
    first = places(data)[0].folder if brief and any(found.values()) else None
    here = [dataset if path.parent == first else f"{dataset} ({path})" for dataset, path in found.items() if path]
    embedded = [dataset for dataset in info.embedded if not found[dataset]]
    if embedded:
        how = "with pip" if find_spec(info.module) else f'not installed: pip install "eznas[{info.extra}]"'
        here.append(f"{', '.join(embedded)} ({how})")
    return ", ".join(here)
