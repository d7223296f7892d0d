"""NAS-Bench-201's ``.pth`` files, v1.0 and v1.1, read by torch's unpickler for tensors and numbers only."""

from __future__ import annotations

import os
import pickle
import re
import struct
from typing import TYPE_CHECKING, Any

from eznas.benchmarks.convert.converted import TrainedArchitectures, only
from eznas.benchmarks.convert.trainings import trainings_of
from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from eznas.benchmarks.convert.converted import Converted
    from eznas.spaces import SearchSpace


_DAMAGED = (
    OSError, EOFError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError,
    ArithmeticError, MemoryError, struct.error, pickle.UnpicklingError,
)  # fmt: skip
"""Errors of torch on files that are cut or altered."""

_NAMED = re.compile(r"GLOBAL (\S*)")
_TAIL = 1000
"""More bytes than a name has."""


def load_pth(path: Path) -> object:
    """Return the containers, numbers and tensors in a ``.pth`` file.

    Raises:
        InputError: The file names anything else, which could run code, or is damaged.
    """
    import numpy as np
    import torch

    scalar = np.float64(0).__reduce__()[0]
    numbers: list[Any] = [np.dtype, *(type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4"))]
    numbers += [(scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
    try:
        with torch.serialization.safe_globals(numbers):
            return torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        what = _refused(error) if isinstance(error, pickle.UnpicklingError) else str(error) or type(error).__name__
        named = _NAMED.search(what)  # code is named before it runs; anything else is damage
        if isinstance(error, pickle.UnpicklingError) and named is not None and not _ends_in(path, named[1]):
            raise InputError(f"{path} was not read, since loading it could run foreign code: {what}") from error
        raise InputError(f"{path} must be a whole file that torch saved, but reading it failed: {what}") from error


def read_pth(files: Sequence[Path], dataset: str, space: SearchSpace, *, every_epoch: bool = False) -> Converted:
    """Read ``NAS-Bench-201-v1_0-e61699.pth`` or ``NAS-Bench-201-v1_1-096897.pth``.

    See ``trainings_of`` for the columns.
    """
    path = only(files, "NAS-Bench-201")
    loaded = load_pth(path)
    entries = loaded.get("arch2infos") if isinstance(loaded, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise InputError(f"{path} must hold arch2infos, the trainings of each architecture; it does not")
    trained = TrainedArchitectures(space, dataset)
    for index, entry in entries.items():
        place = f"{path}, architecture {index}"
        match entry:
            case {"less": less, "full": full}:
                trained.add(*trainings_of((less, full), dataset, space, place, every_epoch=every_epoch), place)
            case _:
                raise InputError(f"{place}: must have the schedules less and full")
    return trained.converted("test_200", "mean over the file's seeds", str(path))


def _ends_in(path: Path, name: str) -> bool:
    """Return whether a file was cut within a name, of which torch then drops the last letter."""
    with path.open("rb") as file:
        file.seek(-min(_TAIL, path.stat().st_size), os.SEEK_END)
        tail = file.read()
    return tail.replace(b"\n", b".")[:-1].rstrip(b".").endswith(name.rstrip(".").encode())


def _refused(error: pickle.UnpicklingError) -> str:
    """Return the line of torch's long message that names the refused object."""
    lines = [line.strip() for line in str(error).splitlines()]
    refused = next((line for line in lines if "GLOBAL" in line or "WeightsUnpickler" in line), lines[0])
    return "it is no pickle" if refused.endswith("WeightsUnpickler error:") else refused
