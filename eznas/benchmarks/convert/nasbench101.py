"""NAS-Bench-101's ``nasbench_full.tfrecord`` and ``nasbench_only108.tfrecord``, and the same pickled.

A record is a json list: the cell's hash, the epochs, the digits of the adjacency matrix, the operations separated by
commas, and the metrics of one training as a protocol buffer in base 64. A pickle, as NASLib reads it, is a dictionary
from the hash to the official reader's record of a cell: matrix, operations and trainable parameters, and for each
schedule a list of trainings.
"""

from __future__ import annotations

import base64
import json
import math
from collections import Counter, defaultdict
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.contents import read_bytes
from eznas.benchmarks.convert.converted import TrainedArchitectures, Training, only
from eznas.benchmarks.convert.tfrecord import fields, records
from eznas.errors import InputError
from eznas.unpickle import ARRAYS, integers, number, unpickle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from eznas.benchmarks.convert.converted import Converted
    from eznas.spaces import SearchSpace


_EVALUATION, _PARAMETERS = 1, 2  # fields of ModelMetrics
_SECONDS, _VALIDATION, _TEST = 2, 4, 5  # fields of EvaluationData
_USUAL = 108
_PICKLED = (".pkl", ".pickle")
_PICKLED_ACCURACIES = ("final_validation", "final_test", "halfway_validation", "halfway_test")


def read_nasbench101(files: Sequence[Path], dataset: str, space: SearchSpace) -> Converted:
    """Read a file: validation and test accuracy after each schedule, the mean of its three trainings.

    Columns are ``validation_E``, ``test_E`` and ``train_seconds_E``; accuracies halfway through a schedule, such as
    ``test_108@54``; those of single trainings in the file's order, ``test_E_seed0`` and so on; and ``params``, the
    trainable parameters.

    A file that ends in ``.pkl`` or ``.pickle`` is read as a pickle.
    """
    path = only(files, "NAS-Bench-101")
    cells: dict[str, str] = {}
    trainings: dict[str, list[Training]] = defaultdict(list)
    (_read_pickle if path.suffix in _PICKLED else _read_records)(path, space, cells, trainings)
    if not cells:
        raise InputError(f"{path} must hold trainings of cells, it is empty")
    trained = TrainedArchitectures(space, dataset)
    for name, cell in cells.items():
        trained.add(cell, trainings.pop(name), f"{path}, {name}")
    return trained.converted(f"test_{_USUAL}", "mean of three trainings", str(path))


def _read_records(path: Path, space: SearchSpace, cells: dict[str, str], trainings: dict[str, list[Training]]) -> None:
    """Add each training to its cell."""
    seeds: Counter[tuple[str, int]] = Counter()
    for index, record in enumerate(records(path)):
        with _refused(f"{path}, record {index}: must be one training of a cell"):
            name, epochs, matrix, operations, metrics = json.loads(record)
            if name not in cells:
                cells[name] = space.parse(_cell(matrix, operations))
            seed = str(seeds[name, epochs])
            trainings[name].append(_decoded(int(epochs), base64.b64decode(metrics, validate=True), seed))
            seeds[name, epochs] += 1


@contextmanager
def _refused(must: str) -> Iterator[None]:
    """Turn everything that faulty contents raise into one error."""
    try:
        yield
    except (InputError, ValueError, TypeError, AttributeError, LookupError, OverflowError, RecursionError) as error:
        raise InputError(f"{must}, but {error}") from error


def _cell(matrix: str, operations: str) -> str:
    """Return a cell as the space writes it: rows of the matrix, then the operations."""
    size = math.isqrt(len(matrix))
    if size * size != len(matrix):
        raise ValueError(f"the adjacency matrix has {len(matrix)} entries, which is no square")
    rows = "/".join(matrix[row * size : (row + 1) * size] for row in range(size))
    return f"{rows} {operations}"


@cache
def _columns(epochs: int) -> tuple[str, ...]:
    """Return the columns of a schedule: validation and test accuracy at its end and halfway, and seconds."""
    splits = (f"validation_{epochs}", f"test_{epochs}")
    return (*splits, *(f"{split}@{epochs // 2}" for split in splits), f"train_seconds_{epochs}")


@cache
def _facts(params: float | None) -> dict[str, float]:
    return {} if params is None else {"params": params}  # one dictionary for millions of trainings


def _training(epochs: int, accuracies: Iterable[float], seconds: float, params: float | None, seed: str) -> Training:
    """Return a training; the accuracies are fractions, in the order of ``_columns``."""
    columns = _columns(epochs)
    values = (*(100 * accuracy for accuracy in accuracies), seconds)
    return Training(dict(zip(columns, values, strict=True)), _facts(params), seed, columns[:2])


def _decoded(epochs: int, metrics: bytes, seed: str) -> Training:
    """Return the training in a protocol buffer."""
    evaluations, params = [], None
    for field, value in fields(metrics):
        if field == _EVALUATION and isinstance(value, bytes):
            evaluations.append(dict(fields(value)))
        elif field == _PARAMETERS and isinstance(value, int):
            params = float(value)
    if len(evaluations) != 3:  # noqa: PLR2004 - before, halfway and after
        raise ValueError(f"a training has 3 evaluations, got {len(evaluations)}")
    _, halfway, final = evaluations
    accuracies = (float(evaluation[split]) for evaluation in (final, halfway) for split in (_VALIDATION, _TEST))
    return _training(epochs, accuracies, float(final[_SECONDS]), params, seed)


def _read_pickle(path: Path, space: SearchSpace, cells: dict[str, str], trainings: dict[str, list[Training]]) -> None:
    loaded = unpickle(read_bytes(path), ARRAYS, str(path))
    if not isinstance(loaded, dict):
        raise InputError(f"{path} must hold a dictionary from hashes to cells, got {type(loaded).__name__}")
    for name, cell in loaded.items():
        with _refused(f"{path}, {name!s:.40}: must be a cell and its trainings"):
            fixed, computed = cell
            cells[name] = space.parse(_cell(_bits(fixed["module_adjacency"]), ",".join(fixed["module_operations"])))
            params = _known(fixed["trainable_parameters"])
            for epochs, pickled in computed.items():
                for seed, training in enumerate(pickled):
                    accuracies = (_known(training[f"{part}_accuracy"]) for part in _PICKLED_ACCURACIES)
                    seconds = _known(training["final_training_time"])
                    trainings[name].append(_training(int(epochs), accuracies, seconds, params, str(seed)))


def _known(value: object) -> float:
    known = number(value)
    if known is None:
        raise ValueError(f"{value!r:.40} is no finite number")
    return known


def _bits(matrix: object) -> str:
    """Return the digits of an adjacency matrix, row by row, as numpy pickles it or as lists."""
    if isinstance(matrix, list):
        return "".join(str(entry) for row in matrix for entry in row)
    entries = integers(matrix)
    if entries is None:
        raise ValueError("the adjacency matrix is no square of whole numbers")
    return "".join(map(str, entries))
