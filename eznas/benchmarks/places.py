"""Where tables of benchmarks are looked for: a folder that is given, then the one that EZNAS_DATA names."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["VARIABLE", "find_table", "places"]

VARIABLE = "EZNAS_DATA"


def places(folder: Path | None = None) -> list[Path]:
    """Return the folders in which tables are looked for, in that order."""
    named = os.environ.get(VARIABLE)
    return [one for one in (folder, Path(named) if named else None) if one is not None]


def find_table(benchmark: str, dataset: str, folder: Path | None = None) -> Path | None:
    """Return the first ``BENCHMARK_DATASET.csv`` or ``.csv.gz`` in ``places``; None where there is none."""
    for place in places(folder):
        for ending in (".csv", ".csv.gz"):
            path = place / f"{benchmark}_{dataset}{ending}"
            if path.is_file():
                return path
    return None
