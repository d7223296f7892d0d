"""A primitive that is registered at run time, as a user's plugin does, reaches everything that reads the language."""

from __future__ import annotations

import importlib.util
import random
import runpy
import sys
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from eznas import primitives
from eznas.gp.grammar import options, random_reduction
from eznas.minibatch import Minibatch
from eznas.primitives import Kind, KindError, ProbeError
from eznas.programs import Node, ProgramError, cost, evaluate, is_constant, parse, simplify_exact, simplify_rank
from eznas.programs.export import to_dot, to_latex, to_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    Load = Callable[[float], ModuleType]

SOURCE = '''
import torch
from torch import Tensor

from eznas.primitives import NUMBER_KINDS, TENSOR_KINDS, Kind, keeping, primitive, reducing

FACTOR = {factor}


def absolute(x: Tensor) -> Tensor:
    return x.abs()


@primitive(
    *reducing(TENSOR_KINDS, Kind.UNIT),
    formula="greatest |x| times a factor",
    nonnegative="always",
    ignores=("abs", "neg"),
    price=0.5,
    draw_weight=50.0,
)
def peak(x: Tensor) -> Tensor:
    """``u x *s`` to ``u``: the greatest absolute value, scaled."""
    return FACTOR * absolute(x).amax(tuple(range(1, x.dim())))


@primitive(
    *keeping(NUMBER_KINDS),
    formula="asinh x",
    latex=r"\\operatorname{{{{asinh}}}} {{0}}",
    entrywise=True,
    increasing=True,
)
def asinh(x: Tensor) -> Tensor:
    """Return the inverse hyperbolic sine."""
    return torch.asinh(x)
'''


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Imports the file as a plugin loader does, in place of what it registered before."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # which could be that of an earlier version
    before = set(primitives.all_primitives())

    def own() -> list[primitives.Primitive]:
        return [record for record in primitives.all_primitives() if record not in before]

    def load(factor: float) -> ModuleType:
        primitives.unregister(own())
        path = tmp_path / "own_primitives.py"
        path.write_text(SOURCE.format(factor=factor))
        spec = importlib.util.spec_from_file_location("own_primitives", path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["own_primitives"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    yield load
    primitives.unregister(own())
    sys.modules.pop("own_primitives", None)


def network() -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
    for parameter in made.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return made


def minibatch() -> Minibatch:
    images = torch.randn((4, 3, 8, 8), generator=torch.Generator().manual_seed(2))
    return Minibatch(images, torch.arange(4) % 3, 3, "random", seed=5)


def drawn_names() -> set[str]:
    return {random_reduction(random.Random(seed), 2).name for seed in range(50)}


def test_a_registered_primitive_reaches_the_whole_machine(load: Load, tmp_path: Path) -> None:
    assert "peak" not in drawn_names()
    load(2.0)
    program = parse("asinh(max(peak(abs(weight))))")
    assert simplify_exact(program).text == "asinh(max(peak(weight)))"
    assert simplify_rank(program).text == "max(peak(weight))"
    assert simplify_exact(parse("sum(abs(peak(weight)))")).text == "sum(peak(weight))"
    assert cost(parse("max(peak(weight))")) == pytest.approx(1 + 0.2 * 0.5)
    assert is_constant(parse("max(peak(image.data))"))
    assert "peak" in drawn_names()
    assert "peak" in {option.primitive.name for option in options(Kind.UNIT)}
    assert to_latex(program) == r"\operatorname{asinh} \left(\max_u \operatorname{peak}(\lvert W \rvert)\right)"
    assert "peak" in to_dot(program)
    [score] = evaluate([program], network(), minibatch())
    (tmp_path / "proxy.py").write_text(to_python(program, name="own", provenance={}))
    exported = runpy.run_path(str(tmp_path / "proxy.py"))["score"](network(), minibatch().images)
    assert exported == pytest.approx(score.value, rel=1e-9)


def test_a_changed_file_takes_the_place_of_the_old_one(load: Load) -> None:
    load(1.0)
    old: Node = parse("max(peak(weight))")
    load(3.0)
    new = parse("max(peak(weight))")
    values = [evaluate([node], network(), minibatch())[0].value for node in (old, new)]
    assert values[1] == pytest.approx(3 * values[0])
    assert "FACTOR = 3.0" in to_python(new, name="own", provenance={})


def test_what_is_taken_back_is_gone_everywhere(load: Load) -> None:
    load(1.0)
    drawn_names()
    primitives.unregister([*primitives.overloads("peak"), *primitives.overloads("asinh")])
    with pytest.raises(ProgramError, match="unknown primitive 'peak'"):
        parse("max(peak(weight))")
    assert "peak" not in drawn_names()
    assert "peak" not in {record.name for record in primitives.all_primitives()}


def test_a_plugin_that_fails_halfway_can_be_taken_back(load: Load) -> None:
    before = list(primitives.all_primitives())
    with pytest.raises(ProbeError, match=r"peak\(weight\) -> unit in float32: is declared nonnegative"):
        load(-1.0)
    primitives.unregister([record for record in primitives.all_primitives() if record not in before])
    assert list(primitives.all_primitives()) == before
    load(1.0)
    with pytest.raises(KindError, match="registered already"):
        primitives.primitive(*primitives.keeping([Kind.UNIT]), name="asinh", formula="x")(torch.clone)
