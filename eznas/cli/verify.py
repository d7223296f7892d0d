"""Command line: how well proxies order a benchmark's networks (``python verify_scores.py --help``)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.cli.console import Command, Progress, command_line, interval, print_table, to_json
from eznas.errors import EznasError, InputError
from eznas.files import write_output

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.scoring import Backend, Verification

__all__ = ["main"]

_DEFAULT = ("eznas_a", "naswot", "params", "flops")

_EPILOG = """\b
Examples:
  The default proxies on 200 networks of NAS-Bench-201:
    python verify_scores.py
  A program and an exported proxy, on accuracies of your own:
    python verify_scores.py --proxy "sum(mean(abs(norm_out.noise)))" --proxy my_proxy.py --table accuracies.csv
  All networks of another space, from a table that python -m eznas.benchmarks convert wrote; once more to go on:
    python verify_scores.py --search_space NDS --nds_space nds_darts --n_samples 0 --csv darts.csv --resume
  A combination beside what it is made of, and pictures:
    python verify_scores.py --proxy synflow --proxy naswot --proxy "log_rank(synflow, naswot, flops)" --plots pictures
  Networks of your own:
    python verify_scores.py --search_space custom --builder mypackage.models:build --table accuracies.csv
  Everything to files, for other programs to read:
    python verify_scores.py --n_samples 1000 --json scores.json --csv scores.csv --quiet
"""


@click.command(cls=Command, epilog=_EPILOG, context_settings={"show_default": True})
@click.option(
    "--search_space",
    metavar="NAME",
    default="NASBench201",
    help="NASBench201, NATSBench (its size space), NDS, custom, or another name in python -m eznas.benchmarks list.",
)
@click.option("--dataset", metavar="NAME", help="Data set of the accuracies.  [default: the benchmark's first]")
@click.option(
    "--nds_space",
    metavar="NAME",
    default="",
    help="Sub-space of NDS, such as nds_darts or nds_resnext-a_in; empty for other search spaces.",
)
@click.option(
    "--builder",
    metavar="MODULE:CALLABLE",
    default="",
    help="For the search space custom, with --table: a callable that is given an architecture and a number of "
    "classes and returns a torch.nn.Module, which is then initialised from the seed.",
)
@click.option(
    "--batch_size",
    metavar="N",
    type=click.IntRange(min=2),
    default=16,
    help="Images of the minibatch.",
)
@click.option(
    "--n_samples",
    metavar="N",
    type=click.IntRange(min=0),
    help="Networks, drawn at random; 0 for all.  [default: 200, or all where there are fewer]",
)
@click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0),
    default=1,
    help="Seed of the draw, the initialisations and the images.",
)
@click.option(
    "--proxy",
    "proxies",
    metavar="NAME|PROGRAM|FILE.py",
    multiple=True,
    help="Measure, program, exported proxy, or a combination of measures and programs by vote, rank, log_rank or "
    f"min_max; may be given several times.  [default: {', '.join(_DEFAULT)}]",
)
@click.option(
    "--plugin",
    "plugins",
    metavar="FILE",
    type=Path,
    multiple=True,
    help="Python file that registers measures of your own; may be given several times. It is run.",
)
@click.option("--table", metavar="CSV", type=Path, help="Accuracy table to use instead of the benchmark's own.")
@click.option(
    "--fidelity",
    metavar="NAME",
    help="Size of the networks and images, of the search space's.  [default: the one that the benchmark trained]",
)
@click.option("--images", metavar="digits|noise|PATH", default="digits", help="Images.")
@click.option("--target", metavar="NAME", help="Which accuracy: the name of a column of the table.")
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    type=Path,
    help="File for the correlations; its seconds are those of all proxies together on the n_scored_now networks that "
    "were not in the file of --resume.",
)
@click.option(
    "--csv",
    "csv_file",
    metavar="FILE",
    type=Path,
    help="File for the scores of every architecture; it grows with the work. Of a combination it holds what it is made "
    "of.",
)
@click.option("--resume", is_flag=True, help="Go on with the file of --csv: what stands in it is not scored again.")
@click.option(
    "--plots",
    metavar="DIR",
    type=Path,
    help="Folder for pictures, one a proxy: score against accuracy, coloured by parameters, and rank against rank.",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Processes; 0 for one a core.",
)
@click.option(
    "--backend",
    metavar="loky|dask",
    type=click.Choice(["loky", "dask"]),
    default="loky",
    help="Where networks run: processes of this machine, or a Dask cluster.",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="The cluster's scheduler; without one, a cluster of --workers on this machine.",
)
@click.option("--device", metavar="auto|cpu|cuda", default="auto", help="Device that networks run on.")
@click.option("--quiet", is_flag=True, help="Print no progress and no table.")
@click.pass_context
def main(
    context: click.Context,
    /,
    *,
    search_space: str,
    dataset: str | None,
    nds_space: str,
    builder: str,
    proxies: tuple[str, ...],
    plugins: tuple[Path, ...],
    table: Path | None,
    target: str | None,
    fidelity: str | None,
    json_file: Path | None,
    plots: Path | None,
    workers: int,
    backend: Backend,
    scheduler: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Correlate the scores of zero-cost proxies with trained accuracies.

    Every figure comes with its target, the number of networks that were scored and that failed, and the
    images. Signs are kept: a proxy that ranks networks upside down has a negative tau.
    """
    outputs = [file for file in (json_file, options["csv_file"]) if file is not None]
    for file in outputs:
        _check_writable(file)
    if len({file.resolve() for file in filter(None, (*outputs, table))}) < len(outputs) + (table is not None):
        raise InputError("--json, --csv and --table must be different files")
    if plots is not None:
        _make_folder(plots)
    if options["resume"] and options["csv_file"] is None:
        raise InputError("--resume must come with --csv, the file to go on with")
    from eznas.benchmarks.reference import benchmark_name, dataset_name, trained_fidelity
    from eznas.scoring import Problem, open_executor, verify
    from eznas.scoring.plugin import load_plugin
    from eznas.scoring.proxy_sources import resolve

    for file in plugins:
        load_plugin(file)
    benchmark = benchmark_name(search_space, nds_space, builder)
    resolved = [resolve(text) for text in proxies or _DEFAULT]
    problem = Problem.load(
        benchmark,
        dataset_name(benchmark, dataset),
        table,
        target,
        fidelity=fidelity or trained_fidelity(benchmark),
        **{name: options.pop(name) for name in ("images", "batch_size", "seed", "device")},
    )
    with Progress(quiet=quiet) as progress, open_executor(workers, backend, scheduler) as executor:
        verified = verify(resolved, problem, executor=executor, progress=progress, **options)
    if not quiet:
        _print(verified)
    if json_file is not None:
        write_output(json_file, to_json(verified.records(command_line(context))) + "\n")
    if plots is not None:
        _draw(plots, verified, progress.message)
    for column in (one for one in verified.columns if one.failed == len(verified.architectures)):
        why = verified.first_failure(column) or f"{column.scores[0].status.value}, as the file of --resume says"
        raise EznasError(f"{column.proxy.name} has no value on any network: {why}")


def _check_writable(file: Path) -> None:
    """Refuse a file that cannot be written before any time is spent on what it is to hold."""
    if not file.parent.is_dir():
        raise InputError(f"{file.parent} must be a folder that exists, to write {file.name} there")
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise InputError(f"{file} must be a file that can be written")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} must be a folder that can be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder} must be a folder that can be written")


def _draw(folder: Path, verified: Verification, say: Callable[[str], None]) -> None:
    """Draw a picture of each column into a folder."""
    from eznas.files import replace_file
    from eznas.report.verification import pictures

    for name, picture in pictures(verified, say):
        try:
            replace_file(folder / name, picture)
        except OSError as error:
            say(f"{name} was not written: {error}")
            continue
        say(f"drawn: {folder / name}")


def _print(verified: Verification) -> None:
    print_table(
        f"{verified.table.space}, {verified.table.target}\n"
        f"{len(verified.architectures)} networks, {verified.condition}",
        ["proxy", "tau", "95 %", "rho", "Pearson", "scored", "failed"],
        [
            [
                column.proxy.name,
                column.correlation.tau,
                interval(column.correlation.tau_low, column.correlation.tau_high),
                column.correlation.rho,
                column.correlation.pearson,
                column.correlation.n,
                column.failed,
            ]
            for column in verified.columns
        ],
    )
    for column in verified.columns:
        if column.failed < len(verified.architectures) and (failure := verified.first_failure(column)):
            click.echo(f"{column.proxy.name} has no value on {failure}")
        if column.constant:
            click.echo(
                f"{column.proxy.name} is constant: it has the same value on every network, and no rank correlation"
            )
