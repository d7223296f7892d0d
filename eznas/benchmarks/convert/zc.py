"""NAS-Bench-Suite-Zero's ``zc_*.json``: published scores of zero-cost proxies, and validation accuracies.

A file is an object by data set, then by architecture, as NASLib writes it; its entries are ``val_accuracy`` and, for
each proxy, ``score`` and ``time``.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from eznas.benchmarks.convert.contents import read_json
from eznas.benchmarks.convert.converted import Converted, only
from eznas.benchmarks.table import Target
from eznas.errors import InputError
from eznas.spaces.genotype import dump
from eznas.unpickle import number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from eznas.spaces import SearchSpace


_USUAL = "val_accuracy"
_LONGEST = 2000
_CELL201 = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
_CELL101 = ("input", "output", "maxpool3x3", "conv1x1-bn-relu", "conv3x3-bn-relu")
_DARTS = (
    "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5",
    "dil_conv_3x3", "dil_conv_5x5",
)  # fmt: skip


def _nasbench201(digits: Any) -> str:
    first, second, third, fourth, fifth, sixth = (_CELL201[digit] for digit in digits)  # edges by source
    return f"|{first}~0|+|{second}~0|{fourth}~1|+|{third}~0|{fifth}~1|{sixth}~2|"


def _nasbench101(digits: Any) -> str:
    size = next(size for size in range(2, 8) if size * size + size == len(digits))
    rows = "/".join("".join(map(str, digits[row * size : (row + 1) * size])) for row in range(size))
    return f"{rows} {','.join(_CELL101[digit] for digit in digits[size * size :])}"


def _darts(cells: Any) -> str:
    normal, reduce = ([[_DARTS[operation], source] for source, operation in cell] for cell in cells)
    concat = [2, 3, 4, 5]
    return dump({"normal": normal, "reduce": reduce, "normal_concat": concat, "reduce_concat": concat})


def _micro(digits: Any) -> str:
    a, b, c, d, e, f = digits
    return f"64-41414-{a}_{b}{c}_{d}{e}{f}"


def _macro(layers: Any) -> str:
    return f"64-{''.join(str(layer) for layer in layers if layer)}-basic"


NOTATIONS: dict[str, Callable[[Any], str]] = {
    "nasbench201": _nasbench201,
    "nasbench101": _nasbench101,
    "darts": _darts,
    "transnas_micro": _micro,
    "transnas_macro": _macro,
}
"""For each space, the function from NASLib's notation of an architecture to the notation here."""


def read_zc(files: Sequence[Path], dataset: str, space: SearchSpace) -> Converted:
    """Read the scores and accuracies on one data set; ``seconds_NAME`` is the time that a proxy took."""
    path = only(files, "a space of NAS-Bench-Suite-Zero")
    loaded = read_json(path)
    named = loaded if isinstance(loaded, dict) else {}
    entries = next((by_name for name, by_name in named.items() if name.lower() == dataset), None)  # ImageNet16-120
    if not isinstance(entries, dict) or not entries:
        known = ", ".join(named) or "nothing by name"
        raise InputError(f"{path} must hold scores on {dataset}, it holds: {known[:200]}")
    rows: dict[str, dict[str, float]] = {}
    repeated = 0
    for text, entry in entries.items():
        architecture = _architecture(text, space, path)
        repeated += architecture in rows
        rows.setdefault(architecture, _row(entry, f"{path}, {text}"))
    target = Target(dataset, "validation", None, "as NASLib queries it")
    notes = [f"{repeated} entries repeat an architecture; the first of them is kept"] if repeated else []
    return Converted.of(rows, _USUAL, target, notes)


def _architecture(text: str, space: SearchSpace, path: Path) -> str:
    if len(text) > _LONGEST:
        raise InputError(f"{path}: an architecture must have at most {_LONGEST} characters, got {len(text)}")
    try:
        return space.parse(NOTATIONS[space.name](ast.literal_eval(text)))
    except (InputError, ValueError, TypeError, LookupError, SyntaxError, StopIteration, RecursionError) as error:
        raise InputError(f"{path}: {text[:80]!r} must be an architecture of {space.name}, but {error}") from error


def _row(entry: object, place: str) -> dict[str, float]:
    accuracy = number(entry.get(_USUAL)) if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or accuracy is None:
        raise InputError(f"{place}: must be an object with a number as {_USUAL}")
    row = {_USUAL: accuracy}
    for name, scored in entry.items():
        match scored:
            case {"score": score} if (value := number(score)) is not None:
                row[name] = value
                if (seconds := number(scored.get("time"))) is not None:
                    row[f"seconds_{name}"] = seconds
    return row
