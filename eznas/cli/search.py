"""Command line: search architectures (``eznas search --help``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from eznas.api.search import CHANGEABLE, SearchRun, search
from eznas.cli import options
from eznas.cli.console import Command, print_table, write_json
from eznas.cli.model_options import model_options
from eznas.search.config import SearchConfig

_EPILOG = """\b
Terms:
  The search maximises a signal, such as an accuracy of the table or a proxy. A query evaluates the signal on one
  architecture and costs the seconds of its training or scoring. --proxy guides warm-up and moves; the scores of the
  proxy cost seconds but no queries. Each run reports the accuracy (--target) of the architecture with the best signal.
  The algorithm sees that accuracy only if it is the signal, as by default.
\b
Algorithms:
  random              draws uniformly without replacement; after a warm-up, starts with its best architectures
  aging_evolution     mutates the winner of a tournament; the oldest member dies
  local_search        steps to the first better neighbour; restarts at a local optimum
  hill_climbing       steps to the best of all neighbours; restarts at a local optimum
  reinforce           draws from a controller that is trained by policy gradient
  bananas             Thompson sampling over mutations of the best, with an ensemble or --predictor as surrogate
  npenas              mutates the best; queries the mutations with the best predictions of a model, or of --predictor
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
  Rank the whole space by a predictor after every ten queries:
    eznas search --algorithm bananas --predictor extra_trees@graf --acquisition ei --candidates all
  The Pareto front of a program and the number of parameters, on networks without a table:
    eznas search --table none --algorithm nsga2 --signal "sum(mean(abs(norm_out.noise)))" --against params
"""


@click.command(cls=Command, params=model_options(SearchConfig), epilog=_EPILOG)
@options.config
@options.resume(CHANGEABLE, "json", "compare")
@options.option(
    "--compare",
    group="Output",
    metavar="DIR",
    multiple=True,
    type=Path,
    help="Run directory of another search to show beside this one; may be repeated. The last one is the baseline of "
    "the speed-ups.",
)
@options.json_file
@click.pass_context
def main(
    context: click.Context,
    /,
    config: Path | None,
    resume: Path | None,
    compare: tuple[Path, ...],
    json_file: str | None,
    **values: Any,
) -> None:
    """Search for good architectures, with or without zero-cost proxies.

    The run directory holds every query of every run with its costs (results.json), and a page with the best
    architectures, a table and plots (search.html).
    """
    from eznas.report.search import search_table

    arguments = options.run_arguments(context, config, resume, values)
    arguments |= {"progress": json_file != "-", "compare": compare}
    run = search(**arguments) if resume is None else SearchRun.open(resume).resume(**arguments)
    if json_file is not None:
        write_json(json_file, {"facts": run.facts, "summary": run.summary, "best": run.best,
                               "directory": str(run.path), "command": arguments["command"]})  # fmt: skip
    if json_file == "-":
        return
    print_table("best architectures of all runs", *run.results.best_table())
    print_table(f"{run.facts['space']}, {run.results.target}: means over runs", *search_table(run.searches))
    if run.facts["signal_is_target"]:
        click.echo("note: the signal is the reported accuracy, so the algorithm saw it")
    seconds = run.summary["model_seconds_mean"]
    if seconds:
        click.echo(f"note: the model's fits and predictions took {seconds:.3g} s a run; no budget is charged for them")
    click.echo(f"written to {run.path}")
