"""NAS-Bench-BERT's ``BERT_benchmark.json``: GLUE scores of encoders of the FlexiBERT space."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.contents import read_json
from eznas.benchmarks.convert.converted import Converted, averaged, only, parsed
from eznas.benchmarks.table import Target
from eznas.errors import InputError
from eznas.unpickle import number

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from eznas.spaces import SearchSpace


_USUAL = "glue"


def read_flexibert(files: Sequence[Path], dataset: str, space: SearchSpace) -> Converted:
    """Read the scores of each task and their mean ``glue``, and ``train_seconds``.

    The scores are those of development sets, in percent: Matthews' correlation for ``cola``, Spearman's for ``sts``,
    accuracies for the others. The columns of an architecture with several entries are means.
    """
    path = only(files, "NAS-Bench-BERT")
    loaded = read_json(path)
    if not isinstance(loaded, list) or not loaded:
        raise InputError(f"{path} must be a list of trainings")
    trainings: dict[str, list[dict[str, float]]] = defaultdict(list)
    for index, entry in enumerate(loaded):
        place = f"{path}, entry {index}"
        match entry:
            case {"scores": dict(scores), "hparams": {"model_hparam_overrides": dict(overrides)}}:
                row = {name: value for name, score in scores.items() if (value := number(score)) is not None}
            case _:
                raise InputError(f"{place} must be an object with scores, and model_hparam_overrides in hparams")
        if _USUAL not in row:
            raise InputError(f"{place} must have a number as {_USUAL} in scores")
        if (seconds := number(entry.get("time_to_train"))) is not None:
            row["train_seconds"] = seconds
        trainings[parsed(space, json.dumps(overrides), place)].append(row)
    rows, notes = averaged(trainings)
    return Converted.of(
        rows, _USUAL, Target(dataset, "validation", None, "trainings of 100,000 steps, mostly one of each"), notes
    )
