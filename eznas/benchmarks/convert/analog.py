"""The accuracies in the PyPI package analog-nasbench: all NAS-Bench-201 cells, trained once more on CIFAR-10.

The package is not imported; its data file is a pickle of a dictionary from six digits to a record of
accuracies.

References:
    [AnalogNAS-Bench] AnalogNAS-Bench: A NAS Benchmark for Analog In-Memory Computing. arXiv:2506.18495, 2025.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eznas.benchmarks.table import AccuracyTable, Target
from eznas.errors import InputError, unknown
from eznas.spaces.nasbench201 import EDGES, NasBench201, to_operations
from eznas.unpickle import Record, unpickle

if TYPE_CHECKING:
    from numpy.typing import NDArray


_PACKAGE = "analog-nasbench"
_FILE = "data.anb"
_USUAL = "baseline_accuracy"

COLUMNS = {
    "baseline_accuracy": "full precision",
    "ptq_accuracy": "quantized after training",
    "qat_accuracy": "quantization-aware training",
    "noisy_accuracy": "weights moved to simulated noisy analog hardware",
    "analog_accuracy": "hardware-aware training for simulated analog hardware",
}
"""The accuracies in the file, and how the network was trained or run."""

_OPERATIONS = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")  # by digit
_EDGES = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))  # in the order of the digits
_ALLOWED = {("analognasbench.data", "Architecture"): Record, ("analognasbench.data", "DriftMeasurement"): Record}


def read_analog(target: str | None = None) -> AccuracyTable:
    """Return the package's accuracies, in the order of the benchmark's official index.

    The authors' training script trains once, for 200 epochs on the training set, and averages 25 passes over
    test images that are cropped and mirrored at random.

    Args:
        target: One of ``COLUMNS``; None for ``baseline_accuracy``. The others become further columns.

    Raises:
        InputError: The package is not installed, its file is faulty, or there is no such column.
    """
    column = target or _USUAL
    if column not in COLUMNS:
        raise unknown("column of the embedded table", column, COLUMNS)
    path = _locate()
    data = path.read_bytes()
    records = unpickle(data, _ALLOWED, str(path))
    if not isinstance(records, dict):
        raise InputError(f"{path} must hold a dictionary, got {type(records).__name__}; {_advice()}")
    architectures = tuple(NasBench201().architectures())
    ordered = [records.get(_digits(architecture)) for architecture in architectures]
    columns = {name: _column(ordered, architectures, name, path) for name in COLUMNS}
    return AccuracyTable(
        benchmark="nasbench201",
        space="nasbench201",
        target=Target(
            dataset="cifar10",
            split="test",
            epochs=200 if column == _USUAL else None,
            training_seeds=f"one training, {COLUMNS[column]} ({_PACKAGE}, column {column})",
        ),
        architectures=architectures,
        accuracies=columns.pop(column),
        source=f"{_PACKAGE} {importlib.metadata.version(_PACKAGE)}",
        digest=hashlib.sha256(data).hexdigest(),
        columns=columns,
    )


def _locate() -> Path:
    """Find the data file without importing the package."""
    try:
        files = importlib.metadata.files(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            'the embedded accuracies must be installed first: pip install "eznas[nasbench201]", '
            "or set table to a CSV file",
            parameters=("table",),
        ) from None
    for file in files or ():
        path = Path(str(file.locate()))
        if path.name == _FILE and path.is_file():
            return path.resolve()
    raise InputError(f"the package {_PACKAGE} must contain {_FILE}, but it does not; {_advice()}")


def _column(records: list[object], architectures: tuple[str, ...], name: str, path: Path) -> NDArray[np.float64]:
    column = np.empty(len(architectures))
    for index, (record, architecture) in enumerate(zip(records, architectures, strict=True)):
        value = vars(record).get(name) if isinstance(record, Record) else None
        if not isinstance(value, float) or not math.isfinite(value):
            raise InputError(f"{path} must hold a number as {name} of {architecture}, got {value!r}; {_advice()}")
        column[index] = value
    return column


def _digits(architecture: str) -> tuple[int, ...]:
    operations = dict(zip(EDGES, to_operations(architecture), strict=True))
    return tuple(_OPERATIONS.index(operations[edge]) for edge in _EDGES)


def _advice() -> str:
    return f"reinstall it with pip install --force-reinstall --no-deps {_PACKAGE}==0.1.3"
