"""Command line: evolve zero-cost proxies (``eznas evolve --help``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eznas.api.evolve import CHANGEABLE, EvolutionRun, evolve
from eznas.cli import options
from eznas.cli.console import Command, print_table
from eznas.cli.model_options import model_options
from eznas.config import EvolveConfig
from eznas.symbolic.config import ScoresConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


_EPILOG = """\b
Examples:
  A proxy in less than five minutes, with the data that pip installs:
    eznas evolve
  Proxies for several spaces, tested on another space too:
    eznas evolve --task nasbench201/cifar10 --task nats_sss/cifar10 --hold-out-task nasbench101/cifar10
  Proxies for all spaces whose accuracy tables are found:
    eznas evolve --preset spaces --time-budget 3h
  Longer, with a table of accuracies, in a directory of your choice:
    eznas evolve --table accuracies.csv --time-budget 1h --out runs/mine
  Resume a stopped run, or give a run more time:
    eznas evolve --resume runs/mine --time-budget 2h
  Include a program that is known to be good:
    eznas evolve --seed-program "sum(effective_rank(weight_grad.data))"
  Read options from a file, whose keys are the names above with underscores:
    eznas evolve --config evolve.toml
  Formulas over a table of scores, without networks:
    eznas evolve --scores scores.csv --time-budget 60s
  On the workers of a Dask cluster:
    eznas evolve --backend dask --scheduler tcp://node1:8786 --time-budget 1h
"""


_OF_SCORES = [option for option in model_options(ScoresConfig) if option.name not in EvolveConfig.model_fields]


@click.command(cls=Command, params=[*model_options(EvolveConfig), *_OF_SCORES], epilog=_EPILOG)
@options.option(
    "--preset",
    group="Data",
    metavar="quick|spaces",
    help="quick: one space, in minutes. spaces: a task for each accuracy table that is found, in hours; on a "
    "CPU, spaces whose networks can take minutes are left out. Options that are given replace those of the preset.  "
    "[default: quick]",
)
@options.config
@options.resume(CHANGEABLE)
@click.pass_context
def main(context: click.Context, /, config: Path | None, resume: Path | None, **values: Any) -> None:
    """Evolve zero-cost proxies on the accuracies of one or several benchmarks.

    The run directory holds the best programs (hall_of_fame.csv), their correlations on networks that
    evolution did not use (summary.json), a page with all results (report.html), and proxies as
    Python files.
    """
    arguments = options.run_arguments(context, config, resume, values)
    run = evolve(**arguments) if resume is None else EvolutionRun.open(resume).resume(**arguments)
    _print(run.summary, run.path)


def _print(summary: Mapping[str, Any], directory: Path) -> None:
    """Print the figures of the programs and, below them, of the baselines; then the programs and the verdict."""
    from eznas.report.run_results import baselines_note, verdict_lines
    from eznas.report.run_text import final_tables, title

    heading = title(summary)
    for columns, rows in final_tables(summary):
        print_table(heading, columns, rows)
        heading = ""
    if note := baselines_note(summary):
        click.echo(f"{note}\n")
    for row in summary["hall_of_fame"]:
        click.echo(f"{row['name']}  {row['program']}")
    click.echo()
    for line in verdict_lines(summary["verdict"]):
        click.echo(line)
    click.echo(f"\nwritten to {directory}")
