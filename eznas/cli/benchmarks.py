"""``eznas benchmarks``: the catalogue of benchmarks, and tables from official files."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from eznas.cli import options
from eznas.cli.console import Command, print_table
from eznas.errors import EznasError, InputError, unknown
from eznas.report.display import Display

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.benchmarks import BenchmarkInfo


_SHOWN = 3
"""Most data sets of a benchmark that ``list`` names."""

_EPILOG = """\b
Examples:
  List the benchmarks, and describe one:
    eznas benchmarks list
    eznas benchmarks info nats_sss
  Convert official files to a table, in a folder where commands find it, and check it:
    eznas benchmarks convert nats_sss NATS-sss-v1_0-50262-simple --out $EZNAS_DATA/nats_sss_cifar10.csv
    eznas benchmarks check nats_sss
  Check every network of every table that is found:
    eznas benchmarks check --samples 0
"""


@click.group(short_help="List, convert and check tables of accuracies.", epilog=_EPILOG)
def main() -> None:
    """List benchmarks, convert their official files to tables of accuracies, and check tables."""


@main.command("list", cls=Command)
@options.data
def _list(data: Path | None) -> None:
    """List the benchmarks and the tables that are found."""
    from eznas.benchmarks import BENCHMARKS
    from eznas.benchmarks.places import looked_in

    print_table(
        f"benchmarks; tables are searched for in: {looked_in(data)}",
        ["name", "data sets", "architectures", "found", "converter"],
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
@options.option("--left-out", is_flag=True, help="List each architecture that the embedded tables omit, and why.")
@options.data
def _info(name: str, data: Path | None, *, left_out: bool) -> None:
    """Describe a benchmark."""
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
        "files": "; ".join(" ".join(filter(None, (file.name, file.size, file.digest))) for file in info.files) or "-",
        "embedded": f'{", ".join(info.embedded)} (pip install "eznas[{info.extra}]")' if info.embedded else "-",
        "found": _here(info, data) or "-",
        "searched in": looked_in(data),
    }
    width = max(map(len, facts))
    for fact, value in facts.items():
        click.echo(f"{fact:{width}}  {value}")
    if info.left_out is not None:
        _print_left_out(info, each=left_out)


def _print_left_out(info: BenchmarkInfo, *, each: bool) -> None:
    """Print the architectures that the embedded tables omit, counted by reason or each."""
    for dataset in info.datasets if info.left_out else ():
        try:
            reasons = info.left_out(dataset) if info.left_out else {}
        except InputError as error:  # their package is not installed
            click.echo(str(error))
            return
        counts = Counter(reasons.values())
        click.echo(f"{dataset}: omitted are {', '.join(f'{count} {reason}' for reason, count in counts.most_common())}")
        for architecture, reason in reasons.items() if each else ():
            click.echo(f"  {architecture}: {reason}")


@main.command("convert", cls=Command, short_help="Convert official files to a table.")
@click.argument("name")
@click.argument("files", nargs=-1, required=True, type=Path)
@options.option("-o", "--out", metavar="TABLE.csv", type=Path, required=True, help="Table to write; .csv or .csv.gz.")
@options.dataset
@options.option("--partial", is_flag=True, help="Accept files that hold a part of the benchmark.")
@options.option("--every-epoch", is_flag=True, help="Keep all epochs of learning curves, not only 1, 2, 4, 8, ...")
@options.option("--force", is_flag=True, help="Replace the table if it exists.")
def _convert(name: str, files: tuple[Path, ...], out: Path, dataset: str | None, **flags: bool) -> None:
    """Convert official files of a benchmark to a table, with a manifest beside it."""
    from eznas.benchmarks import BENCHMARKS
    from eznas.benchmarks.conversion import convert, manifest_path

    info = BENCHMARKS[name]
    manifest = convert(info, files, dataset or info.datasets[0], out, **flags)
    click.echo(f"{out}: {manifest['architectures']} architectures, {manifest['accuracy']}")
    for sentence in (*manifest["checks"], *manifest["notes"]):
        click.echo(f"  {sentence}")
    click.echo(f"  manifest: {manifest_path(out)}")


@main.command("check", cls=Command, short_help="Check tables and networks built from them.")
@click.argument("names", nargs=-1)
@options.option(
    "--dataset", group="Data", metavar="NAME", help="Data set of the accuracies.  [default: each with a table]"
)
@options.option(
    "--table", group="Data", metavar="CSV", type=Path, help="Table to check instead of those that are found."
)
@options.samples("Networks to build, at equal steps through the table; 0 for all.", 20)
@options.quiet
@options.data
def _check(
    names: tuple[str, ...], dataset: str | None, table: Path | None, samples: int, data: Path | None, *, quiet: bool
) -> None:
    """Compare tables with published facts of their benchmarks, and with networks built from them.

    Without names, all tables that are found are checked. A table that cannot be used counts as a fault; the others are
    checked all the same.
    """
    from eznas.benchmarks import BENCHMARKS
    from eznas.benchmarks.places import looked_in

    if table is not None and len(names) != 1:
        raise InputError(f"--table must come with the name of one benchmark, got {len(names)}")
    infos = [BENCHMARKS[name] for name in names or BENCHMARKS]
    if dataset is not None and not names:
        infos = [info for info in infos if dataset.lower() in info.datasets]
        if not infos:
            raise unknown("data set", dataset, {known for info in BENCHMARKS.values() for known in info.datasets})
    tables = [
        (info, name, path)
        for info in infos
        for name, path in _tables(info, dataset, table, data, asked=bool(names)).items()
    ]
    if not tables:
        name = f"NAME_{dataset.lower() if dataset else 'DATASET'}.csv"
        raise InputError(f"{name} must be in one of the folders that are searched ({looked_in(data)}); none is")
    faults = [
        fault
        for info, name, path in tables
        for fault in _faults(info, name, path, samples, asked=path in (None, table), quiet=quiet)
    ]
    if faults:
        raise EznasError("; ".join(faults))


def _faults(
    info: BenchmarkInfo, dataset: str, path: Path | None, samples: int, *, asked: bool, quiet: bool
) -> Sequence[str]:
    """Check one table: print the facts that hold and return the faults; a table asked for by name must be readable."""
    from eznas.benchmarks import load_table
    from eznas.benchmarks.check import check_table, sampled

    try:
        table = load_table(info.name, dataset, path)
    except InputError as error:
        if asked:
            raise
        click.echo(f"{info.name}, {path}: cannot be used")
        return [str(error)]
    click.echo(f"{info.name}, {table.source}: {len(table)} architectures, {table.target}")
    with Display(quiet=quiet) as progress:
        progress.stage("networks", len(sampled(info, table, samples)))
        checked = check_table(info, table, samples, progress.advance)
    for fact in checked.facts:
        click.echo(f"  {fact}")
    return checked.faults


def _tables(
    info: BenchmarkInfo, dataset: str | None, table: Path | None, data: Path | None, *, asked: bool
) -> dict[str, Path | None]:
    """Return the data sets to check, with their tables; None for an embedded or a missing table."""
    from eznas.benchmarks.places import find_table, looked_in

    given = info.dataset(dataset) if dataset else info.datasets[0] if table else None
    found = {name: table or find_table(info.name, name, data) for name in ((given,) if given else info.datasets)}
    here = {name: path for name, path in found.items() if path or (asked and (given or name in info.embedded))}
    missing = given or info.datasets[0]
    lacking = not here or (here.get(missing, Path()) is None and missing not in info.embedded)
    if asked and lacking:
        how = f"; eznas benchmarks convert {info.name} writes it from official files" if info.convert else ""
        file = f"{info.name}_{missing}.csv"
        raise InputError(f"{file} must be in one of the folders that are searched ({looked_in(data)}){how}")
    return here


def _some(names: Sequence[str]) -> str:
    """Return the names, or the first and the number of others."""
    return ", ".join(names) if len(names) <= _SHOWN else f"{names[0]} and {len(names) - 1} more"


def _here(info: BenchmarkInfo, data: Path | None, *, brief: bool = False) -> str:
    """Return the data sets with a table, and its folder; ``brief`` omits the folder that is searched first."""
    from eznas.benchmarks.places import find_table, places

    found = {dataset: find_table(info.name, dataset, data) for dataset in info.datasets}
    first = places(data)[0].folder if brief and any(found.values()) else None
    here = [dataset if path.parent == first else f"{dataset} ({path})" for dataset, path in found.items() if path]
    embedded = [dataset for dataset in info.embedded if not found[dataset]]
    if embedded:
        how = "with pip" if find_spec(info.module) else f'not installed: pip install "eznas[{info.extra}]"'
        here.append(f"{', '.join(embedded)} ({how})")
    return ", ".join(here)
