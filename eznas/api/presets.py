"""Presets of an evolution: options for a purpose, over which the user's own win."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from eznas.config import EvolveConfig, build_config
from eznas.errors import InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

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

_SCORES = {name: _SPACES[name] for name in ("fitness", "time_budget")}
"""Over score files, whose tasks the files hold."""


def preset_options(preset: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a preset.

    Args:
        preset: ``"quick"``, one space in minutes, is the defaults. ``"spaces"`` has a task for each accuracy table that
            is found, unless the user holds it out, and sizes for hours.
        given: The options that the user gives; they are left out.

    Raises:
        InputError: There is no such preset, or no table is found.
    """
    if preset not in get_args(Preset):
        raise unknown("preset", preset, get_args(Preset))
    if preset == "quick":
        return {}
    named = {"task", "benchmark", "dataset", "table", "target"}.intersection(given)
    options: dict[str, Any] = _SCORES if "scores" in given else _SPACES
    if "scores" not in given and not named:
        options = {**_SPACES, "task": _tasks(given.get("hold_out_task", ()))}
    return {name: value for name, value in options.items() if name not in given}


def _tasks(hold_out_task: Any) -> list[dict[str, Any]]:
    from eznas.benchmarks import BENCHMARKS
    from eznas.benchmarks.places import find_table, looked_in

    held_out = build_config(EvolveConfig, {"hold_out_task": hold_out_task}).held_out_tasks()
    left_out = {(task.benchmark, task.dataset) for task in held_out}
    found = [
        {"benchmark": name, "dataset": dataset, "table": table}
        for name in BENCHMARKS
        for dataset in BENCHMARKS[name].datasets
        if (table := find_table(name, dataset)) is not None
    ]
    if not found:
        raise InputError(
            "the preset spaces needs accuracy tables, but none is in a folder that is searched "
            f"({looked_in()}); see eznas benchmarks list",
            parameters=("preset",),
        )
    kept = [task for task in found if (task["benchmark"], task["dataset"]) not in left_out]
    if not kept:
        raise InputError(
            "hold_out_task must leave a task to the preset spaces, it holds out all whose accuracy tables are found",
            parameters=("hold_out_task",),
        )
    return kept
