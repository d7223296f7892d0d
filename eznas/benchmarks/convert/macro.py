"""NAS-Bench-Macro's ``nas-bench-macro_cifar10.json``: for each architecture three test accuracies and the costs."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.contents import read_json
from eznas.benchmarks.convert.converted import Converted, only, parsed
from eznas.benchmarks.table import Target
from eznas.errors import InputError
from eznas.unpickle import number, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from eznas.spaces import SearchSpace


_EPOCHS = 50
_USUAL = f"test_{_EPOCHS}"


def read_macro(files: Sequence[Path], dataset: str, space: SearchSpace) -> Converted:
    """Read the mean test accuracy, the accuracies of the single trainings, ``params`` and ``flops``.

    The authors' training script keeps the best test accuracy of a training's 50 epochs, not the last one.
    """
    path = only(files, "NAS-Bench-Macro")
    loaded = read_json(path)
    if not isinstance(loaded, dict) or not loaded:
        raise InputError(f"{path} must be an object by architecture")
    rows: dict[str, dict[str, float]] = {}
    for text, entry in loaded.items():
        accuracies = numbers(entry.get("test_acc")) if isinstance(entry, dict) else None
        if not accuracies:
            raise InputError(f"{path}, {text}: must have a list of accuracies as test_acc")
        row = {_USUAL: statistics.fmean(accuracies)}
        row |= {f"{_USUAL}_seed{seed}": value for seed, value in enumerate(accuracies)}
        row |= {name: value for name in ("params", "flops") if (value := number(entry.get(name))) is not None}
        rows[parsed(space, text, str(path))] = row
    target = Target(dataset, "test", _EPOCHS, "mean of three trainings, each the best of its epochs")
    return Converted.of(rows, _USUAL, target)
