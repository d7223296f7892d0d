from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from contextlib import suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eznas.benchmarks.convert.unpickle import Record, unpickle
from eznas.errors import InputError

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
    assert type(record) is Record
    assert vars(record) == {"x": 3}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_command_is_refused_before_it_runs(tmp_path: Path, protocol: int) -> None:
    made = tmp_path / "made"
    data = pickle.dumps([1, Calls(os.system, f"touch {made}")], protocol)
    with pytest.raises(InputError, match=rf"data\.bin names {os.system.__module__}\.system, .* was not read"):
        unpickle(data, {}, "data.bin")
    assert not made.exists()


@pytest.mark.parametrize("value", [eval, getattr, OrderedDict(), Fraction(1, 2), Calls(__import__, "os")])
def test_nothing_else_is_let_through(value: object) -> None:
    with pytest.raises(InputError, match=r"names .* which such a file has no use for"):
        unpickle(pickle.dumps(value), {("fractions", "gcd"): Record, ("other", "OrderedDict"): Record}, "file")


@pytest.mark.parametrize("code", [b"cos\nsystem\n.", b"(S'x'\nios\nsystem\n.", b"\x82\x01.", b"Pid\n."])
def test_old_and_odd_opcodes_are_refused(code: bytes) -> None:
    with pytest.raises(InputError):
        unpickle(code, {}, "file")


def test_truncated_files_are_refused() -> None:
    data = pickle.dumps({**PLAIN, "many": list(range(100))})
    for length in range(len(data)):
        with pytest.raises(InputError, match=r"^file must be a whole pickle, but reading it failed"):
            unpickle(data[:length], {}, "file")


# "r" may ask for gigabytes, and "\x96" trips over a bug of some Pythons
calm = st.binary(max_size=60).filter(lambda noise: not set(b"r\x96") & set(noise))


@settings(max_examples=500, deadline=None)
@given(calm, st.integers(0, 40), st.booleans(), st.booleans())
def test_arbitrary_bytes_raise_nothing_else(noise: bytes, place: int, head: bool, tail: bool) -> None:
    data = pickle.dumps({"a": [1, 2.5, (3,)], "ä": None, "flag": True})
    with suppress(InputError):
        unpickle(data[:place] * head + noise + data[place:] * tail, {}, "file")
