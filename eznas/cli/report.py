"""``eznas report``: plots and pages of a run directory, and comparisons of runs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.cli import options
from eznas.cli.console import Command, print_table, write_json
from eznas.config import read_toml, run_kind
from eznas.errors import EznasError, InputError
from eznas.files import write_output
from eznas.run import RunDirectory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EPILOG = """\b
Examples:
  Write the page of an evolution and its plots again:
    eznas report runs/first
  Compare evolutions:
    eznas report runs/first runs/second --html comparison.html
  Show a search beside two others; the last one is the baseline:
    eznas report runs/guided --compare runs/bananas --compare runs/plain
  Print the taus of a supernet, and draw them again:
    eznas report runs/supernet
"""


@click.command(cls=Command, short_help="Write the page of a run again, or compare runs.", epilog=_EPILOG)
@click.argument("runs", metavar="RUN...", type=Path, nargs=-1, required=True)
@options.option(
    "--compare", metavar="DIR", type=Path, multiple=True, help="Another search for the page. May be repeated."
)
@options.option(
    "--html", group="Output", metavar="FILE", type=Path, help="Write the comparison of evolutions as one HTML page."
)
@options.json_file
def main(runs: tuple[Path, ...], compare: tuple[Path, ...], html: Path | None, json_file: str | None) -> None:
    """Write the page and the plots of a run again, or compare several runs.

    RUN is the directory of an evolution, of a search or of a supernet. One RUN gets its page and its
    plots, made from the files in the directory. Several evolutions are compared in tables: the best
    program of each on every task, and paired differences where two runs have the same test networks.
    Several searches are shown on the page of the first one.
    """
    from eznas.report.comparison import comparison
    from eznas.report.comparison_page import comparison_page
    from eznas.report.run_results import RunResults

    directories = [_opened(path) for path in (*runs, *compare)]
    kinds = [run_kind(read_toml(directory.path / "config.toml")) for directory in directories]
    if len(directories) > 1 and ("a supernet" in kinds or len({kind == "a search" for kind in kinds}) > 1):
        given = (f"{directory.path} is {kind}" for directory, kind in zip(directories, kinds, strict=True))
        raise InputError(f"RUN and --compare must be evolutions alone or searches alone, but {', '.join(given)}")
    comparing = html is not None or json_file is not None
    evolutions = kinds[0] not in ("a search", "a supernet")
    if comparing and (compare or not evolutions):
        raise InputError(f"--html and --json must come with evolutions, without --compare; {runs[0]} is {kinds[0]}")
    if compare and evolutions:
        raise InputError("--compare must come with searches; to compare evolutions, give several directories as RUN")
    if not evolutions or (len(directories) == 1 and not comparing):
        _render(directories)
        if kinds[0] == "a supernet":
            _show_supernet(directories[0])
        return
    results = {str(directory.path): RunResults.read(directory) for directory in directories}
    compared = comparison(results)
    if html is not None:
        write_output(html, comparison_page(results))
    if json_file is not None:
        write_json(json_file, compared)
    if json_file != "-":
        _print(compared)


def _opened(path: Path) -> RunDirectory:
    """Open a run directory.

    Raises:
        InputError: The path is no run directory; the message says what it is where that is known.
    """
    if path.is_file() and (path.parent / "manifest.json").is_file():
        raise InputError(f"{path} must be a run directory, but it is a file in one; give {path.parent}")
    if path.is_file() and _is_fit(path):
        raise InputError(f"{path} must be a run directory, but it is a fit; eznas predict predict --fit {path} uses it")
    return RunDirectory(path)


def _is_fit(path: Path) -> bool:
    from eznas.predictors.fits import KeptFit

    with contextlib.suppress(InputError):
        return bool(KeptFit.load(path).predictor)
    return False


def _render(directories: Sequence[RunDirectory]) -> None:
    from eznas.report import render

    skipped: list[str] = []
    for path in render(directories[0], skipped.append, directories[1:]):
        click.echo(f"written: {path}")
    if skipped:
        raise EznasError("; ".join(skipped))


def _show_supernet(directory: RunDirectory) -> None:
    from eznas.api.supernet import SupernetRun
    from eznas.cli.supernet import show

    show(SupernetRun.open(directory.path))


def _print(compared: Mapping[str, Any]) -> None:
    """Print the table of runs, the paired differences, and the verdict and program of each run."""
    from eznas.report.comparison import differences_table, runs_tables

    heading = "best programs on the test networks"
    for columns, rows in runs_tables(compared):
        print_table(heading, columns, rows)
        heading = ""
    if compared["differences"]:
        print_table("paired differences in tau", *differences_table(compared))
    for note in compared["notes"]:
        click.echo(note)
    for run in compared["runs"]:
        click.echo(f"{run['run']}  {run['verdict']}\n  {run['best']['program']}")
