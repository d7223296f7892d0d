"""Command line: the language of the programs (``eznas language --help``)."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

import click

from eznas.cli import options
from eznas.cli.console import Command, print_table, write_json
from eznas.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from eznas.primitives import Primitive, Statistic


_EPILOG = """\b
Examples:
  Every primitive and statistic:
    eznas language
  One of them, with all its facts:
    eznas language effective_rank
  All statistics of weights:
    eznas language "weight*"
"""


@click.command(cls=Command, epilog=_EPILOG)
@click.argument("name", required=False)
@options.json_file
@options.plugin
def main(name: str | None, plugin: tuple[Path, ...], json_file: str | None) -> None:
    """List the primitives and statistics of programs, or print the facts of one.

    NAME is a primitive, a statistic, or a pattern such as "*_over_samples".
    """
    from eznas import primitives
    from eznas.programs.catalogue import describe, look_up

    if plugin:
        from eznas.scoring.plugin import load_plugins

        load_plugins(plugin)
    if name and not set("*?[") & set(name):
        records = look_up(name)
    else:
        everything: list[Primitive | Statistic] = [*primitives.all_primitives(), *primitives.STATISTICS.values()]
        records = [record for record in everything if fnmatch(record.name, name or "*")]
        if not records:
            raise InputError(f"no primitive or statistic matches {name!r}; without NAME, all are listed")
    facts = [describe(record) for record in records]
    if json_file is not None:
        write_json(json_file, facts)
    elif len({entry["name"] for entry in facts}) == 1:
        for entry in facts:
            rows = [[fact, _text(value)] for fact, value in entry.items() if value not in ("", [], None)]
            print_table(f"{entry['type']} {entry['name']}", ["fact", "value"], rows)
    else:
        for sort, columns in (
            ("primitive", ["name", "arguments", "result", "definition"]),
            ("statistic", ["name", "kind", "definition"]),
        ):
            rows = [[entry[column] for column in columns] for entry in facts if entry["type"] == sort]
            if rows:
                print_table(f"{len(rows)} {sort}s", columns, rows)


def _text(value: object) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)
