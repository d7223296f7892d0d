"""``eznas export``: a program as Python, LaTeX, DOT or text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from eznas.cli import options
from eznas.cli.console import Command, command_line
from eznas.errors import InputError
from eznas.files import write_output

_EPILOG = """\b
Examples:
  The best proxy of a run as a Python file that needs only torch:
    eznas export runs/mine --out my_proxy.py
  The third best as a formula for a paper:
    eznas export runs/mine --rank 2 --format latex
  A program as a graph, drawn with Graphviz:
    eznas export "sum(effective_rank(weight_grad.data))" --format dot | dot -Tpdf -o proxy.pdf
"""


@click.command(cls=Command, epilog=_EPILOG, context_settings={"show_default": True})
@click.argument("source", metavar="PROGRAM|RUN_DIR")
@options.count("--rank", "Row of the run's hall_of_fame.csv; 0 is the best program.", 0)
@options.option(
    "--format",
    "form",
    type=click.Choice(["python", "latex", "dot", "text"]),
    metavar="python|latex|dot|text",
    default="python",
    help="Format.",
)
@options.option("-o", "--out", "output", metavar="FILE", type=Path, help="File to write.  [default: standard output]")
@click.pass_context
def main(context: click.Context, /, source: str, rank: int, form: Any, output: Path | None) -> None:
    """Export a program, or a program of a run directory.

    The Python file holds the program, its origin, and a function score(network, minibatch). It needs only torch, and
    eznas too if the program reads a measure that is a Python function (except params). A program that reads features of
    architectures cannot be exported as a Python file. PROGRAM may also be the name of a measure that is a
    program, or an exported file.
    """
    command = command_line(context)
    if os.path.isdir(source):  # noqa: PTH112 - a program may be longer than a path
        from eznas.api.evolve import EvolutionRun

        text = EvolutionRun.open(source).export(rank=rank, format=form, command=command)
    else:
        text = _export_program(source, form, command)
    if output is None:
        click.echo(text.removesuffix("\n"))
    else:
        write_output(output, text.removesuffix("\n") + "\n")


def _export_program(source: str, form: str, command: str) -> str:
    from eznas.measures import MEASURES
    from eznas.programs import parse
    from eznas.programs.export import export
    from eznas.scoring.network_leaves import written_out
    from eznas.scoring.proxy_sources import read_noise_seed, resolve_proxy

    try:
        proxy = resolve_proxy(source)
    except InputError as error:
        if "\n" in str(error) or source.endswith(".py") or os.path.exists(source):  # noqa: PTH110 - no path of a run directory
            raise
        raise InputError(f"no run directory {source!r} exists; {error}") from error
    if not proxy.program:
        equivalent = MEASURES[proxy.measure].equivalent
        hint = f"; as a program it is {equivalent}" if equivalent else ""
        raise InputError(f"{source} must be a program to be exported, but it is a measure written in Python{hint}")
    name = "proxy" if proxy.name == source and "(" in source else proxy.name
    noise_seed = read_noise_seed(Path(source)) if source.endswith(".py") else 0
    program = parse(proxy.program)
    if form == "python":  # whose file computes the measures that are programs itself
        program = written_out(program)
    return export(program, form, name, {"exported_with": command}, noise_seed)
