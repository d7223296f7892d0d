"""The table of ``eznas score --units``: which layers programs read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from eznas.cli.console import print_table, write_json

if TYPE_CHECKING:
    from torch import nn

    from eznas.minibatch import Minibatch


def show_units(network: nn.Module, minibatch: Minibatch, facts: dict[str, Any], json_file: str | None) -> None:
    """Print the units of a network and the layers that programs do not read, or write them as JSON."""
    from eznas.scoring.unit_report import units

    report = units(network, minibatch)
    if json_file is not None:
        write_json(json_file, {**facts, **report.to_dict()})
        return
    print_table(
        f"{facts['network']}\nunits, batch {facts['batch_size']}",
        ["unit", "layer", "in front", "behind", "weight", "input", "output"],
        [
            [row.name, row.kind, row.front or "-", row.behind or "-", *map(_shape, (row.weight, row.input, row.output))]
            for row in report.units
        ],
    )
    skipped = [row for row in report.rows if row.reason]
    if skipped:
        print_table("not read", ["layer or parameter", "reason"], [[row.name, row.reason] for row in skipped])
    click.echo(
        f"programs read {len(report.units)} units with {report.read_parameters:,} of {report.parameters:,} parameters "
        f"({report.share:.1%})"
    )


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
