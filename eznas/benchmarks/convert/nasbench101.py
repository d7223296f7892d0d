"""NAS-Bench-101's ``nasbench_full.tfrecord`` and ``nasbench_only108.tfrecord``, and the same pickled.

A record is a json list: the cell's hash, the epochs, the adjacency matrix as digits, the operations with commas
between them, and the metrics of one training as a protocol buffer in base 64. A pickle, as NASLib reads it, is a
dictionary from the hash to what the official reader returns for a cell: matrix, operations and trainable parameters,
and for each schedule a list of trainings.

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
from typing import TYPE_CHECKING, Any

from eznas.benchmarks.convert.converted import Converted, gather, only
from eznas.benchmarks.convert.tfrecord import fields, records
from eznas.benchmarks.table import column_target
from eznas.errors import InputError
from eznas.unpickle import ARRAYS, integers, number, unpickle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from eznas.spaces import SearchSpace

__all__ = ["read_nasbench101"]

_EVALUATION, _PARAMETERS = 1, 2  # fields of ModelMetrics
_SECONDS, _VALIDATION, _TEST = 2, 4, 5  # fields of EvaluationData
_USUAL = 108
_PICKLED = (".pkl", ".pickle")


def read_nasbench101(files: Sequence[Path], dataset: str, space: SearchSpace) -> Converted:
    """Read a file: validation and test accuracy after each schedule, the mean of its three trainings.

    Columns are ``validation_E``, ``test_E``, ``train_seconds_E`` and, halfway through a schedule of ``E`` epochs,
    as ``test_108@54``; ``test_E_seed0`` and so on are single trainings in the file's order; ``params`` are the
    trainable parameters.

    Args:
        files: The file; one that ends in ``.pkl`` or ``.pickle`` is a pickle.
        dataset: ``cifar10``.
        space: Parses the cells.

    Raises:
        InputError: It is not what it should be.
    """
    path = only(files, "NAS-Bench-101")
    trained: dict[str, dict[str, list[float]]] = {}
    cells: dict[str, str] = {}
    if path.suffix in _PICKLED:
        _read_pickle(path, space, cells, trained)
    else:
        for index, record in enumerate(records(path)):
            _read(record, f"{path}, record {index}", space, cells, trained)
    if not cells:
        raise InputError(f"{path} must hold trainings of cells, it is empty")
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
    for suffix, found in ((f"@{epochs // 2}", evaluations[1]), ("", evaluations[2])):
        for split, field in (("validation", _VALIDATION), ("test", _TEST)):
            values[f"{split}_{epochs}{suffix}"].append(100 * float(found[field]))
    values[f"train_seconds_{epochs}"].append(float(evaluations[2][_SECONDS]))


def _read_pickle(
    path: Path, space: SearchSpace, cells: dict[str, str], trained: dict[str, dict[str, list[float]]]
) -> None:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} must be a file that can be read: {error.strerror}") from error
    loaded = unpickle(data, ARRAYS, str(path))
    if not isinstance(loaded, dict):
        raise InputError(f"{path} must hold a dictionary from hashes to cells, got {type(loaded).__name__}")
    for name, cell in loaded.items():
        _read_cell(name, cell, f"{path}, {name!s:.40}", space, cells, trained)


def _read_cell(
    name: str,
    cell: Any,
    place: str,
    space: SearchSpace,
    cells: dict[str, str],
    trained: dict[str, dict[str, list[float]]],
) -> None:
    try:
        fixed, computed = cell
        cells[name] = space.parse(_cell(_bits(fixed["module_adjacency"]), ",".join(fixed["module_operations"])))
        values: dict[str, list[float]] = defaultdict(list, params=[_known(fixed["trainable_parameters"])])
        for epochs, trainings in computed.items():
            for one in trainings:
                _add_pickled(values, int(epochs), one)
        trained[name] = values
    except (InputError, ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise InputError(f"{place}: must be a cell and its trainings, but {error}") from error


def _add_pickled(values: dict[str, list[float]], epochs: int, training: Mapping[str, object]) -> None:
    for part, suffix in (("halfway", f"@{epochs // 2}"), ("final", "")):
        for split in ("validation", "test"):
            values[f"{split}_{epochs}{suffix}"].append(100 * _known(training[f"{part}_{split}_accuracy"]))
    values[f"train_seconds_{epochs}"].append(_known(training["final_training_time"]))


def _known(value: object) -> float:
    found = number(value)
    if found is None:
        raise ValueError(f"{value!r:.40} is no finite number")
    return found


def _bits(matrix: object) -> str:
    """Return the digits of an adjacency matrix, row by row, as numpy pickles it or as lists."""
    if isinstance(matrix, list):
        return "".join(str(entry) for row in matrix for entry in row)
    entries = integers(matrix)
    if entries is None:
        raise ValueError("the adjacency matrix is no square of whole numbers")
    return "".join(map(str, entries))


def _row(values: dict[str, list[float]]) -> dict[str, float]:
    row = {name: statistics.fmean(found) for name, found in values.items()}
    for name, found in values.items():
        if name.startswith(("test_", "validation_")) and "@" not in name:
            row |= {f"{name}_seed{seed}": value for seed, value in enumerate(found)}
    return row
