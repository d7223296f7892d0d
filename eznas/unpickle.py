"""Unpickling by an allow-list: a pickle that names anything else is refused before it runs."""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
import struct
from typing import TYPE_CHECKING

from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


_SIZED = frozenset(("PUT", "BINPUT", "LONG_BINPUT", "FRAME"))
_HARMLESS = re.compile(rb"(?:[()}btu\x81\x94]|[Kh].|j.{4}|G.{8}){1,1000}", re.DOTALL)
"""A run of the commonest opcodes, which allocate nothing; a large file has millions."""


class Record:
    """Replaces a foreign class that only holds attributes, which unpickling sets."""


class Stated:
    """Replaces numpy's arrays, numbers and types, and keeps their description in the pickle.

    The real classes trust a pickle: a damaged one can break numpy for the whole process.
    """

    state: object = None

    def __init__(self, *args: object) -> None:
        self.args = args

    def __setstate__(self, state: object) -> None:
        self.state = state


class Latin(bytes):
    """Replaces the codec with which Python 3 writes bytes that Python 2 can read."""

    def __new__(cls, text: str, encoding: str) -> Latin:  # noqa: PYI034 - Self needs Python 3.11
        """Return the bytes of the characters."""
        del encoding
        return super().__new__(cls, text.encode("latin-1"))


SCALARS: Mapping[tuple[str, str], type] = {
    ("_codecs", "encode"): Latin,
    ("numpy.core.multiarray", "scalar"): Stated,
    ("numpy._core.multiarray", "scalar"): Stated,
    ("numpy", "dtype"): Stated,
}
"""The names in a pickle with numpy's numbers, which ``number`` reads."""

ARRAYS: Mapping[tuple[str, str], type] = {
    **SCALARS,
    ("numpy.core.multiarray", "_reconstruct"): Stated,
    ("numpy._core.multiarray", "_reconstruct"): Stated,
    ("numpy", "ndarray"): Stated,
    ("numpy.core.numeric", "_frombuffer"): Stated,
    ("numpy._core.numeric", "_frombuffer"): Stated,
}
"""The names in a pickle with numpy's arrays too; ``integers`` reads small ones."""

_FORMATS = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i", "u1": "<B", "i1": "<b", "i2": "<h", "b1": "<?"}
_WHOLE = ("i8", "i4", "i2", "i1", "u1", "b1")
_LARGEST = 1e100
"""No figure of a benchmark is larger, and sums of larger ones could overflow."""


def number(value: object) -> float | None:
    """Return a finite number of a file, also one of numpy's; None for anything else."""
    match value:
        case bool():
            return None
        case int() | float():
            return float(value) if abs(value) <= _LARGEST else None  # false for NaN
        case Stated(args=(Stated(args=(str(kind), *_)), bytes(data))) if kind in _FORMATS:
            try:
                return number(struct.unpack(_FORMATS[kind], data)[0])
            except struct.error:
                return None
    return None


def numbers(listed: object) -> list[float] | None:
    """Return a list's finite numbers; None where it is no list or holds anything else."""
    values = [number(value) for value in listed] if isinstance(listed, list) else [None]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def integers(value: object) -> list[int] | None:
    """Return the entries of an array of whole numbers, row by row; None for anything else."""
    match value:
        case Stated(state=(_, tuple(shape), Stated(args=(str(kind), *_)), False, bytes(data))) if kind in _WHOLE:
            return _entries(shape, kind, data)
        case Stated(args=(bytes() | bytearray() as data, Stated(args=(str(kind), *_)), tuple(shape), "C")) if (
            kind in _WHOLE
        ):
            return _entries(shape, kind, bytes(data))
    return None


def _entries(shape: tuple[object, ...], kind: str, data: bytes) -> list[int] | None:
    sizes = [size for size in shape if isinstance(size, int) and size >= 0]
    entry = struct.Struct(_FORMATS[kind])
    if len(sizes) < len(shape) or len(data) != math.prod(sizes) * entry.size:
        return None
    return [int(value) for (value,) in entry.iter_unpack(data)]


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, allowed: Mapping[tuple[str, str], type], source: str, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        # a pickle may set attributes of the classes that it names, so each load has its own
        self.allowed = {place: type(kind.__name__, (kind,), {}) for place, kind in allowed.items()}
        self.source = source

    def find_class(self, module: str, name: str) -> type:
        """Return the replacement of a global name; nothing is imported."""
        try:
            return self.allowed[module, name]
        except KeyError:
            raise InputError(
                f"{self.source} names {module}.{name}, which such a file does not need; it was not read, "
                "since loading it could run foreign code"
            ) from None


_DAMAGED = (
    pickle.UnpicklingError, EOFError, ValueError, TypeError, LookupError, AttributeError, ImportError, OverflowError,
    MemoryError, RecursionError,
)  # fmt: skip
"""Errors of ``pickle.Unpickler`` on bytes that no pickler wrote."""


def unpickle(data: bytes, allowed: Mapping[tuple[str, str], type], source: str, encoding: str = "ASCII") -> object:
    """Return the object in a pickle that only uses allowed names.

    Args:
        data: The pickle.
        allowed: For each (module, name) that it may use, a class that is harmless with any arguments; a subclass made
            for this load replaces the name.
        source: The file, for messages.
        encoding: Encoding of Python 2 strings; ``"bytes"`` leaves them unchanged.

    Raises:
        InputError: The pickle uses another name, or is damaged.
    """
    try:
        _check_sizes(data)
        return _Unpickler(io.BytesIO(data), allowed, source, encoding).load()
    except _DAMAGED as error:
        raise InputError(f"{source} must be a whole pickle, but reading it failed: {error}") from error


def _check_sizes(data: bytes) -> None:
    """Check that a short pickle does not ask for much memory.

    Raises:
        ValueError: A length, or a place in the memo, exceeds the length of the pickle.
    """
    file = io.BytesIO(data)
    for opcode, value, _ in pickletools.genops(file):  # refuses arguments that are longer than the data
        if opcode.name in _SIZED and isinstance(value, int) and value > len(data):
            raise ValueError(f"{opcode.name} asks for {value} in {len(data)} bytes")
        while run := _HARMLESS.match(data, file.tell()):
            file.seek(run.end())
