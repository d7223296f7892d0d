from __future__ import annotations

import math
import os
import pickle
import tracemalloc
from collections import OrderedDict
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eznas.errors import InputError
from eznas.unpickle import SCALARS, Record, number, unpickle

if TYPE_CHECKING:
    from pathlib import Path


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *args: object) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self.call


class Point:
    def __init__(self) -> None:
        self.x = 3


PLAIN = {"numbers": [1, 2.5, (3,)], "text": "ä", "bytes": b"\x00", "none": None, "flag": True}


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_needs_no_permission(protocol: int) -> None:
    value = {**PLAIN, "bytes": "b"} if protocol < 3 else PLAIN  # bytes name a codec there
    assert unpickle(pickle.dumps(value, protocol), {}, "file") == value


def test_an_allowed_class_becomes_a_record() -> None:
    record = unpickle(pickle.dumps(Point()), {(Point.__module__, "Point"): Record}, "file")
    assert isinstance(record, Record)
    assert vars(record) == {"x": 3}


def test_a_file_cannot_alter_the_class_for_the_next() -> None:
    names = {("m", "C"): Record}
    altered = b"\x80\x02cm\nC\n" + b"N}X\x01\x00\x00\x00xK\x05s\x86b."  # C, (None, {"x": 5}), BUILD
    made = unpickle(altered, names, "file")
    assert isinstance(made, type)
    assert made.x == 5  # type: ignore[attr-defined]
    assert not hasattr(Record, "x")
    assert not hasattr(unpickle(b"\x80\x02cm\nC\n)R.", names, "file"), "x")


@pytest.mark.parametrize(
    "code",
    [
        b"\x80\x02Nr\xff\xff\xff\x0f.",
        b"Np99999999\n.",
        b"\x80\x04\x95\xff\xff\xff\x7f\x00\x00\x00\x00N.",
        b"\x80\x05\x96\xff\xff\xff\xff\x00\x00\x00\x00.",
        b"\x80\x04\x8e\xff\xff\xff\xff\x00\x00\x00\x00.",
    ],
)
def test_a_few_bytes_get_no_gigabytes(code: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(InputError, match="must be a whole pickle, but reading it failed"):
        unpickle(code, {}, "file")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_command_is_refused_before_it_runs(tmp_path: Path, protocol: int) -> None:
    made = tmp_path / "made"
    data = pickle.dumps([1, Calls(os.system, f"touch {made}")], protocol)
    with pytest.raises(InputError, match=rf"data\.bin names {os.system.__module__}\.system, .* was not read"):
        unpickle(data, {}, "data.bin")
    assert not made.exists()


@pytest.mark.parametrize("value", [eval, getattr, OrderedDict(), Fraction(1, 2), Calls(__import__, "os")])
def test_nothing_else_is_let_through(value: object) -> None:
    with pytest.raises(InputError, match=r"names .* which such a file does not need"):
        unpickle(pickle.dumps(value), {("fractions", "gcd"): Record, ("other", "OrderedDict"): Record}, "file")


@pytest.mark.parametrize("code", [b"cos\nsystem\n.", b"(S'x'\nios\nsystem\n.", b"\x82\x01.", b"Pid\n."])
def test_old_and_odd_opcodes_are_refused(code: bytes) -> None:
    with pytest.raises(InputError):
        unpickle(code, {}, "file")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(3, 3.0), (-2.5, -2.5), (True, None), ("3", None), (10**400, None), (math.inf, None), (math.nan, None)],
)
def test_numbers_are_finite_or_none(value: object, expected: float | None) -> None:
    assert number(value) == expected


def test_numbers_of_numpy_are_finite_or_none() -> None:
    read = [number(unpickle(pickle.dumps(np.float64(value)), SCALARS, "file")) for value in (1.5, math.inf, math.nan)]
    assert read == [1.5, None, None]


def test_truncated_files_are_refused() -> None:
    data = pickle.dumps({**PLAIN, "many": list(range(100))})
    for length in range(len(data)):
        with pytest.raises(InputError, match=r"^file must be a whole pickle, but reading it failed"):
            unpickle(data[:length], {}, "file")


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 40), st.booleans(), st.booleans())
def test_arbitrary_bytes_raise_nothing_else(noise: bytes, place: int, head: bool, tail: bool) -> None:
    data = pickle.dumps({"a": [1, 2.5, (3,)], "ä": None, "flag": True})
    with suppress(InputError):
        unpickle(data[:place] * head + noise + data[place:] * tail, {}, "file")
