"""``eznas report``: plots and pages of a run directory."""

from __future__ import annotations

from pathlib import Path

import click

from eznas.cli import options
from eznas.cli.console import Command
from eznas.errors import EznasError
from eznas.run import RunDirectory

_EPILOG = """\b
Examples:
  Draw the plots of an evolution again:
    eznas report runs/first
  Show a search beside two others; the last one is the baseline:
    eznas report runs/guided --compare runs/bananas --compare runs/plain
"""


@click.command(cls=Command, short_help="Draw the plots of a run again.", epilog=_EPILOG)
@click.argument("directory", metavar="DIR", type=Path)
@options.option(
    "--compare", metavar="DIR", type=Path, multiple=True, help="Another search for the page. May be repeated."
)
def main(directory: Path, compare: tuple[Path, ...]) -> None:
    """Draw the plots of an evolution again, or write the page of a search, from the files in its run directory."""
    from eznas.report import render

    skipped: list[str] = []
    written = render(RunDirectory(directory), skipped.append, [RunDirectory(path) for path in compare])
    for path in written:
        click.echo(f"written: {path}")
    if skipped:
        raise EznasError("; ".join(skipped))
