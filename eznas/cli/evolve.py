"""Command line: evolve zero-cost proxies (``python -m eznas.evolve --help``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.cli.console import Command, Option, command_line, interval, print_table
from eznas.config import EvolveConfig, load_config
from eznas.errors import InputError
from eznas.report.display import Display
from eznas.run import RunDirectory, default_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["main"]

_MAY_CHANGE = {"time_budget", "generations", "workers", "memory", "backend", "scheduler"}
"""Options that can be given beside ``--resume``: they bound or speed up a run, and leave its course alone."""

_EPILOG = """\b
Examples:
  A proxy in four minutes, from what pip installed:
    python -m eznas.evolve
  Longer, from a table of accuracies, to a directory of your choice:
    python -m eznas.evolve --table accuracies.csv --time-budget 1h --out runs/mine
  Go on with a run that was stopped, or that should take longer:
    python -m eznas.evolve --resume runs/mine --time-budget 2h
  Begin with a program that is known to be good:
    python -m eznas.evolve --seed-program "sum(effective_rank(weight_grad.data))"
  Options from a file; its keys are the names above with underscores:
    python -m eznas.evolve --config evolve.toml
  On the workers of a Dask cluster:
    python -m eznas.evolve --backend dask --scheduler tcp://node1:8786 --time-budget 1h
"""


def _options() -> list[click.Parameter]:
    """Make one option of every field of the configuration."""
    options: list[click.Parameter] = []
    for name, field in EvolveConfig.model_fields.items():
        facts = field.json_schema_extra
        if not isinstance(facts, dict):
            raise TypeError(f"the field {name} of EvolveConfig must say its group and metavar")
        flag = isinstance(field.default, bool)
        default = "" if flag or field.default in (None, ()) else f"  [default: {field.default}]"
        options.append(
            Option(
                [f"--{name.replace('_', '-')}"],
                group=str(facts["group"]),
                metavar=str(facts["metavar"]) or None,
                is_flag=flag,
                default=None,
                multiple=field.default == (),
                help=f"{field.description}{default}",
            )
        )
    return options


@click.command(
    cls=Command,
    params=[
        *_options(),
        Option(["--config"], group="Run", metavar="FILE.toml", type=Path, help="File to read options from."),
        Option(
            ["--resume"],
            group="Run",
            metavar="DIR",
            type=Path,
            help="Go on with the run in this directory; only --time-budget, --generations, --workers, --memory, "
            "--backend and --scheduler may be given with it.",
        ),
    ],
    epilog=_EPILOG,
)
@click.pass_context
def main(context: click.Context, /, config: Path | None, resume: Path | None, **options: Any) -> None:
    """Evolve zero-cost proxies on a benchmark's accuracies.

    The run directory that this leaves holds the best programs (hall_of_fame.csv), their correlations on
    networks that evolution never saw (summary.json), plots, and proxies as Python files.
    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    line = command_line(context)
    if resume is None:
        chosen = load_config(given, config)
        with RunDirectory.create(
            chosen.out or default_directory(),
            chosen.as_toml(),
            seed=chosen.seed,
            command=line,
            device=chosen.device,
        ) as directory:
            _evolve(chosen, directory, line, resume=False)
        return
    others = [f"--{name.replace('_', '-')}" for name in given if name not in _MAY_CHANGE]
    if config is not None or others:
        extra = "--config" if config is not None else others[0]
        raise InputError(f"{extra} must not be given with --resume, which takes it from {resume}")
    with RunDirectory.resume(resume) as directory:  # refuses another format before config.toml is read
        if "backend" in given:
            given.setdefault("scheduler", None)  # the one that the run had belongs to the backend that it had
        _evolve(load_config(given, resume / "config.toml"), directory, line, resume=True)


def _evolve(config: EvolveConfig, directory: RunDirectory, line: str, *, resume: bool) -> None:
    from eznas.gp import run_evolution
    from eznas.report import render
    from eznas.scoring import open_executor

    if resume:
        directory.append({"event": "command", "command": line})
    try:
        with (
            Display() as progress,
            open_executor(
                config.workers, config.backend, config.scheduler, memory=config.memory, progress=progress
            ) as executor,
        ):
            if resume:  # the next resume takes these options, now that they are known to work
                directory.write_config(config.as_toml())
            summary = run_evolution(config, directory, executor, progress, resume=resume)
    except InputError:
        if not resume:
            directory.discard()
        raise
    _print(summary, directory)
    if summary["stopped_by"] == "time":
        click.echo(
            f"the time budget ended it after {summary['generations']} generations; a longer --time-budget, also with "
            "--resume, gives it more",
            err=True,
        )
    render(directory, lambda text: click.echo(text, err=True))


def _print(summary: Mapping[str, Any], directory: RunDirectory) -> None:
    """Print what was found beside the baselines, then the programs."""
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
    click.echo(f"\nwritten to {directory.path}")
