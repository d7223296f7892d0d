"""The json files of "On Network Design Spaces for Visual Recognition": one list of trainings a sweep.

A file is a list of runs, or an object with the lists ``top`` and ``mid``. The converter reads ``net`` (the
architecture), ``optim`` (learning rate and weight decay), ``test_ep_top1`` (test error in percent by epoch), ``params``
and ``flops`` of each run.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.contents import read_json
from eznas.benchmarks.convert.converted import TrainedArchitectures, Training, curve, only, parsed
from eznas.errors import InputError
from eznas.unpickle import number, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from eznas.benchmarks.convert.converted import Converted
    from eznas.spaces import SearchSpace


_PARTS = ("top", "mid")
_OPTIM = {"lr": ("lr", "base_lr"), "wd": ("wd", "weight_decay")}


def read_nds(files: Sequence[Path], dataset: str, space: SearchSpace, *, every_epoch: bool = False) -> Converted:
    """Read one sweep.

    The columns of an architecture that was trained several times, as in the ``lr-wd`` sweeps, are means over its
    trainings, whose number is in the column ``trainings``. ``test_E@e`` is the test accuracy after ``e`` of ``E``
    epochs.
    """
    path = only(files, "a sweep of NDS")
    runs: dict[str, list[Training]] = defaultdict(list)
    lengths = set()
    for place, run, part in _runs(path):
        architecture = parsed(space, json.dumps(run.get("net")), f"{path}, {place}")
        errors = numbers(run.get("test_ep_top1"))
        if not errors:
            raise InputError(f"{path}, {place}: test_ep_top1 must be a list of errors in percent, one an epoch")
        lengths.add(len(errors))
        runs[architecture].append(_training(run, errors, part, every_epoch=every_epoch))
    if not runs:
        raise InputError(f"{path} must hold runs, it is empty")
    trained = TrainedArchitectures(space, dataset, counted=True)
    for architecture, trainings in runs.items():
        trained.add(architecture, trainings, str(path))
    mean = "mean over the trainings of an architecture, mostly one"
    epochs, notes = max(lengths), []
    if len(lengths) > 1:
        notes.append(f"trainings have {min(lengths)} to {epochs} epochs; those of {epochs} are the usual accuracy")
    return trained.converted(f"test_{epochs}", mean, str(path), notes)


def _runs(path: Path) -> Iterator[tuple[str, dict[str, object], str]]:
    loaded = read_json(path)
    parts = {"": loaded} if isinstance(loaded, list) else loaded
    whole = isinstance(loaded, list) or (isinstance(loaded, dict) and set(loaded) == set(_PARTS))
    if not whole or not isinstance(parts, dict) or not all(isinstance(part, list) for part in parts.values()):
        raise InputError(f"{path} must be a list of runs, or an object with the lists top and mid")
    for part, listed in parts.items():
        for index, run in enumerate(listed):
            place = f"{part} run {index}".strip()
            if not isinstance(run, dict):
                raise InputError(f"{path}, {place}: must be an object, got {type(run).__name__}")
            yield place, run, part


def _training(run: dict[str, object], errors: list[float], part: str, *, every_epoch: bool) -> Training:
    usual = f"test_{len(errors)}"
    row = {usual: 100 - errors[-1], "best_test": 100 - min(errors)}
    row |= curve(usual, [100 - error for error in errors], every_epoch=every_epoch)
    facts = {name: value for name in ("params", "flops") if (value := number(run.get(name))) is not None}
    optim = run.get("optim")
    for name, spellings in _OPTIM.items():
        for spelling in spellings:
            value = number(optim.get(spelling)) if isinstance(optim, dict) else None
            if value is not None:
                row[name] = value
    if part:
        row["top"] = float(part == "top")
    return Training(row, facts)
