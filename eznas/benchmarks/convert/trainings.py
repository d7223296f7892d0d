"""The trainings of one architecture as NAS-Bench-201 and NATS-Bench record them, turned into columns.

Validation accuracies on CIFAR-10 are of trainings on half of the training set (``cifar10-valid``), test accuracies
of trainings on all of it. On the other data sets one training gives both; the two halves of what is held out are
the validation and the test images. The long trainings there have a learning curve over both halves together, which is
called ``heldout``.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.converted import curve
from eznas.errors import unknown
from eznas.unpickle import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["DATASETS", "training_columns"]

DATASETS = {
    "cifar10": (("validation", "cifar10-valid", "x-valid"), ("test", "cifar10", "ori-test")),
    "cifar100": (
        ("validation", "cifar100", "x-valid"),
        ("test", "cifar100", "x-test"),
        ("heldout", "cifar100", "ori-test"),
    ),
    "imagenet16-120": (
        ("validation", "ImageNet16-120", "x-valid"),
        ("test", "ImageNet16-120", "x-test"),
        ("heldout", "ImageNet16-120", "ori-test"),
    ),
}
"""For each data set: a split, the trainings that it is of, and what the file calls it."""

_MOST = 10_000
"""More epochs than any training has."""


def training_columns(results: Mapping[object, object], dataset: str, *, every_epoch: bool = False) -> dict[str, float]:
    """Return the columns of one architecture's trainings under one schedule.

    Args:
        results: For each (data set, seed) the record of a training.
        dataset: One of ``DATASETS``.
        every_epoch: Whether learning curves are kept whole, and not at powers of two.

    Returns:
        ``validation_E`` and ``test_E``, the mean over seeds after the last of ``E`` epochs, in percent; the same
        for each seed, as ``test_E_seed777``; the mean over seeds after ``e`` of the epochs, as ``test_E@e``, and
        of the training loss, as ``train_loss_E`` and ``train_loss_E@e``; ``params``, ``mflops`` and
        ``train_seconds_E``. Losses and seconds are those of the trainings of which the test accuracy is.

    Raises:
        InputError: There is no such data set.
    """
    if dataset not in DATASETS:
        raise unknown("data set", dataset, DATASETS)
    means: dict[str, list[float]] = defaultdict(list)
    single: dict[str, float] = {}
    for split, trained, name in DATASETS[dataset]:
        for seed, record in _records(results, trained):
            epochs = number(record.get("epochs"))
            accuracies = record.get("eval_acc1es")
            if epochs is None or not 1 <= epochs <= _MOST or not isinstance(accuracies, dict):
                continue
            column = f"{split}_{int(epochs)}"
            points = [number(accuracies.get(f"{name}@{epoch}")) for epoch in range(int(epochs))]
            if (accuracy := points[-1]) is not None:
                means[column].append(accuracy)
                single[f"{column}_seed{seed}"] = accuracy
            for point, value in curve(column, points, every_epoch=every_epoch).items():
                means[point].append(value)
            if split == "test":
                _costs(record, int(epochs), means)
                for point, value in _losses(record, int(epochs), every_epoch=every_epoch).items():
                    means[point].append(value)
    return {name: statistics.fmean(values) for name, values in means.items()} | single


def _records(results: Mapping[object, object], trained: str) -> Iterator[tuple[int, dict[str, object]]]:
    for key, record in results.items():
        match key:
            case (str(dataset), int(seed)) if dataset == trained and isinstance(record, dict):
                yield seed, record


def _losses(record: Mapping[str, object], epochs: int, *, every_epoch: bool) -> dict[str, float]:
    losses, column = record.get("train_losses"), f"train_loss_{epochs}"
    if not isinstance(losses, dict):
        return {}
    points = [number(losses.get(epoch)) for epoch in range(epochs)]
    last = {} if points[-1] is None else {column: points[-1]}
    return last | curve(column, points, every_epoch=every_epoch)


def _costs(record: Mapping[str, object], epochs: int, means: dict[str, list[float]]) -> None:
    params, flops, times = (record.get(name) for name in ("params", "flop", "train_times"))
    if (millions := number(params)) is not None:
        means["params"].append(round(1e6 * millions))
    if (mflops := number(flops)) is not None:
        means["mflops"].append(mflops)
    if isinstance(times, dict):
        seconds = [number(value) for value in times.values()]
        known = [value for value in seconds if value is not None]
        if known:
            means[f"train_seconds_{epochs}"].append(sum(known))
