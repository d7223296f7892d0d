"""NATS-Bench: the ``simple`` directory (one file an architecture) or the whole archive, both ``.pickle.pbz2``."""

from __future__ import annotations

import bz2
from collections import OrderedDict
from typing import TYPE_CHECKING

from eznas.benchmarks.convert.converted import TrainedArchitectures
from eznas.benchmarks.convert.trainings import trainings_of
from eznas.errors import InputError
from eznas.unpickle import SCALARS, unpickle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from eznas.benchmarks.convert.converted import Converted
    from eznas.spaces import SearchSpace


_ENDING = ".pickle.pbz2"
_META = f"meta{_ENDING}"
_CHUNK = 1 << 20
_RATIO, _FLOOR = 200, 1 << 20
"""The largest ratio of unpacked to packed size, and a size that any file may unpack to; bombs exceed both."""
_ALLOWED = {**SCALARS, ("collections", "OrderedDict"): OrderedDict}


def read_nats(
    files: Sequence[Path], dataset: str, space: SearchSpace, epochs: int, *, every_epoch: bool = False
) -> Converted:
    """Read official files.

    ``files`` are ``simple`` directories, files from one, or the whole archive; the accuracy is that after ``epochs``.
    See ``trainings_of`` for the columns.
    """
    trained = TrainedArchitectures(space, dataset)
    for place, record in _records(files):
        if not isinstance(record, dict) or not record:
            raise InputError(f"{place} must hold a schedule of training for each number of epochs, it does not")
        trained.add(*trainings_of(record.values(), dataset, space, place, every_epoch=every_epoch), place)
    return trained.converted(f"test_{epochs}", "mean over the file's seeds", ", ".join(map(str, files)))


def _records(files: Sequence[Path]) -> Iterator[tuple[str, object]]:
    """Yield the record of each architecture, after its place for messages."""
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
