"""``eznas predict supernet``: train a supernet, and compare it with a table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from eznas.api.supernet import SupernetRun, resume_supernet, train_supernet
from eznas.cli import options
from eznas.cli.console import Command, command_line, print_table, write_json
from eznas.cli.model_options import model_options
from eznas.errors import InputError
from eznas.supernet.config import SupernetConfig


@click.command("supernet", cls=Command, params=model_options(SupernetConfig))
@options.config
@options.option(
    "--resume",
    group="Run",
    metavar="DIR",
    type=Path,
    help="Resume the training in this directory; only --json may be given with it.",
)
@options.json_file
@click.pass_context
def main(
    context: click.Context, /, config: Path | None, resume: Path | None, json_file: str | None, **values: Any
) -> None:
    """Train a supernet of NAS-Bench-201, in which all architectures share weights.

    After each quarter of the training, architectures of the table are evaluated with the weights of the supernet. The
    tau between the results and the accuracies of the table is reported, beside the tau of the number of parameters.
    """
    arguments = {name: value for name, value in values.items() if value not in (None, ())}
    if resume is not None:
        if config is not None or arguments:
            raise InputError(f"no other option must be given with --resume: the run in {resume} keeps its options")
        run = resume_supernet(resume, progress=json_file != "-")
    else:
        run = train_supernet(config=config, progress=json_file != "-", command=command_line(context), **arguments)
    if json_file is not None:
        write_json(json_file, {**run.results, "directory": str(run.path)})
    if json_file != "-":
        show(run)


def show(run: SupernetRun) -> None:
    """Print the taus and the last epoch of a supernet."""
    facts, last = run.results["facts"], run.results["history"][-1]
    if run.rows:
        print_table(
            f"{facts['method']}: tau with {facts['target']}, {len(run.results['architectures'])} architectures",
            ["epoch", "score", "tau", "low", "high", "top half"],
            [
                [row["epoch"], row["score"], row["tau"], row["tau_low"], row["tau_high"], row["tau_top_half"]]
                for row in run.rows
            ],
        )
    click.echo(f"last epoch: training loss {last['loss']:.4g}, training accuracy {last['accuracy']:.4g} %")
    click.echo(f"written to {run.path}")
