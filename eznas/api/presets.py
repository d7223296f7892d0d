"""Presets of an evolution: options for a purpose, over which the user's own win."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from eznas.config import EvolveConfig, build_config
from eznas.errors import InputError, unknown
from eznas.progress import SILENT, Progress

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


def preset_options(preset: str, given: Mapping[str, Any], progress: Progress = SILENT) -> dict[str, Any]:
    """Return the options of a preset.

    Args:
        preset: ``"quick"``, one space in minutes, is the defaults. ``"spaces"`` has a task for each accuracy table that
            is found, and sizes for hours. It leaves out tasks that the user holds out. On a CPU, it also leaves
            out tasks whose networks can take minutes.
        given: The options that the user gives; they are left out.
        progress: Shows which tasks are left out on a CPU.

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
        options = {**_SPACES, "task": _tasks(given, progress)}
    return {name: value for name, value in options.items() if name not in given}


def _tasks(given: Mapping[str, Any], progress: Progress) -> list[dict[str, Any]]:
    from eznas.benchmarks import BENCHMARKS
    from eznas.benchmarks.places import find_table, looked_in
    from eznas.scoring.condition import resolve_device
    from eznas.spaces import SPACES

    config = build_config(EvolveConfig, {name: given[name] for name in ("hold_out_task", "device") if name in given})
    held_out = {(task.benchmark, task.dataset) for task in config.held_out_tasks()}
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
    kept = [task for task in found if (task["benchmark"], task["dataset"]) not in held_out]
    if not kept:
        raise InputError(
            "hold_out_task must leave a task to the preset spaces, it holds out all whose accuracy tables are found",
            parameters=("hold_out_task",),
        )
    if resolve_device(config.device).partition(":")[0] != "cpu":
        return kept
    slow = [task for task in kept if SPACES[BENCHMARKS[str(task["benchmark"])].space].slow_on_cpu]
    names = ", ".join(f"{task['benchmark']}/{task['dataset']}" for task in slow)
    if len(slow) == len(kept):
        raise InputError(
            f"the preset spaces needs a GPU for the accuracy tables that are found, because networks of {names} take "
            "minutes on a CPU; name the tasks to evolve on them all the same",
            parameters=("preset",),
        )
    if slow:
        progress.message(
            f"left out, because networks can take minutes on a CPU: {names}; name tasks to run them all the same"
        )
    return [task for task in kept if task not in slow]
