"""Command line: turn a program into Python, LaTeX, DOT or text (``python -m eznas.export --help``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from eznas.console import Command, command_line, write_output
from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["main"]

_EPILOG = """\b
Examples:
  The best proxy of a run as one Python file that needs torch alone:
    python -m eznas.export runs/mine -o my_proxy.py
  The third best as a formula for a paper:
    python -m eznas.export runs/mine --rank 2 --format latex
  A program as a graph, drawn with Graphviz:
    python -m eznas.export "sum(effective_rank(weight_grad.data))" --format dot | dot -Tpdf -o proxy.pdf
"""


@click.command(cls=Command, epilog=_EPILOG, context_settings={"show_default": True})
@click.argument("source", metavar="PROGRAM|RUN_DIR")
@click.option(
    "--rank",
    metavar="N",
    type=click.IntRange(min=0),
    default=0,
    help="Which row of the run's hall_of_fame.csv, from 0, the best on its validation networks.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["python", "latex", "dot", "text"]),
    metavar="python|latex|dot|text",
    default="python",
    help="What to write.",
)
@click.option("-o", "output", metavar="FILE", type=Path, help="Where to write it; to standard output by default.")
@click.pass_context
def main(context: click.Context, /, source: str, rank: int, form: str, output: Path | None) -> None:
    """Export a program, or one of a run directory.

    The Python file holds the program, where it comes from, and score(network, minibatch), and imports torch
    alone. PROGRAM may also be the name of a measure that is a program, or a file that was exported before.
    """
    if Path(source).is_dir():
        text, name, provenance = _of_run(Path(source), rank)
    else:
        text, name, provenance = _of_program(source)
    written = _written(text, form, name, {**provenance, "exported_with": command_line(context)})
    if output is None:
        click.echo(written, nl=not written.endswith("\n"))
    else:
        write_output(output, written if written.endswith("\n") else f"{written}\n")


def _of_program(source: str) -> tuple[str, str, dict[str, Any]]:
    from eznas.proxies import resolve_proxy

    proxy = resolve_proxy(source)
    if not proxy.program:
        raise InputError(f"{source} is a measure written in Python, and only programs can be exported")
    return proxy.program, "proxy" if proxy.name == source and "(" in source else proxy.name, {}


def _of_run(path: Path, rank: int) -> tuple[str, str, dict[str, Any]]:
    """Return a program of a run, and where it comes from."""
    from eznas.run import RunDirectory

    directory = RunDirectory(path)
    rows = directory.read_csv("hall_of_fame.csv")
    if rank >= len(rows):
        raise InputError(f"--rank must be below {len(rows)}, the number of programs in {path}, got {rank}")
    manifest = directory.manifest()
    facts = ("command", "seed", "target", "reported_on", "versions")
    return (
        rows[rank]["program"],
        f"rank{rank}",
        {
            **{key: float(rows[rank][key]) for key in ("tau_train", "tau_validation", "tau_test") if rows[rank][key]},
            **{key: manifest[key] for key in facts if key in manifest},
        },
    )


def _written(text: str, form: str, name: str, provenance: Mapping[str, Any]) -> str:
    from eznas.programs import parse
    from eznas.programs.export import to_dot, to_latex, to_python

    node = parse(text)
    if form == "python":
        return to_python(node, name=name, provenance=provenance)
    if form == "latex":
        return to_latex(node)
    return to_dot(node) if form == "dot" else node.text


if __name__ == "__main__":
    main(prog_name="python -m eznas.export")
