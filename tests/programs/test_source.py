from __future__ import annotations

import sys
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING

import pytest

from eznas.errors import InputError
from eznas.programs.export.source import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST = '''
from __future__ import annotations

import math
from typing import TYPE_CHECKING

from second_module import _axes as axes
from second_module import CONSTANT, helper

if TYPE_CHECKING:
    from torch import Tensor


def primitive(function):
    return function


def _axes(x: Tensor) -> int:
    """Its own, of the same name."""
    return 2


def mean(x):
    return x


@primitive
def shadowing(x: Tensor) -> float:
    # A comment that stays.
    mean = x * math.pi  # a local name
    return mean + _axes(x) + axes(x) + helper(mean) + CONSTANT


def calling(x):
    return mean(x) + [mean for mean in (x,)][0]


def recursive(x):
    return recursive(x - 1) if x > 0 else mean(x)


class Holder:
    """Fields are not names of methods."""

    mean: int = 0

    def value(self, x):
        return mean(x)


def import_numpy(x):
    import numpy

    return numpy.abs(x)


def needs_numpy(x):
    return np.abs(x)


def whole_modules(x):
    return os.path.join(x) + xml.sax.saxutils.escape(x) + torch.nn.functional.relu(x)


def whole_package(x):
    return scipy.special.erf(x)


import os.path
import xml.sax.saxutils

import numpy as np
import scipy.special
import torch.nn.functional


def outer():
    def inner(x):
        return x

    return inner


nested = outer()
'''

SHADOWING = """\
def shadowing(x: Tensor) -> float:
    # A comment that stays.
    mean = x * math.pi  # a local name
    return mean + _axes_of_first_module(x) + _axes_of_second_module(x) + helper(mean) + CONSTANT"""

SECOND = """
CONSTANT = 5


def _axes(x):
    return 1


def helper(x):
    return _axes(x)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "first_module.py").write_text(FIRST)
    (tmp_path / "second_module.py").write_text(SECOND)
    monkeypatch.syspath_prepend(str(tmp_path))
    import first_module  # type: ignore[import-not-found]  # just written

    yield first_module
    for name in ("first_module", "second_module"):
        sys.modules.pop(name)


def collected(module: ModuleType, *names: str) -> Collector:
    collector = Collector({"reserved"})
    for name in names:
        collector.add(getattr(module, name))
    return collector


def everything(module: str) -> bool:
    return bool(module)


def test_what_is_needed_is_collected_in_order_and_told_apart(module: ModuleType) -> None:
    collector = collected(module, "shadowing")
    assert collector.text(everything).split("\n\n\n") == [
        'def _axes_of_first_module(x: Tensor) -> int:\n    """Its own, of the same name."""\n    return 2',
        "def _axes_of_second_module(x):\n    return 1",
        "def helper(x):\n    return _axes_of_second_module(x)",
        "CONSTANT = 5",
        SHADOWING,
    ]
    assert collector.imports() == ["", "import math", "", "from torch import Tensor"]


def test_modules_inside_packages_are_imported_by_their_whole_names(module: ModuleType) -> None:
    lines = ["", "import os.path", "import xml.sax.saxutils", "", "import torch.nn.functional"]
    assert collected(module, "whole_modules").imports() == lines


def test_scopes_are_those_of_python(module: ModuleType) -> None:
    assert "def mean" in collected(module, "calling").text(everything)
    assert "def mean" in collected(module, "Holder").text(everything)
    assert collected(module, "recursive").text(everything).count("def recursive") == 1


def test_definitions_are_chosen_by_module(module: ModuleType) -> None:
    text = collected(module, "shadowing").text(lambda name: name == "second_module")
    assert "helper" in text
    assert "shadowing" not in text


def test_what_cannot_stand_alone_is_refused(module: ModuleType) -> None:
    for name in ("needs_numpy", "whole_package", "import_numpy"):
        with pytest.raises(InputError, match=r"may import torch and the standard library to be exported"):
            collected(module, name)
    with pytest.raises(InputError, match=r"outer\.<locals>\.inner must be defined at the top of its module"):
        collected(module, "nested")


def test_a_module_without_source_is_refused() -> None:
    made = ModuleType("made_at_run_time")
    function = FunctionType(everything.__code__, {}, "function")
    function.__module__ = "made_at_run_time"
    sys.modules["made_at_run_time"] = made
    try:
        with pytest.raises(InputError, match="the source of made_at_run_time must be readable"):
            Collector(set()).add(function)
    finally:
        sys.modules.pop("made_at_run_time")
