"""Converting official files: they are checked against published facts; table and manifest are written atomically."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from eznas.benchmarks.csv import write_table
from eznas.errors import InputError
from eznas.files import replace_file
from eznas.run import versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from eznas.benchmarks.catalog import BenchmarkInfo
    from eznas.benchmarks.convert.converted import Converted


_CHUNK = 1 << 20
ROUNDING = 0.00501
"""Best values are published with two decimals."""


def manifest_path(table: Path) -> Path:
    """Return the path of a table's manifest."""
    return table.with_name(f"{table.name}.manifest.json")


def convert(
    info: BenchmarkInfo,
    files: Sequence[Path],
    dataset: str,
    out: Path,
    *,
    partial: bool = False,
    every_epoch: bool = False,
    force: bool = False,
) -> dict[str, Any]:
    """Convert official files to a table, and return the content of its manifest.

    Args:
        info: The benchmark.
        files: The files.
        dataset: One of the benchmark's data sets, in any case.
        out: The table to write; its manifest is written beside it.
        partial: Whether the files may hold a part of the benchmark; best values are then not compared.
        every_epoch: Whether to keep all epochs of learning curves, and not only powers of two.
        force: Whether to replace an existing table.

    Raises:
        InputError: The table cannot be written, a file is faulty, or its contents differ from published facts.
    """
    if info.convert is None:
        raise InputError(f"{info.name} has no converter; write its accuracies into a CSV table")
    dataset = info.dataset(dataset)
    _check_output(out, force=force)
    try:
        for file in files:
            if not file.exists():
                raise InputError(f"{file} must exist; {info.name} is offered at {info.home}")
        digests = [_digest(file) for file in files]
    except OSError as error:
        raise InputError(f"{error.filename} must be a file that can be read: {error.strerror}") from error
    for file, digest in zip(files, digests, strict=True):
        _check_digest(info, file, digest)
    converted = info.convert(files, dataset, every_epoch=every_epoch)
    checks = check_contents(info, dataset, converted, partial=partial)
    joint = hashlib.sha256("".join(digest["sha256"] for digest in digests).encode()).hexdigest()
    table = converted.table(info.name, info.space, ", ".join(file.name for file in files), joint)
    if len(table) < len(converted.architectures):
        missing = len(converted.architectures) - len(table)
        checks.append(f"{missing} architectures have no {converted.usual} and were left out")
    manifest = {
        "benchmark": info.name,
        "space": info.space,
        "dataset": dataset,
        "accuracy": f"{table.target} (column {converted.usual})",
        "architectures": len(table),
        "complete": not partial,
        "columns": list(table.columns),
        "checks": checks,
        "notes": list(converted.notes),
        "files": digests,
        "citation": info.citation,
        "licence": info.licence,
        "versions": versions(),
    }
    write_table(table, out)
    manifest["table_sha256"] = hashlib.sha256(out.read_bytes()).hexdigest()
    replace_file(manifest_path(out), (json.dumps(manifest, indent=2) + "\n").encode())
    return manifest


def check_contents(info: BenchmarkInfo, dataset: str, converted: Converted, *, partial: bool = False) -> list[str]:
    """Compare contents with published facts, and return the facts that hold, in sentences.

    Raises:
        InputError: A fact does not hold.
    """
    count = len(converted.architectures)
    if partial or not info.architectures:
        return [f"{count} architectures, of {info.architectures or 'an unknown number'}; best values not compared"]
    if count != info.architectures:
        raise InputError(
            f"{info.name} must have {info.architectures} architectures, the files hold {count}; "
            "give all of them, or set partial for a part",
            parameters=("partial",),
        )
    checks = [f"{count} architectures, as published"]
    for column, best in info.best.get(dataset, {}).items():
        if column not in converted.columns:
            raise InputError(f"the files must hold {column} on {dataset}, whose published best is {best}; they do not")
        highest = np.fmax.reduce(converted.columns[column])  # ignores missing values
        if not abs(highest - best) < ROUNDING:
            raise InputError(f"the best {column} of {info.name} on {dataset} must be {best}, got {highest:.4f}")
        checks.append(f"best {column} is {best}, as published")
    return checks


def _check_output(out: Path, *, force: bool) -> None:
    """Refuse a table that cannot or should not be written, before reading the files."""
    try:
        if not out.parent.is_dir():
            raise InputError(f"{out.parent} must be a folder that exists, to write {out.name} there")
        if out.is_dir():
            raise InputError(f"{out} must be a file to write, but it is a folder; give {out / 'TABLE.csv'}")
        if out.exists() and not force:
            message = f"{out} must not exist yet; give another out, or set force to replace it"
            raise InputError(message, parameters=("out", "force"))
        trial = out.with_name(f"{out.name}.part")
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise InputError(f"{out} must be a file that can be written: {error.strerror}") from error


def _digest(file: Path) -> dict[str, Any]:
    """Return name, size and SHA-256 of a file, or of the files in a directory together."""
    digest, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    for part in sorted(file.rglob("*")) if file.is_dir() else [file]:
        if part.is_dir():
            continue
        with part.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                md5.update(chunk)
                size += len(chunk)
    return {"name": file.name, "bytes": size, "sha256": digest.hexdigest(), "md5": md5.hexdigest()}


def _check_digest(info: BenchmarkInfo, file: Path, digests: dict[str, Any]) -> None:
    """Compare a file of an official name with the digest that its authors state, unless that is cut short."""
    for official in info.files:
        kind, _, digest = official.digest.partition(":")
        whole = kind and len(digest) == len(digests[kind])
        if whole and official.name == file.name and digest != digests[kind]:
            raise InputError(f"{file} must have the {kind} digest {digest}, got {digests[kind]}; download it again")
