"""Accel-NASBench's ``anb_dataset_jsons.tar.gz``: a JSON file for each training, also unpacked in a folder."""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.contents import parse_json, read_bytes
from eznas.benchmarks.convert.converted import Converted, averaged, only, parsed
from eznas.benchmarks.table import Target
from eznas.errors import InputError
from eznas.unpickle import number

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from eznas.spaces import SearchSpace


_USUAL = "val_top1"
_LARGEST = 1 << 20
"""More bytes than a training's file has."""


def read_accel(files: Sequence[Path], dataset: str, space: SearchSpace) -> Converted:
    """Read accuracies, seconds of training, ``params``, ``mmacs``, and throughput and latency on each device.

    The columns of an architecture that was trained several times are means over its trainings.
    """
    path = only(files, "Accel-NASBench")
    trainings: dict[str, list[dict[str, float]]] = defaultdict(list)
    for name, text in _members(path):
        place = f"{path}, {name}"
        read = parse_json(text, place)
        if not isinstance(read, dict) or not isinstance(read.get("architecture"), dict):
            raise InputError(f"{place} must be an object with an architecture")
        row = _row(read)
        if _USUAL not in row:
            raise InputError(f"{place} must have a number as {_USUAL} in metrics")
        trainings[parsed(space, json.dumps(read["architecture"]), place)].append(row)
    if not trainings:
        raise InputError(f"{path} must hold files named result_N.json, it holds none")
    rows, notes = averaged(trainings)
    mean = "mean over the trainings of an architecture, mostly one"
    return Converted.of(rows, _USUAL, Target(dataset, "validation", None, mean), notes)


_COLUMNS = (
    ("metrics", _USUAL, _USUAL),
    ("metrics", "val_top5", "val_top5"),
    ("metrics", "train_time", "train_seconds"),
    ("model_info", "macs", "mmacs"),
)
"""The part of a training's file, the name there, and the column."""


def _row(read: dict[str, object]) -> dict[str, float]:
    """Return the numbers of a training by column."""
    parts = {name: part for name, part in read.items() if isinstance(part, dict)}
    found = {column: number(parts.get(part, {}).get(name)) for part, name, column in _COLUMNS}
    millions = number(parts.get("model_info", {}).get("params"))
    found["params"] = None if millions is None else float(round(1e6 * millions))
    for name, measured in parts.get("platform_perf", {}).items():
        kind = name.partition("_")[0]
        found[name] = number(measured.get(f"{kind}_mean")) if isinstance(measured, dict) else None
    return {column: value for column, value in found.items() if value is not None}


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the contents of each training's file, by name."""
    if path.is_dir():
        for file in sorted(path.rglob("result_*.json")):
            yield file.name, read_bytes(file)
        return
    try:
        with tarfile.open(fileobj=io.BytesIO(read_bytes(path))) as archive:
            members = {member.name.rpartition("/")[2]: member for member in archive if member.isreg()}
            for name in sorted(name for name in members if name.startswith("result_") and name.endswith(".json")):
                member = archive.extractfile(members[name])
                if member is None or members[name].size > _LARGEST:
                    raise InputError(f"{path}, {name} must be a file of at most {_LARGEST} bytes")
                yield name, member.read()
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise InputError(f"{path} must be a whole tar archive, but reading it failed: {error}") from error
