"""ViT-Bench-101's ``gt_autoformer.pth``, ``gt_autoformer_2.pth`` and ``gt_pit.pth``: accuracies on small data sets."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.converted import Converted, averaged, parsed
from eznas.benchmarks.convert.pth import load_pth
from eznas.benchmarks.table import Target
from eznas.errors import InputError
from eznas.unpickle import number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from eznas.spaces import SearchSpace


_COLUMNS = {
    "cifar100": {"base": "c100_base_acc", "kd": "c100_kd_acc"},
    "flowers": {"base": "flower_base_acc", "kd": "flower_kd_acc"},
    "chaoyang": {"base": "chaoyang_base_acc", "kd": "chaoyang_kd_acc"},
    "imagenet": {"inherited": "imagenet_super_acc"},
}
"""For each data set, the columns and their names in the files; the first column is the usual accuracy."""

_SEEDS = {"base": "one training of each", "inherited": "weights inherited from the supernet"}


def read_vitbench(files: Sequence[Path], dataset: str, space: SearchSpace) -> Converted:
    """Read the accuracies on one data set: ``base`` of plain trainings, ``kd`` of trainings with distillation.

    On ImageNet the accuracy is ``inherited`` from a supernet. Several files may be given; the columns of an
    architecture with several entries are means.
    """
    columns = _COLUMNS[dataset]
    trainings: dict[str, list[dict[str, float]]] = defaultdict(list)
    for path in files:
        loaded = load_pth(path)
        if not isinstance(loaded, list) or not loaded:
            raise InputError(f"{path} must be a list of architectures and accuracies")
        for index, entry in enumerate(loaded):
            place = f"{path}, entry {index}"
            if not isinstance(entry, dict) or not isinstance(entry.get("arch"), dict):
                raise InputError(f"{place} must be an object with arch")
            architecture = parsed(space, json.dumps(entry["arch"]), place)
            found = {column: number(entry.get(name)) for column, name in columns.items()}
            trainings[architecture].append({column: value for column, value in found.items() if value is not None})
    rows, notes = averaged(trainings)
    usual = next(iter(columns))
    if not any(usual in row for row in rows.values()):
        raise InputError(f"the files must hold {columns[usual]} of some architecture, they hold none")
    split = "validation" if usual == "inherited" else "test"
    return Converted.of(rows, usual, Target(dataset, split, None, _SEEDS[usual]), notes)
