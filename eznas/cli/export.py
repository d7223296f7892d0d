"""Command line: turn a program into Python, LaTeX, DOT or text (``python -m eznas.export --help``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from eznas.cli.console import Command, command_line
from eznas.errors import InputError
from eznas.files import write_output

__all__ = ["main"]

_FINAL, _PROVISIONAL = "hall_of_fame.csv", "hall_of_fame.provisional.csv"

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
    found = _of_run(Path(source), rank) if Path(source).is_dir() else _of_program(source)
    written = _written(found, form, command_line(context))
    if output is None:
        click.echo(written, nl=not written.endswith("\n"))
    else:
        write_output(output, written if written.endswith("\n") else f"{written}\n")


@dataclass(frozen=True)
class _Found:
    """A program, and what else its Python file says."""

    text: str
    name: str
    noise_seed: int = 0
    provenance: dict[str, Any] = field(default_factory=dict)


def _of_program(source: str) -> _Found:
    from eznas.measures import MEASURES
    from eznas.scoring.proxy_sources import read_noise_seed, resolve_proxy

    if "/" in source and "(" not in source and not source.endswith(".py"):
        raise InputError(f"{source} must be a run's directory, or a program, measure or exported file; it is none")
    proxy = resolve_proxy(source)
    if not proxy.program:
        program = MEASURES[proxy.measure].equivalent
        hint = f"; the same as a program is {program}" if program else ""
        raise InputError(f"{source} is a measure written in Python, and only programs can be exported{hint}")
    name = "proxy" if proxy.name == source and "(" in source else proxy.name
    return _Found(proxy.program, name, read_noise_seed(Path(source)) if source.endswith(".py") else 0)


def _of_run(path: Path, rank: int) -> _Found:
    """Return a program of a run, and where it comes from.

    A run that was stopped before its end has a provisional hall of fame only, which nothing was reported on.
    """
    from eznas.run import RunDirectory

    directory = RunDirectory(path)
    provisional = (path / _PROVISIONAL).is_file() and not (path / _FINAL).is_file()
    rows = directory.read_csv(_PROVISIONAL if provisional else _FINAL)
    if not rows:
        raise InputError(f"{path} must hold a program to export, but the run was stopped before it had one")
    if rank >= len(rows):
        raise InputError(f"--rank must be below {len(rows)}, the number of programs in {path}, got {rank}")
    manifest = directory.manifest()
    row = rows[rank]
    facts = ("command", "seed", "target", *(() if provisional else ("reported_on",)), "versions")
    provenance = {
        **({"provisional": True} if provisional else {}),
        **{key: float(row[key]) for key in ("tau_train", "tau_validation", "tau_test") if row.get(key)},
        **{key: manifest[key] for key in facts if key in manifest},
    }
    return _Found(row["program"], f"rank{rank}", manifest["seed"], provenance)


def _written(found: _Found, form: str, command: str) -> str:
    from eznas.programs import parse
    from eznas.programs.export import to_dot, to_latex, to_python

    node = parse(found.text)
    if form == "python":
        provenance = {**found.provenance, "exported_with": command}
        return to_python(node, name=found.name, provenance=provenance, noise_seed=found.noise_seed)
    if form == "latex":
        return to_latex(node)
    return to_dot(node) if form == "dot" else node.text
