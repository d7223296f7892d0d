"""The errors of trained models in the metadata of the PyPI package pytorchcv.

References:
    [imgclsmob] Semery. Convolutional neural networks for computer vision. https://github.com/osmr/imgclsmob.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.converted import Converted
from eznas.benchmarks.table import Target
from eznas.errors import InputError, unknown
from eznas.spaces.zoo import PACKAGE, metadata_path, models, split_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from eznas.benchmarks.table import AccuracyTable


_USUAL = "test_accuracy"
_NONE = "NA"
_TASKS = {
    "in1k": "for ImageNet, whose images are larger",
    "cub": "for CUB-200 birds, whose images are larger",
    "cf": "for another data set of small images",
}


def read_zoo(dataset: str, target: str | None = None) -> AccuracyTable:
    """Return the accuracies on a data set; ``params`` are the package's own counts.

    Args:
        dataset: ``cifar10``, ``cifar100`` or ``svhn``.
        target: ``test_accuracy``, the only accuracy; None for it.

    Raises:
        InputError: The package is not installed, its metadata is faulty, or there is no such column.
    """
    if target not in (None, _USUAL):
        raise unknown(f"column of {PACKAGE}", str(target), (_USUAL,))
    path = metadata_path()
    rows: dict[str, dict[str, float]] = {}
    for line in models(path):
        name, trained = split_name(line["model_name"])
        if trained == dataset and line["error_value"] != _NONE:
            error = _number(line["error_value"], path.name, line["model_name"])
            params = _number(line["net_weights"], path.name, line["model_name"])
            rows[name] = {_USUAL: 100 - error / 100, "params": params}
    if not rows:
        raise InputError(f"{path} must state errors of models on {dataset}, it states none")
    tested = Target(dataset, "test", None, "one training of each model, by recipes that differ")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Converted.of(rows, _USUAL, tested).table(PACKAGE, PACKAGE, f"{PACKAGE} {_version()}", digest)


def left_out(dataset: str) -> Mapping[str, str]:
    """Return the package's models that the table of a data set lacks, with reasons.

    Raises:
        InputError: The package is not installed.
    """
    reasons = {}
    for line in models(metadata_path()):
        name, trained = line["model_name"], split_name(line["model_name"])[1]
        if trained != dataset:
            reasons[name] = f"for {trained}" if trained else _TASKS.get(line["test_dataset"], "no classification")
        elif line["error_value"] == _NONE:
            reasons[name] = "the package states no error of it"
    return reasons


def _number(text: str, file: str, model: str) -> float:
    if not text.isdecimal():
        raise InputError(f"{file} must hold whole numbers as error and weights of {model}, got {text!r:.40}")
    return float(text)


def _version() -> str:
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:  # a copy beside the user's code
        return "of unknown version"
