"""Command line: search architectures (``eznas search --help``)."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from eznas.cli.console import Command, Option, command_line, print_json, print_table
from eznas.cli.model_options import model_options
from eznas.errors import InputError
from eznas.search.config import SearchConfig

__all__ = ["main"]

_EPILOG = """\b
Terms:
  The search maximises a signal, such as an accuracy of the table or a proxy. A query evaluates the signal on one
  architecture and costs the seconds of its training or scoring. Warm-up and moves are guided by --proxy; its scores
  cost seconds but no queries. Each run reports the accuracy (--target) of the architecture with the best signal. Only
  if the signal is that accuracy itself, as by default, does the algorithm see it.
\b
Algorithms:
  random              draws uniformly without replacement; after a warm-up, takes its best first
  aging_evolution     mutates the winner of a tournament; the oldest member dies
  local_search        steps to the first better neighbour; restarts at a local optimum
  hill_climbing       steps to the best of all neighbours; restarts at a local optimum
  reinforce           draws from a controller that is trained by policy gradient
  bananas             Thompson sampling over mutations of the best, with an ensemble as surrogate
  npenas              mutates the best and queries the children with the best predictions
  successive_halving  promotes one in --eta architectures to a longer training
  hyperband           successive halving whose brackets start at each level in turn
  nsga2               finds the Pareto front of the signal and --against
\b
Examples:
  Ageing evolution on the embedded accuracies, plain and guided by NASWOT:
    eznas search --queries 300 --runs 30 --out runs/plain
    eznas search --proxy naswot --warmup 100 --queries 300 --runs 30 --compare runs/plain
  A table of your own: maximise the 12-epoch validation accuracy, report the test accuracy:
    eznas search --table table.csv --signal validation_12 --target test_200
  Maximise a proxy from a file of scores (uid,score,time), as the NASWOT project's scripts do:
    eznas search --scores synflow=synflow.csv --signal synflow --warmup 500 --move 0.75 --count-repeats
  The Pareto front of a program and the number of parameters, on networks without a table:
    eznas search --table none --algorithm nsga2 --signal "sum(mean(abs(norm_out.noise)))" --against params
"""


@click.command(
    cls=Command,
    params=[
        *model_options(SearchConfig),
        Option(["--config"], group="Run", metavar="FILE.toml", type=Path, help="File to read options from."),
        Option(
            ["--resume"],
            group="Run",
            metavar="DIR",
            type=Path,
            help="Complete the runs in this directory; only --runs, --workers, --backend, --scheduler, --json and "
            "--compare may be given with it.",
        ),
        Option(
            ["--compare"],
            group="Report",
            metavar="DIR",
            multiple=True,
            type=Path,
            help="Run directory of another search to show beside this one; may be repeated, the last is the baseline "
            "of the speed-ups.",
        ),
        Option(["--json", "as_json"], group="Report", is_flag=True, help="Print the results as JSON."),
    ],
    epilog=_EPILOG,
)
@click.pass_context
def main(
    context: click.Context,
    /,
    config: Path | None,
    resume: Path | None,
    compare: tuple[Path, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Search architectures, guided by zero-cost proxies or without.

    The run directory holds every query of every run with its costs (results.json), and a page with the best
    architectures, a table and plots (search.html).
    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    from eznas.api.search import SearchRun, search
    from eznas.report.search import search_table

    calls: dict[str, Any] = {
        "progress": not as_json,
        "compare": compare,
        "command": command_line(context),
        "resume_with": lambda path: f"{context.command_path} --resume {shlex.quote(str(path))}",
    }
    if resume is None:
        run = search(config=config, **calls, **given)
    elif config is None:
        run = SearchRun.open(resume).resume(**calls, **given)
    else:
        raise InputError(f"config must not be given with resume: the search in {resume} keeps its options",
                         parameters=("config", "resume"))  # fmt: skip
    if as_json:
        print_json({"facts": run.facts, "summary": run.summary, "best": run.best,
                    "directory": str(run.path), "command": calls["command"]})  # fmt: skip
        return
    print_table("best architectures of all runs", *run.results.best_table())
    print_table(f"{run.facts['space']}, {run.results.target}: means over runs", *search_table(run.searches))
    if run.facts["signal_is_target"]:
        click.echo("note: the signal is the reported accuracy, so the algorithm saw it")
    click.echo(f"written to {run.path}")
