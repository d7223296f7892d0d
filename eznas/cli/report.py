"""``eznas report``: plots and pages of a run directory, and comparisons of runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.cli import options
from eznas.cli.console import Command, print_table, write_json
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

    RUN is the directory of an evolution or of a search. One RUN gets its page and its plots, made from
    the files in the directory. Several evolutions are compared in tables: the best program of each on
    every task, and paired differences where two runs have the same test networks. Several searches are
    shown on the page of the first one.
    """
    from eznas.report import is_search
    from eznas.report.comparison import comparison
    from eznas.report.comparison_page import comparison_page
    from eznas.report.run_results import RunResults

    directories = [RunDirectory(path) for path in (*runs, *compare)]
    searches = [is_search(directory) for directory in directories]
    if len({*searches}) > 1:
        raise InputError("RUN and --compare must be evolutions alone or searches alone, got both")
    comparing = html is not None or json_file is not None
    if searches[0] or compare or (len(directories) == 1 and not comparing):
        if comparing:
            raise InputError("--html and --json must come with evolutions; the page of a search is in its directory")
        _render(directories)
        return
    results = {str(directory.path): RunResults.read(directory) for directory in directories}
    compared = comparison(results)
    if html is not None:
        write_output(html, comparison_page(results))
    if json_file is not None:
        write_json(json_file, compared)
    if json_file != "-":
        _print(compared)


def _render(directories: Sequence[RunDirectory]) -> None:
    from eznas.report import render

    skipped: list[str] = []
    for path in render(directories[0], skipped.append, directories[1:]):
        click.echo(f"written: {path}")
    if skipped:
        raise EznasError("; ".join(skipped))


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
