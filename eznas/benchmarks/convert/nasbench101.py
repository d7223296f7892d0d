"""NAS-Bench-101's ``nasbench_full.tfrecord`` and ``nasbench_only108.tfrecord``.

A record is a json list: the cell's hash, the epochs, the adjacency matrix as digits, the operations with commas
between them, and the metrics of one training as a protocol buffer in base 64.

References:
    [NB101] Ying, Klein, Christiansen, Real, Murphy, Hutter. NAS-Bench-101: Towards Reproducible Neural
        Architecture Search. ICML 2019.
"""

from __future__ import annotations

import base64
import json
import math
import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.converted import Converted, gather
from eznas.benchmarks.convert.tfrecord import fields, records
from eznas.benchmarks.table import column_target
from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from eznas.spaces import SearchSpace

__all__ = ["read_nasbench101"]

_EVALUATION, _PARAMETERS = 1, 2  # fields of ModelMetrics
_SECONDS, _VALIDATION, _TEST = 2, 4, 5  # fields of EvaluationData
_USUAL = 108


def read_nasbench101(files: Sequence[Path], dataset: str, space: SearchSpace) -> Converted:
    """Read a record file: validation and test accuracy after each schedule, the mean of its three trainings.

    Columns are ``validation_E``, ``test_E``, ``train_seconds_E`` and, halfway through a schedule of ``E`` epochs,
    ``halfway_validation_E`` and ``halfway_test_E``; ``test_E_seed0`` and so on are single trainings in the file's
    order; ``params`` are the trainable parameters.

    Args:
        files: The file.
        dataset: ``cifar10``.
        space: Parses the cells.

    Raises:
        InputError: It is not what it should be.
    """
    if len(files) != 1:
        raise InputError(f"NAS-Bench-101 must be converted from one .tfrecord file, got {len(files)}")
    path = files[0]
    trained: dict[str, dict[str, list[float]]] = {}
    cells: dict[str, str] = {}
    for index, record in enumerate(records(path)):
        _read(record, f"{path}, record {index}", space, cells, trained)
    if not cells:
        raise InputError(f"{path} must hold records, it is empty")
    columns = gather([_row(values) for values in trained.values()])
    usual = f"test_{_USUAL}"
    target = column_target(usual, dataset, "mean of three trainings")
    if target is None or usual not in columns:
        raise InputError(f"{path} must hold trainings of {_USUAL} epochs, it holds none")
    return Converted(tuple(cells.values()), columns, usual, target)


def _read(
    record: bytes, place: str, space: SearchSpace, cells: dict[str, str], trained: dict[str, dict[str, list[float]]]
) -> None:
    """Add one training to its cell."""
    try:
        name, epochs, matrix, operations, metrics = json.loads(record)
        if name not in cells:
            cells[name] = space.parse(_cell(matrix, operations))
            trained[name] = defaultdict(list)
        _add(trained[name], int(epochs), base64.b64decode(metrics, validate=True))
    except (InputError, ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError) as error:
        raise InputError(f"{place}: must be one training of a cell, but {error}") from error


def _cell(matrix: str, operations: str) -> str:
    """Return a cell as the space writes it: rows of the matrix, then the operations."""
    size = math.isqrt(len(matrix))
    if size * size != len(matrix):
        raise ValueError(f"the adjacency matrix has {len(matrix)} entries, which is no square")
    rows = "/".join(matrix[row * size : (row + 1) * size] for row in range(size))
    return f"{rows} {operations}"


def _add(values: dict[str, list[float]], epochs: int, metrics: bytes) -> None:
    evaluations = []
    for field, value in fields(metrics):
        if field == _EVALUATION and isinstance(value, bytes):
            evaluations.append(dict(fields(value)))
        elif field == _PARAMETERS and isinstance(value, int):
            values["params"].append(float(value))
    if len(evaluations) != 3:  # noqa: PLR2004 - before, halfway and after
        raise ValueError(f"a training has 3 evaluations, got {len(evaluations)}")
    for prefix, found in (("halfway_", evaluations[1]), ("", evaluations[2])):
        for split, field in (("validation", _VALIDATION), ("test", _TEST)):
            values[f"{prefix}{split}_{epochs}"].append(100 * float(found[field]))
    values[f"train_seconds_{epochs}"].append(float(evaluations[2][_SECONDS]))


def _row(values: dict[str, list[float]]) -> dict[str, float]:
    row = {name: statistics.fmean(found) for name, found in values.items()}
    for name, found in values.items():
        if name.startswith(("test_", "validation_")):
            row |= {f"{name}_seed{seed}": value for seed, value in enumerate(found)}
    return row
