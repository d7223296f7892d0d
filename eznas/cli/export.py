"""``eznas export``: a program as Python, LaTeX, DOT or text."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from eznas.cli import options
from eznas.cli.console import Command, command_line
from eznas.errors import InputError
from eznas.files import write_output

__all__ = ["main"]

_FINAL, _PROVISIONAL = "hall_of_fame.csv", "hall_of_fame.provisional.csv"

_EPILOG = """\b
Examples:
  The best proxy of a run as a Python file that imports torch alone:
    eznas export runs/mine --out my_proxy.py
  The third best as a formula for a paper:
    eznas export runs/mine --rank 2 --format latex
  A program as a graph, drawn with Graphviz:
    eznas export "sum(effective_rank(weight_grad.data))" --format dot | dot -Tpdf -o proxy.pdf
"""


@click.command(cls=Command, epilog=_EPILOG, context_settings={"show_default": True})
@click.argument("source", metavar="PROGRAM|RUN_DIR")
@options.count("--rank", "Row of the run's hall_of_fame.csv; 0 is the best on the validation networks.", 0)
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
def main(context: click.Context, /, source: str, rank: int, form: str, output: Path | None) -> None:
    """Export a program, or a program of a run directory.

    The Python file imports torch alone. It holds the program, its origin, and a function score(network, minibatch).
    PROGRAM may also be the name of a measure that is a program, or an exported file.
    """
    program = _of_run(Path(source), rank) if Path(source).is_dir() else _of_program(source)
    text = _exported(program, form, command_line(context)).removesuffix("\n")
    if output is None:
        click.echo(text)
    else:
        write_output(output, f"{text}\n")


@dataclass(frozen=True)
class _Program:
    """A program and the facts for the head of its Python file."""

    text: str
    name: str
    noise_seed: int = 0
    provenance: dict[str, Any] = field(default_factory=dict)


def _of_program(source: str) -> _Program:
    from eznas.measures import MEASURES
    from eznas.scoring.proxy_sources import read_noise_seed, resolve_proxy

    if "/" in source and "(" not in source and not source.endswith(".py"):
        raise InputError(f"{source} must be a run directory, a program, a measure or an exported file; it is none")
    proxy = resolve_proxy(source)
    if not proxy.program:
        program = MEASURES[proxy.measure].equivalent
        hint = f"; as a program it is {program}" if program else ""
        raise InputError(f"{source} must be a program to be exported, but it is a measure written in Python{hint}")
    name = "proxy" if proxy.name == source and "(" in source else proxy.name
    return _Program(proxy.program, name, read_noise_seed(Path(source)) if source.endswith(".py") else 0)


def _of_run(path: Path, rank: int) -> _Program:
    """Return a program of a run.

    An unfinished run has a provisional hall of fame only, without test figures.
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
    return _Program(row["program"], f"rank{rank}", manifest["seed"], provenance)


def _exported(program: _Program, form: str, command: str) -> str:
    from eznas.programs import parse
    from eznas.programs.export import to_dot, to_latex, to_python

    node = parse(program.text)
    if form == "python":
        provenance = {**program.provenance, "exported_with": command}
        return to_python(node, name=program.name, provenance=provenance, noise_seed=program.noise_seed)
    if form == "latex":
        return to_latex(node)
    return to_dot(node) if form == "dot" else node.text
