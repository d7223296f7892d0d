"""TensorFlow's record files and protocol buffers, as far as NAS-Bench-101 needs them, without TensorFlow.

A record is its length (8 bytes, little-endian), a checksum of these, the data, and a checksum of the data (4 bytes
each: CRC-32C, rotated by 15 bits, plus a constant). A message is a series of fields; each begins with a number that
holds the field's number and its wire type.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from eznas.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_POLYNOMIAL = 0x82F63B78
_MASK = 0xA282EAD8
_HEADER = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_LARGEST = 1 << 24
"""A record of NAS-Bench-101 has less than a thousand bytes."""


def _entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_TABLE = tuple(_entry(value) for value in range(256))


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def masked(crc: int) -> int:
    """Return a checksum as record files store it."""
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF


def records(path: Path) -> Iterator[bytes]:
    """Yield the records of a file, whose checksums are verified.

    Raises:
        InputError: It cannot be read, is cut off, or a checksum is wrong.
    """
    try:
        with path.open("rb") as file:
            start = 0
            while header := file.read(_HEADER.size):
                if len(header) < _HEADER.size:
                    raise _cut(path, start)
                size, checksum = _HEADER.unpack(header)
                if masked(crc32c(header[:8])) != checksum or size > _LARGEST:
                    raise InputError(f"{path} must be a TensorFlow record file, but at byte {start} there is no record")
                data = file.read(size + _CHECKSUM.size)
                if len(data) < size + _CHECKSUM.size:
                    raise _cut(path, start)
                if masked(crc32c(data[:size])) != _CHECKSUM.unpack(data[size:])[0]:
                    raise InputError(f"{path}: the record at byte {start} is damaged; get the file once more")
                yield data[:size]
                start = file.tell()
    except OSError as error:
        raise InputError(f"{path} must be a file that can be read: {error.strerror}") from error


def _cut(path: Path, start: int) -> InputError:
    return InputError(f"{path} must be a whole record file, but it ends within the record at byte {start}")


def fields(message: bytes) -> Iterator[tuple[int, int | float | bytes]]:
    """Yield number and value of each field of a message: a varint as int, 64 bits as double, a string as bytes.

    Raises:
        ValueError: It is no message.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        value: int | float | bytes
        match key & 7:
            case 0:
                value, place = _varint(message, place)
            case 1:
                (value,), place = struct.unpack("<d", message[place : place + 8].ljust(9, b"\0")[:8]), place + 8
            case 2:
                size, place = _varint(message, place)
                value, place = message[place : place + size], place + size
            case 5:
                (value,), place = struct.unpack("<f", message[place : place + 4].ljust(5, b"\0")[:4]), place + 4
            case wire:
                raise ValueError(f"there is no wire type {wire}")
        if place > len(message):
            raise ValueError("a field is longer than its message")
        yield key >> 3, value


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            break
        value |= (message[place] & 0x7F) << shift
        place += 1
        if not message[place - 1] & 0x80:
            return value, place
    raise ValueError("a number does not end")
