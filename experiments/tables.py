"""Write CSV tables from the column files of NAS-Bench-201 that lie beside a checkout, where they do.

    python experiments/tables.py ../shared/data/nasbench201.json.gz tables/

The column file is gzipped JSON: an object of parallel lists, with cells as six digits for the edges 0>1, 0>2, 0>3, 1>2,
1>3, 2>3. One CSV a data set is written, with the validation and test accuracy after 200 epochs and after 12, the
seconds of 12 epochs, the benchmark's own parameter count, and latencies where there are any; choose the accuracy with
``--target``.
"""

from __future__ import annotations

import csv
import gzip
import json
import sys
from pathlib import Path

_EDGES = {"0>1": 0, "0>2": 1, "0>3": 2, "1>2": 3, "1>3": 4, "2>3": 5}
_COLUMNS = ("valid200", "test200", "valid12", "test12", "valid12_seconds", "params", "mflops")


def official(cell: str, operations: list[str]) -> str:
    """Turn six digits into the benchmark's string."""
    nodes = (("0>1",), ("0>2", "1>2"), ("0>3", "1>3", "2>3"))
    return "+".join(
        "|" + "".join(f"{operations[int(cell[_EDGES[edge]])]}~{edge[0]}|" for edge in edges) for edges in nodes
    )


def main(source: Path, folder: Path) -> None:
    """Write ``nasbench201_DATASET.csv`` for each data set of the column file."""
    with gzip.open(source, "rt", encoding="utf-8") as file:
        columns = json.load(file)
    folder.mkdir(parents=True, exist_ok=True)
    architectures = [official(cell, columns["ops"]) for cell in columns["cell"]]
    for dataset in ("cifar10", "cifar100", "ImageNet16-120"):
        if dataset not in columns:
            continue
        path = folder / f"nasbench201_{dataset}.csv"
        figures = {**columns[dataset], **columns.get(f"hw_{dataset}", {})}
        kept = [name for name in figures if name in _COLUMNS or name.endswith("_latency")]
        with path.open("w", newline="", encoding="utf-8") as out:
            out.write(f"# dataset: {dataset.lower()}\n")
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(["architecture", "accuracy", *kept])
            rows = zip(
                architectures,
                columns[dataset]["valid200"],
                *(figures[name] for name in kept),
                strict=True,
            )
            writer.writerows(rows)
        sys.stdout.write(f"{path}: {len(architectures)} architectures; accuracy = valid200\n")


if __name__ == "__main__":
    if len(sys.argv) != 3 or not Path(sys.argv[1]).is_file():  # noqa: PLR2004 - two arguments
        sys.exit(f"usage: {sys.argv[0]} COLUMNS.json.gz FOLDER; the file must exist")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
