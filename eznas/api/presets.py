"""Presets of an evolution: options for a purpose, over which the user's own win."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from eznas.errors import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Collection

Preset = Literal["quick", "spaces"]

_SPACES = {
    "fitness": "least",
    "relative": True,
    "networks": 64,
    "validation_networks": 32,
    "test_networks": 100,
    "full_networks": 16,
    "population": 300,
    "library": 90,
    "time_budget": "3h",
}


def preset_options(preset: str, given: Collection[str]) -> dict[str, Any]:
    """Return the options of a preset.

    Args:
        preset: ``"quick"``, one space in minutes, is the defaults. ``"spaces"`` has a task for each accuracy table that
            is found, and sizes for hours.
        given: Names of the options that the user gives; they are left out.

    Raises:
        InputError: There is no such preset, or no table is found.
    """
    if preset not in get_args(Preset):
        raise unknown("preset", preset, get_args(Preset))
    if preset == "quick":
        return {}
    named = {"task", "benchmark", "dataset", "table", "target"}.intersection(given)
    options = _SPACES if named else {**_SPACES, "task": _tasks()}
    return {name: value for name, value in options.items() if name not in given}


def _tasks() -> list[dict[str, Any]]:
    from eznas.benchmarks import BENCHMARKS
    from eznas.benchmarks.places import find_table, looked_in

    found = [
        {"benchmark": name, "dataset": dataset, "table": table}
        for name in BENCHMARKS
        for dataset in BENCHMARKS[name].datasets
        if (table := find_table(name, dataset)) is not None
    ]
    if not found:
        raise InputError(
            f"the preset spaces needs accuracy tables, and none is found in {looked_in()}; see eznas benchmarks list",
            parameters=("preset",),
        )
    return found
