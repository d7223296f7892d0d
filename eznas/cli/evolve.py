"""Command line: evolve zero-cost proxies (``eznas evolve --help``)."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.api.evolve import EvolutionRun, evolve
from eznas.cli.console import Command, Option, command_line, interval, print_table
from eznas.cli.model_options import model_options
from eznas.config import EvolveConfig
from eznas.errors import InputError
from eznas.report.display import Display

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["main"]

_EPILOG = """\b
Examples:
  A proxy in four minutes, with the data that pip installs:
    eznas evolve
  Longer, with a table of accuracies, in a directory of your choice:
    eznas evolve --table accuracies.csv --time-budget 1h --out runs/mine
  Resume a stopped run, or give a run more time:
    eznas evolve --resume runs/mine --time-budget 2h
  Include a program that is known to be good:
    eznas evolve --seed-program "sum(effective_rank(weight_grad.data))"
  Read options from a file, whose keys are the names above with underscores:
    eznas evolve --config evolve.toml
  On the workers of a Dask cluster:
    eznas evolve --backend dask --scheduler tcp://node1:8786 --time-budget 1h
"""


@click.command(
    cls=Command,
    params=[
        *model_options(EvolveConfig),
        Option(["--config"], group="Run", metavar="FILE.toml", type=Path, help="File to read options from."),
        Option(
            ["--resume"],
            group="Run",
            metavar="DIR",
            type=Path,
            help="Resume the run in this directory; only --time-budget, --generations, --workers, --memory, --backend "
            "and --scheduler may be given with it.",
        ),
    ],
    epilog=_EPILOG,
)
@click.pass_context
def main(context: click.Context, /, config: Path | None, resume: Path | None, **options: Any) -> None:
    """Evolve zero-cost proxies on a benchmark's accuracies.

    The run directory holds the best programs (hall_of_fame.csv), their correlations on networks that
    evolution did not use (summary.json), plots, and proxies as Python files.
    """
    given: dict[str, Any] = {name: value for name, value in options.items() if value not in (None, ())}
    calls: dict[str, Any] = {
        "command": command_line(context),
        "resume_with": lambda path: f"{context.command_path} --resume {shlex.quote(str(path))}",
    }
    with Display() as progress:
        if resume is None:
            run = evolve(config=config, progress=progress, **calls, **given)
        elif config is None:
            run = EvolutionRun.open(resume).resume(progress=progress, **calls, **given)
        else:
            raise InputError(f"--config must not be given with --resume: the run in {resume} keeps its options")
    _print(run.summary, run.path)


def _print(summary: Mapping[str, Any], directory: Path) -> None:
    """Print the programs' figures beside the baselines', then the programs."""
    rows = [*summary["hall_of_fame"], *summary["baselines"].values()]
    print_table(
        f"{summary['target']}\n{summary['networks']['test']} test networks, {summary['reported_on']}",
        ["proxy", "nodes", "tau", "95 %", "rho", "validation", "training", "scored"],
        [
            [
                row["name"],
                row["complexity"] or None,
                row["tau_test"],
                interval(row["tau_test_low"], row["tau_test_high"]),
                row["rho_test"],
                row["tau_validation"],
                row["tau_train"],
                f"{row['coverage']:.0%}",
            ]
            for row in rows
        ],
    )
    for row in summary["hall_of_fame"]:
        click.echo(f"{row['name']}  {row['program']}")
    click.echo(f"\nwritten to {directory}")
