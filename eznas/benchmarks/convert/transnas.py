"""TransNAS-Bench-101's ``transnas-bench_v10141024.pth``: seven tasks over two spaces, epoch by epoch.

The file holds ``data`` by space (``micro`` and ``macro``), architecture and task; of a task ``metrics`` (lists by
epoch), ``total_epochs`` and ``model_info``.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.converted import Converted, curve, only, parsed
from eznas.benchmarks.convert.pth import load_pth
from eznas.benchmarks.table import Target
from eznas.errors import InputError, unknown
from eznas.unpickle import number, numbers

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from eznas.spaces import SearchSpace


METRICS = {
    "class_scene": "top1",
    "class_object": "top1",
    "jigsaw": "top1",
    "room_layout": "neg_loss",
    "segmentsemantic": "acc",
    "normal": "ssim",
    "autoencoder": "ssim",
}
"""The metric that counts as the accuracy of a task; more is better. Only ``top1`` and ``acc`` are percent."""

_SPLITS = {"validation": "valid", "test": "test"}
_INFO = {"params": "model_params", "encoder_params": "encoder_params", "flops": "model_FLOPs"}
_LOSS = "train_loss"


def read_transnas(files: Sequence[Path], dataset: str, space: SearchSpace, *, every_epoch: bool = False) -> Converted:
    """Read one task of one space.

    Columns are ``validation_E`` and ``test_E`` after the last of ``E`` epochs, the same after ``e`` of them as
    ``test_E@e``, ``best_validation`` and ``best_test`` over all epochs, ``train_loss_E``, ``train_loss_E@e``,
    ``train_seconds_E``, and ``params``, ``encoder_params`` and ``flops`` (multiply-adds by thop, on the task's images).
    """
    if dataset not in METRICS:
        raise unknown("task of TransNAS-Bench-101", dataset, METRICS)
    path = only(files, "TransNAS-Bench-101")
    loaded = load_pth(path)
    part = space.name.removeprefix("transnas_")
    match loaded:
        case {"data": dict(spaces)} if isinstance(spaces.get(part), dict) and spaces[part]:
            entries: Mapping[object, object] = spaces[part]
        case _:
            raise InputError(f"{path} must hold data of {part}, the trainings of each architecture; it does not")
    rows: dict[str, dict[str, float]] = {}
    lengths: Counter[int] = Counter()
    for text, tasks in entries.items():
        place = f"{path}, {text!s:.60}"
        architecture = parsed(space, str(text), place)
        trained = tasks.get(dataset) if isinstance(tasks, dict) else None
        if not isinstance(trained, dict) or architecture in rows:
            raise InputError(f"{place}: must have {dataset}, and be the only entry of its architecture")
        epochs, rows[architecture] = _row(trained, dataset, place, every_epoch=every_epoch)
        lengths[epochs] += 1
    (usual, _), *others = lengths.most_common()
    target = Target(dataset, "validation", usual, f"one training, {METRICS[dataset]} after its last epoch")
    notes = [f"{count} architectures were trained for {epochs} epochs and not {usual}" for epochs, count in others]
    return Converted.of(rows, f"validation_{usual}", target, notes)


def _row(trained: Mapping[object, object], task: str, place: str, *, every_epoch: bool) -> tuple[int, dict[str, float]]:
    """Return the epochs of a training, and its numbers."""
    metrics, info = trained.get("metrics"), trained.get("model_info")
    if not isinstance(metrics, dict):
        raise InputError(f"{place}: must have metrics of {task}")
    row: dict[str, float] = {}
    lengths = set()
    for split, spelled in _SPLITS.items():
        values = _curve(metrics.get(f"{spelled}_{METRICS[task]}"), f"{place}: {spelled}_{METRICS[task]} of {task}")
        lengths.add(len(values))
        column = f"{split}_{len(values)}"
        row |= {column: values[-1], f"best_{split}": max(values)}
        row |= curve(column, values, every_epoch=every_epoch)
    if len(lengths) > 1:
        raise InputError(f"{place}: must have as many epochs of validation as of test, got {sorted(lengths)}")
    (epochs,) = lengths
    if _LOSS in metrics:
        losses = _curve(metrics[_LOSS], f"{place}: {_LOSS} of {task}")
        row[f"{_LOSS}_{epochs}"] = losses[-1]
        row |= curve(f"{_LOSS}_{epochs}", losses, every_epoch=every_epoch)
    if "time_elapsed" in metrics:
        row[f"train_seconds_{epochs}"] = _curve(metrics["time_elapsed"], f"{place}: time_elapsed of {task}")[-1]
    for name, spelled in _INFO.items():
        value = number(info.get(spelled)) if isinstance(info, dict) else None
        if value is not None:
            row[name] = value
    return epochs, row


def _curve(listed: object, what: str) -> list[float]:
    values = numbers([_plain(value) for value in listed]) if isinstance(listed, list) else None
    if not values:
        raise InputError(f"{what} must be a list of numbers, one an epoch")
    return values


def _plain(value: object) -> float | None:
    """Return a number of Python, numpy or torch."""
    item = getattr(value, "item", None)
    try:
        return number(item() if callable(item) else value)
    except (RuntimeError, ValueError):  # it has several entries
        return None
