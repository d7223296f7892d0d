"""The trainings of one architecture as NAS-Bench-201 and NATS-Bench record them, turned into columns.

Validation accuracies on CIFAR-10 are of trainings on half of the training set (``cifar10-valid``), test accuracies
of trainings on all of it. On the other data sets one training gives both; the two halves of the held-out images are
the validation and the test images. The long trainings there have a learning curve over both halves together, which is
called ``heldout``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eznas.benchmarks.convert.converted import Training, curve, parsed
from eznas.errors import InputError, unknown
from eznas.unpickle import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from eznas.spaces import SearchSpace


_OF_ONE_TRAINING = {"validation": "x-valid", "test": "x-test", "heldout": "ori-test"}
DATASETS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "cifar10": {"cifar10-valid": {"validation": "x-valid"}, "cifar10": {"test": "ori-test"}},
    "cifar100": {"cifar100": _OF_ONE_TRAINING},
    "imagenet16-120": {"ImageNet16-120": _OF_ONE_TRAINING},
}
"""For each data set, the file's names of its trainings, and of the splits that each training is evaluated on."""

_MOST = 10_000
"""More epochs than any training has."""


def trainings_of(
    schedules: Iterable[object], dataset: str, space: SearchSpace, place: str, *, every_epoch: bool = False
) -> tuple[str, list[Training]]:
    """Return an architecture and its trainings under all schedules.

    The values of a training are ``validation_E`` and ``test_E``, in percent, after the last of ``E`` epochs; the same
    after ``e`` of the epochs, as ``test_E@e``; the training loss as ``train_loss_E`` and ``train_loss_E@e``, and
    ``train_seconds_E``. Losses and seconds are those of the trainings that have a test accuracy. Facts are ``params``
    and ``mflops``.

    Args:
        schedules: The records of the schedules; each has ``arch_str`` and, by (data set, seed), ``all_results``.
        dataset: One of ``DATASETS``.
        space: Parses the architecture.
        place: The records' place in the file, for messages.
        every_epoch: Whether to keep learning curves whole, and not only epochs at powers of two.

    Raises:
        InputError: There is no such data set, or the records are faulty or of several architectures.
    """
    if dataset not in DATASETS:
        raise unknown("data set", dataset, DATASETS)
    named: set[str] = set()
    trainings: list[Training] = []
    for schedule in schedules:
        match schedule:
            case {"arch_str": str(text), "all_results": dict(results)}:
                named.add(parsed(space, text, place))
                trainings += _trainings(results, DATASETS[dataset], every_epoch=every_epoch)
            case _:
                raise InputError(f"{place} must hold arch_str and all_results for each schedule, it does not")
    if len(named) != 1:
        raise InputError(f"{place} must be of one architecture, it names {len(named)}")
    return named.pop(), trainings


def _trainings(
    results: Mapping[object, object], splits: Mapping[str, Mapping[str, str]], *, every_epoch: bool
) -> Iterator[Training]:
    for key, record in results.items():
        match key, record:
            case (str(trained), int(seed)), dict() if trained in splits:
                epochs = number(record.get("epochs"))
                accuracies = record.get("eval_acc1es")
                if epochs is not None and 1 <= epochs <= _MOST and isinstance(accuracies, dict):
                    yield _training(record, accuracies, splits[trained], int(epochs), seed, every_epoch=every_epoch)


def _training(
    record: Mapping[str, object],
    accuracies: Mapping[object, object],
    splits: Mapping[str, str],
    epochs: int,
    seed: int,
    *,
    every_epoch: bool,
) -> Training:
    values: dict[str, float] = {}
    for split, name in splits.items():
        points = [number(accuracies.get(f"{name}@{epoch}")) for epoch in range(epochs)]
        values |= _points(f"{split}_{epochs}", points, every_epoch=every_epoch)
    single = tuple(name for name in values if "@" not in name)
    losses, times = record.get("train_losses"), record.get("train_times")
    if "test" in splits and isinstance(losses, dict):
        points = [number(losses.get(epoch)) for epoch in range(epochs)]
        values |= _points(f"train_loss_{epochs}", points, every_epoch=every_epoch)
    if "test" in splits and isinstance(times, dict):
        seconds = [known for value in times.values() if (known := number(value)) is not None]
        values |= {f"train_seconds_{epochs}": sum(seconds)} if seconds else {}
    facts = {}
    if (millions := number(record.get("params"))) is not None:
        facts["params"] = float(round(1e6 * millions))
    if (mflops := number(record.get("flop"))) is not None:
        facts["mflops"] = mflops
    return Training(values, facts, str(seed), single)


def _points(column: str, points: list[float | None], *, every_epoch: bool) -> dict[str, float]:
    """Return the points of a learning curve, the last one first."""
    last = {} if points[-1] is None else {column: points[-1]}
    return last | curve(column, points, every_epoch=every_epoch)
