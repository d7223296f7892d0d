"""Options that several commands share, each declared once."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.cli.console import Option, command_line
from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def option(*names: str, **facts: Any) -> Decorator:
    """Return ``click.option`` for an ``Option``, which may have a ``group``."""
    return click.option(*names, cls=Option, **facts)


def count(name: str, text: str, default: int | None = None, least: int = 0, **facts: Any) -> Decorator:
    """Return an option for a number of at least ``least``."""
    shown = default is not None
    bounded = click.IntRange(min=least)
    return option(name, metavar="N", type=bounded, default=default, show_default=shown, help=text, **facts)


def proxies(more: str = "", default: str = "") -> Decorator:
    """Return the option for proxies; ``more`` says what else than a single proxy it takes."""
    text = (
        f"Measure, program or exported file{more}; all stands for all measures, and a pattern such as 'syn*' for the "
        "measures with matching names. "
    )
    facts = {"metavar": "NAME|PROGRAM|FILE.py", "multiple": True, "help": f"{text}May be repeated.{default}"}
    return option("--proxy", "proxies", group="Proxies", **facts)


def asked(proxies: tuple[str, ...]) -> set[str]:
    """Return the names of the proxies that were given, without those that patterns match."""
    return {Path(text).stem if text.endswith(".py") else text for text in proxies}


def samples(text: str, default: int | None = None) -> Decorator:
    """Return the option for the number of networks."""
    return count("--samples", text, default, group="Data")


def csv(text: str) -> Decorator:
    """Return the option for a CSV file of results; ``text`` says of what."""
    return option("--csv", group="Output", metavar="FILE", type=Path, help=text)


def seed(default: int, text: str) -> Decorator:
    """Return the option for the seed; ``text`` says of what."""
    return count("--seed", f"Seed of {text}.", default, group="Run")


def resume(changeable: Sequence[str], *others: str) -> Decorator:
    """Return the option that resumes a run directory; the names are those of options that may come with it."""
    *flags, last = [f"--{name.replace('_', '-')}" for name in (*changeable, *others)]
    text = f"Resume the run in this directory; only {', '.join(flags)} and {last} may be given with it."
    return option("--resume", group="Run", metavar="DIR", type=Path, help=text)


def run_arguments(
    context: click.Context, config: Path | None, resume: Path | None, options: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments to start or resume a run with: the options that are given, and the texts for messages.

    Raises:
        InputError: There is both a file of options and a run to resume.
    """
    if config is not None and resume is not None:
        raise InputError(f"--config must not be given with --resume: the run in {resume} keeps its options")
    return {
        "command": command_line(context),
        "resume_with": lambda path: f"{context.command_path} --resume {shlex.quote(str(path))}",
        **({} if config is None else {"config": config}),
        **{name: value for name, value in options.items() if value not in (None, ())},
    }


def named_columns(curves: Sequence[str]) -> dict[str, str]:
    """Return the columns of learning curves by their metrics.

    Raises:
        InputError: A text is not METRIC=COLUMN.
    """
    pairs = [text.partition("=") for text in curves]
    wrong = next(("".join(parts) for parts in pairs if not all(parts)), None)
    if wrong is not None:
        raise InputError(f"curves must read METRIC=COLUMN, got {wrong!r}", parameters=("curves",))
    return {metric: column for metric, _, column in pairs}


config = option("--config", group="Run", metavar="FILE.toml", type=Path, help="File to read options from.")
benchmark = option(
    "--benchmark",
    group="Data",
    metavar="NAME",
    default="nasbench201",
    help="Benchmark (see eznas benchmarks list), or custom:MODULE:CALLABLE with --table for networks of your own.",
)
space = option("--space", group="Network", metavar="NAME", default="nasbench201", help="Search space.")
dataset = option(
    "--dataset", group="Data", metavar="NAME", help="Data set of the accuracies.  [default: the benchmark's first]"
)
table = option(
    "--table", group="Data", metavar="CSV", type=Path, help="Accuracy table to use instead of the benchmark's own."
)
target = option(
    "--target", group="Data", metavar="NAME", help="Accuracy to compare with: the name of a column of the table."
)
data = option(
    "--data",
    group="Data",
    metavar="DIR",
    type=Path,
    help="First folder to search for tables named NAME_DATASET.csv. The next ones are EZNAS_DATA, and data in "
    "~/.config/eznas/config.toml.",
)
scores = option(
    "--scores",
    group="Data",
    metavar="FILE.csv",
    type=Path,
    multiple=True,
    help="File of scores for the encoding measures, such as eznas verify --csv writes. May be repeated.",
)
images = option(
    "--images", group="Data", metavar="digits|noise|PATH", default="digits", help="Images on which networks are run."
)
batch_size = count("--batch-size", "Number of images in the minibatch.", 16, 2, group="Data")
plugin = option(
    "--plugin",
    group="Run",
    metavar="FILE",
    type=Path,
    multiple=True,
    help="Python file that registers primitives, measures, a search space or a benchmark of your own; may be given "
    "several times. eznas runs this file.",
)
device = option("--device", group="Run", metavar="auto|cpu|cuda", default="auto", help="Device to run networks on.")
workers = count("--workers", "Worker processes; 0 for one per core.", 0, group="Run")
memory = option(
    "--memory",
    group="Run",
    metavar="SIZE",
    help="Memory of all processes together, or of each worker of a running cluster, such as 800M or 4G. With less "
    "memory, the command takes longer. A score that needs more memory counts as failed.  [default: what the machine "
    "has free]",
)
backend = option(
    "--backend",
    group="Run",
    metavar="loky|dask",
    type=click.Choice(["loky", "dask"]),
    default="loky",
    help="Run networks in processes of this machine, or on a Dask cluster.",
)
scheduler = option(
    "--scheduler",
    group="Run",
    metavar="ADDRESS",
    help="Address of a running Dask scheduler, for --backend dask. By default, a cluster starts on this machine.",
)
json_file = option(
    "--json",
    "json_file",
    group="Output",
    metavar="[FILE]",
    is_flag=False,
    flag_value="-",
    help="Write the results as JSON to a file, or to standard output instead of a table.",
)
continue_csv = option(
    "--resume",
    group="Output",
    is_flag=True,
    help="Keep the rows that the file of --csv holds, and compute the missing ones.",
)
predictor = option(
    "--predictor",
    group="Predictors",
    metavar="NAME[@ENCODING]",
    help="Predictor, with an encoding if you want another one than its default.  [default: chosen by the number of "
    "accuracies and the data]",
)
tune = count(
    "--tune",
    "Number of settings of the hyper-parameters from which each fit chooses by cross-validation; 0 for the default "
    "setting. Predictors without ranges of hyper-parameters are not tuned.",
    0,
    group="Predictors",
)
curves = option(
    "--curve",
    "curves",
    group="Data",
    metavar="METRIC=COLUMN",
    multiple=True,
    help="Learning curve: a metric, and the column of the table with its value at the end of the training, such as "
    "validation_accuracy=validation_200. May be repeated.",
)
supernet = option(
    "--supernet",
    group="Data",
    metavar="DIR",
    type=Path,
    help="Run directory of a trained supernet, for the predictors rsws and oneshot; see eznas predict supernet.",
)
quiet = option("--quiet", group="Output", is_flag=True, help="Print no progress and no table.")
