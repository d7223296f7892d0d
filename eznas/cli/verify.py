"""``eznas verify``: how well proxies rank the networks of a benchmark."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.cli import options
from eznas.cli.console import Command, command_line, print_table, write_json
from eznas.cli.outputs import check_files, json_path
from eznas.errors import EznasError, InputError
from eznas.files import replace_file

if TYPE_CHECKING:
    from eznas.api.verify import Verification


_EPILOG = """\b
Examples:
  The default proxies on 200 networks of NAS-Bench-201:
    eznas verify
  A program and an exported proxy, on accuracies of your own:
    eznas verify --proxy "sum(mean(abs(norm_out.noise)))" --proxy my_proxy.py --table accuracies.csv
  All networks of another benchmark, whose table eznas benchmarks convert wrote; the same command continues it:
    eznas verify --benchmark nds_darts --samples 0 --csv darts.csv --resume
  A combination beside its members, and plots:
    eznas verify --proxy synflow --proxy naswot --proxy "log_rank(synflow, naswot, flops)" --plots pictures
  A program on networks that its evolution did not use:
    eznas verify --proxy "sum(mean(abs(norm_out.noise)))" --unseen-by runs/mine --samples 300
  Networks of your own:
    eznas verify --benchmark custom:mypackage.models:build --table accuracies.csv
  Results as files for other programs:
    eznas verify --samples 1000 --json scores.json --csv scores.csv --quiet
\b
Exit code:
  1 if a proxy that --proxy names has no value on any network, or if no proxy has a value. A default proxy, or a
  proxy that a pattern matches, may be undefined on all networks of a benchmark: a sentence then says why.
"""
_REFERENCE_NAMES = {"natsbench": "nats_sss"}
"""Benchmarks that EZNAS's command line calls otherwise."""


@click.command(
    cls=Command,
    short_help="Correlate proxies with trained accuracies.",
    epilog=_EPILOG,
    context_settings={"show_default": True},
)
@options.benchmark
@options.option("--nds-space", metavar="NAME", default="", hidden=True)
@options.option("--builder", metavar="MODULE:CALLABLE", default="", hidden=True)
@options.dataset
@options.table
@options.target
@options.proxies(", or combination such as 'vote(snip, synflow)'", "  [default: eznas_a, naswot, params, flops]")
@options.plugin
@options.samples("Number of networks, drawn at random; 0 for all.  [default: 200, or all if there are fewer]")
@options.option(
    "--fidelity",
    group="Data",
    metavar="NAME",
    help="Size of the networks.  [default: the size that the benchmark trained]",
)
@options.option(
    "--unseen-by",
    group="Data",
    metavar="RUN",
    type=Path,
    help="Run directory of an evolution. The training and validation networks of this run are not drawn, because "
    "they make tau too high.",
)
@options.images
@options.batch_size
@options.seed(1, "the draw, the initialisations and the images")
@options.csv("File for the scores of each network, written as they are computed.")
@options.continue_csv
@options.json_file
@options.option(
    "--plots",
    group="Output",
    metavar="DIR",
    type=Path,
    help="Folder for a plot of each proxy: score against accuracy, and rank against rank.",
)
@options.workers
@options.memory
@options.backend
@options.scheduler
@options.device
@options.quiet
@click.pass_context
def main(
    context: click.Context,
    /,
    *,
    benchmark: str,
    nds_space: str,
    builder: str,
    table: Path | None,
    proxies: tuple[str, ...],
    csv: Path | None,
    resume: bool,
    json_file: str | None,
    plots: Path | None,
    quiet: bool,
    **settings: Any,
) -> None:
    """Correlate the scores of zero-cost proxies with trained accuracies.

    Each figure is printed with the accuracy that it refers to, the images, and the numbers of networks with and
    without a score. Signs are kept: a proxy that ranks networks upside down has a negative tau.
    """
    check_files({"--table": table}, {"--json": json_path(json_file), "--csv": csv})
    if plots is not None:
        _make_folder(plots)
    if resume and csv is None:
        raise InputError("--resume must come with --csv, the file to continue")
    from eznas.api.verify import verify

    verified = verify(
        proxies or None,
        benchmark=_benchmark(benchmark, nds_space, builder),
        table=table,
        csv=csv,
        resume=resume,
        progress=not quiet,
        **settings,
    )
    from eznas.report.verification import COLUMNS, failures, heading, rows

    sentences = failures(verified)
    without = [column.proxy.name for column in verified.columns if column.failed == len(column.scores)]
    if len(without) < len(verified.columns):
        without = [name for name in without if name in options.asked(proxies)]
    if not quiet:
        if json_file != "-":
            print_table(heading(verified), COLUMNS, rows(verified))
        for name in (name for name in sentences if name not in without):
            click.echo(sentences[name], err=json_file == "-")
    if json_file is not None:
        write_json(json_file, verified.records(command_line(context)))
    if plots is not None:
        _draw(plots, verified, quiet=quiet)
    if without:
        raise EznasError("; ".join(sentences[name] for name in without))


def _benchmark(name: str, nds_space: str, builder: str) -> str:
    """Return a benchmark's name, from the names that EZNAS's command line uses in any case."""
    lower = name.lower()
    if lower == "custom" and not builder:
        raise InputError(
            "--benchmark must be custom:MODULE:CALLABLE, such as custom:mypackage.models:build, got 'custom'"
        )
    for option, value, owner in (("--builder", builder, "custom"), ("--nds-space", nds_space, "NDS")):
        if (lower == owner.lower()) != bool(value):
            raise InputError(f"{option} must be given with --benchmark {owner} and only there, got {value!r}")
    if builder:
        return f"custom:{builder}"
    if nds_space:
        return f"nds_{nds_space.lower().removeprefix('nds_')}"
    return name if name.startswith("custom:") else _REFERENCE_NAMES.get(lower, lower)


def _make_folder(plots: Path) -> None:
    """Make the folder of plots, before any network is scored."""
    try:
        plots.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{plots} must be a folder that can be made: {error.strerror}") from error
    if not os.access(plots, os.W_OK):
        raise InputError(f"{plots} must be a folder that can be written")


def _draw(folder: Path, verified: Verification, *, quiet: bool) -> None:
    """Write the plot of each proxy into a folder."""
    from eznas.report.verification import pictures

    def tell(text: str) -> None:
        if not quiet:
            click.echo(text, err=True)

    for name, picture in pictures(verified, tell):
        try:
            replace_file(folder / name, picture)
        except OSError as error:
            tell(f"{name} was not written: {error}")
            continue
        tell(f"written: {folder / name}")
