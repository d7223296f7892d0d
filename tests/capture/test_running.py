from __future__ import annotations

import pytest

from eznas.capture.call import RecordError
from eznas.capture.state import running
from eznas.errors import UndefinedError


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (ValueError("too small\nand more"), "ValueError: too small"),
        (ValueError(), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
    ],
)
def test_a_failure_of_the_network_names_where_it_ran(raised: BaseException, said: str) -> None:
    with pytest.raises(RecordError) as found, running("on noise"):
        raise raised
    assert str(found.value) == f"the network must run on noise; it raises {said}"
    assert found.value.__cause__ is raised


@pytest.mark.parametrize(
    ("raised", "where"),
    [
        (UndefinedError("no value"), "on noise"),
        (RecordError("cannot"), "on noise"),
        (KeyboardInterrupt(), "on noise"),
        (ValueError("x"), ""),
    ],
)
def test_other_exceptions_stay_as_they_are(raised: BaseException, where: str) -> None:
    with pytest.raises(type(raised)) as found, running(where):
        raise raised
    assert found.value is raised
