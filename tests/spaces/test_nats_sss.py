from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from eznas.errors import InputError
from eznas.spaces import SPACES
from eznas.spaces.nats_sss import to_widths

if TYPE_CHECKING:
    from collections.abc import Callable

SPACE = SPACES["nats_sss"]


def test_widths_of_a_string() -> None:
    assert to_widths(" 64:32:8:48:16\n") == (64, 32, 8, 48, 16)


@pytest.mark.parametrize("text", ["", "64:32:8:48", "64:32:8:48:16:8", "64:32:8:48:17", "64:32:8:48:08", "6432848"])
def test_parse_refuses_what_is_no_five_widths(text: str) -> None:
    with pytest.raises(InputError, match="five of 8, 16"):
        SPACE.parse(text)


def test_architectures_have_the_official_order(real: Callable[[str], Any]) -> None:
    listed = SPACE.architectures() or ()
    assert len(listed) == 32_768
    official = real("nats_sss")["channels"]
    assert list(listed) == [":".join(str(8 * int(digit)) for digit in digits) for digits in official]


def test_neighbours_are_one_width_away() -> None:
    mine = to_widths("64:32:8:48:16")
    neighbours = SPACE.neighbours("64:32:8:48:16")
    assert len(set(neighbours)) == 35
    for neighbour in neighbours:
        assert sum(a != b for a, b in zip(mine, to_widths(neighbour), strict=True)) == 1
