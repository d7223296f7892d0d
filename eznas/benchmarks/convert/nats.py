"""NATS-Bench: the ``simple`` directory (one file an architecture) or the whole archive, both ``.pickle.pbz2``.

References:
    [NATS] Dong, Liu, Musial, Gabrys. NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and
        Size. TPAMI 2021.
"""

from __future__ import annotations

import bz2
from collections import OrderedDict
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.converted import Converted, gather, parsed
from eznas.benchmarks.convert.trainings import training_columns
from eznas.benchmarks.table import column_target
from eznas.errors import InputError
from eznas.unpickle import SCALARS, unpickle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from eznas.spaces import SearchSpace

__all__ = ["read_nats"]

_ENDING = ".pickle.pbz2"
_META = f"meta{_ENDING}"
_CHUNK = 1 << 20
_RATIO, _FLOOR = 200, 1 << 20
"""How many times a file may be larger once it is unpacked, and what any may have: a bomb is stopped there."""
_ALLOWED = {**SCALARS, ("collections", "OrderedDict"): OrderedDict}


def read_nats(
    files: Sequence[Path], dataset: str, space: SearchSpace, epochs: int, *, every_epoch: bool = False
) -> Converted:
    """Read official files.

    Args:
        files: ``simple`` directories, files from one, or the whole archive.
        dataset: ``cifar10``, ``cifar100`` or ``imagenet16-120``.
        space: Parses the architectures.
        epochs: Those of the full schedule, whose test accuracy is the usual one.
        every_epoch: Whether learning curves are kept whole, and not at powers of two.

    Raises:
        InputError: A file is not what it should be.
    """
    rows: dict[str, dict[str, float]] = {}
    for source, record in _records(files):
        architecture, row = _row(record, dataset, space, source, every_epoch=every_epoch)
        if architecture in rows:
            raise InputError(f"{source} has {architecture}, which stands in another file already; give each once")
        rows[architecture] = row
    columns = gather(list(rows.values()))
    usual = f"test_{epochs}"
    target = column_target(usual, dataset, "mean over the file's seeds")
    if target is None or usual not in columns:
        raise InputError(f"the files must hold test accuracies on {dataset} after {epochs} epochs, they hold none")
    return Converted(tuple(rows), columns, usual, target)


def _records(files: Sequence[Path]) -> Iterator[tuple[str, object]]:
    """Yield the record of each architecture, with where it stands."""
    for file in files:
        singles = sorted(file.glob(f"*{_ENDING}")) if file.is_dir() else [file]
        if not singles:
            raise InputError(f"{file} must hold files that end in {_ENDING}, it holds none")
        for single in singles:
            if single.name == _META:
                continue
            loaded = unpickle(_unpack(single), _ALLOWED, str(single))
            whole = loaded.get("arch2infos") if isinstance(loaded, dict) else None
            if isinstance(whole, dict):
                yield from ((f"{single}, architecture {index}", record) for index, record in whole.items())
            else:
                yield str(single), loaded


def _unpack(file: Path) -> bytes:
    chunks, left = [], 0
    try:
        left = _FLOOR + _RATIO * file.stat().st_size
        with bz2.open(file) as packed:
            while left >= 0 and (chunk := packed.read(_CHUNK)):
                chunks.append(chunk)
                left -= len(chunk)
    except OSError as error:
        raise InputError(f"{file} must be a whole bzip2 file, but reading it failed: {error}") from error
    except EOFError as error:
        raise InputError(f"{file} must be a whole bzip2 file, but its end is missing") from error
    if left < 0:
        raise InputError(f"{file} must not unpack to more than {_RATIO} times its size, as no official file does")
    return b"".join(chunks)


def _row(
    record: object, dataset: str, space: SearchSpace, source: str, *, every_epoch: bool
) -> tuple[str, dict[str, float]]:
    if not isinstance(record, dict) or not record:
        raise InputError(f"{source} must hold a schedule of training for each number of epochs, it does not")
    row: dict[str, float] = {}
    named = set()
    for schedule, trained in record.items():
        match trained:
            case {"arch_str": str(text), "all_results": dict(results)}:
                named.add(parsed(space, text, source))
                row |= training_columns(results, dataset, every_epoch=every_epoch)
            case _:
                raise InputError(f"{source} must hold arch_str and all_results under {schedule!r}, it does not")
    if len(named) != 1:
        raise InputError(f"{source} must be of one architecture, it names {len(named)}")
    return named.pop(), row
