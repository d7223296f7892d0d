from __future__ import annotations

import ast
import re
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from eznas import primitives
from eznas.errors import InputError
from eznas.minibatch import Minibatch
from eznas.primitives import Kind, Primitive, Signature
from eznas.programs import Node, evaluate, parse
from eznas.programs.draw import boxes
from eznas.programs.export import to_dot, to_latex, to_python
from eznas.scoring import Proxy, score_network
from eznas.testing.strategies import programs

if TYPE_CHECKING:
    from pathlib import Path

PROGRAMS = {
    "eznas_a": "mean(frobenius_norm(sigmoid(logdet(sign(input_grad.data)))))",
    "labels": "add(sum(sum_abs(mul(weight, weight_grad.loss))), std(effective_rank(weight_grad.noise)))",
    "images": "sum(log1p(abs(frobenius_norm(mul(gram(image.data), gram(norm_out.perturbed))))))",
    "only_images": "sub(mean(std(image_grad.data)), count(sum(image.noise)))",
    "literals": "power(max(quantile(abs(conv_out.data), 0.9)), -0.5)",
    "units": "mean_abs_difference(normalize(cumulative_sum(lp_norm(conv_in_grad.perturbed, 3))))",
    "undefined": "log(neg(sum(sum_abs(weight))))",
}

NETWORK = '''
from torch import nn


class Toy(nn.Module):
    """Two shapes of units, a branch, and a linear layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.first, self.second, self.third = (
            nn.Sequential(nn.ReLU(), nn.Conv2d(4, out, 3, padding=1), nn.BatchNorm2d(out)) for out in (4, 4, 6)
        )
        self.head = nn.Linear(6, 5)

    def forward(self, x):
        x = self.stem(x)
        x = self.second(self.first(x)) + x
        return self.head(self.third(x).mean((2, 3)))
'''

# Runs in an interpreter where importing eznas or primitives fails.
RUNNER = """
import importlib, importlib.util, runpy, sys, torch

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("eznas", "primitives"):
            raise ImportError(f"{name} must not be imported")

sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
from toy import Toy

torch.set_num_threads(1)
network = Toy()
network.load_state_dict(torch.load(sys.argv[1] + "/state.pt", weights_only=True))
images, labels = torch.load(sys.argv[1] + "/minibatch.pt", weights_only=True)
before = torch.random.get_rng_state()
for name in sys.argv[2:]:
    proxy, path = importlib.import_module(name), f"{sys.argv[1]}/{name}.py"
    spec = importlib.util.spec_from_file_location("not_in_sys_modules", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    ways = proxy.score, module.score, runpy.run_path(path)["score"]
    [value] = {repr(score(network, (images, labels))) for score in ways}
    print(proxy.NAME, value)
    if not any(statistic.endswith("loss") for statistic in proxy.STATISTICS):
        print(proxy.NAME + "_of_images_alone", repr(proxy.score(network, images)))
assert torch.equal(before, torch.random.get_rng_state())
assert not {name for name in sys.modules if name.partition(".")[0] in ("eznas", "primitives")}
"""


def toy(folder: Path) -> tuple[nn.Module, Minibatch]:
    (folder / "toy.py").write_text(NETWORK)
    sys.path.insert(0, str(folder))
    try:
        from toy import Toy  # type: ignore[import-not-found]  # just written
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("toy", None)
    generator = torch.Generator().manual_seed(1)
    network: nn.Module = Toy()
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    images = torch.randn((6, 3, 8, 8), generator=generator)
    minibatch = Minibatch(images, torch.arange(6) % 5, 5, "random", seed=5)
    torch.save(network.state_dict(), folder / "state.pt")
    torch.save((minibatch.images, minibatch.labels), folder / "minibatch.pt")
    return network, minibatch


def test_an_exported_proxy_gives_the_engines_value_without_eznas(tmp_path: Path) -> None:
    network, minibatch = toy(tmp_path)
    nodes = [parse(text) for text in PROGRAMS.values()]
    for name, node in zip(PROGRAMS, nodes, strict=True):
        source = to_python(node, name=name, provenance={"tau": 0.7}, noise_seed=5)
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    expected = evaluate(nodes, network, minibatch)
    torch.set_num_threads(threads)
    command = [sys.executable, "-I", "-W", "error", "-c", RUNNER, str(tmp_path), *PROGRAMS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines()}
    for name, score in zip(PROGRAMS, expected, strict=True):
        assert found[name] == pytest.approx(score.value, rel=1e-9, nan_ok=True)
        if name != "labels":
            assert found[f"{name}_of_images_alone"] == pytest.approx(found[name], rel=0, nan_ok=True)
    assert [score.ok for score in expected] == [True] * 6 + [False]


@pytest.mark.parametrize(
    ("text", "of_eznas"),
    [
        ("measure.params", []),
        ("add(log(measure.params), sum(l1(weight)))", []),
        ("sub(log(measure.synflow), measure.params)", ["synflow"]),
        ("mul(add(measure.grad_norm, measure.synflow), std(l1(weight_grad.noise)))", ["grad_norm", "synflow"]),
    ],
)
def test_an_exported_proxy_takes_measures_from_eznas(text: str, of_eznas: list[str], tmp_path: Path) -> None:
    network, minibatch = toy(tmp_path)
    source = to_python(parse(text), name="composed", provenance={}, noise_seed=5)
    needs = "it needs torch, and eznas for " + ", ".join(of_eznas) if of_eznas else "it needs torch alone"
    assert f"; {needs}.\n" in source
    assert ("import eznas" in source) == bool(of_eznas)
    path = tmp_path / "composed.py"
    path.write_text(source)
    function = runpy.run_path(str(path))["score"]
    (expected,) = score_network([Proxy.of(text)], network, minibatch)
    assert function(network, (minibatch.images, minibatch.labels)) == pytest.approx(expected.value, rel=1e-9)
    if not of_eznas:
        assert function(network, minibatch.images) == pytest.approx(expected.value, rel=1e-9)


def test_an_exported_proxy_raises_where_a_measure_has_no_value(tmp_path: Path) -> None:
    path = tmp_path / "composed.py"
    path.write_text(to_python(parse("abs(measure.synflow)"), name="composed", provenance={}))
    function = runpy.run_path(str(path))["score"]
    with pytest.raises(ValueError, match="the score has no value, its status is"):
        function(nn.Flatten(), (torch.zeros(2, 3, 4, 4), torch.arange(2)))


@pytest.mark.parametrize("name", ["graf.n", "score.a"])
def test_only_statistics_and_measures_can_be_exported(name: str) -> None:
    with pytest.raises(InputError, match=rf"must read statistics and measures alone, this reads {re.escape(name)}"):
        to_python(parse(f"add({name}, measure.params)"), name="x", provenance={})


def constants(source: str) -> dict[str, object]:
    module = ast.parse(source)
    return {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in module.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id in ("NAME", "PROGRAM", "PROVENANCE", "STATISTICS", "NOISE_SEED")
    }


def test_the_file_says_where_it_comes_from() -> None:
    text = f"add({', '.join(['sum(sum(abs(sign(weight))))', 'neg(' * 40 + 'sum(sum(norm_out.noise))' + ')' * 40])})"
    provenance = {"run": "a \"b\" \\ 'c'\n", "tau": {"train": 0.5, "test": float("nan")}, "seeds": (1, 2), "ok": True}
    source = to_python(parse(text), name="rank-0.1", provenance=provenance, noise_seed=7)
    assert constants(source) == {
        "NAME": "rank-0.1",
        "PROGRAM": text,
        "PROVENANCE": {**provenance, "tau": {"train": 0.5, "test": None}, "seeds": [1, 2]},
        "STATISTICS": ("norm_out.noise", "weight"),
        "NOISE_SEED": 7,
    }
    assert "x2 = sign(x1)" in source
    assert "NOISE_SEED" not in to_python(parse("sum(sum(weight))"), name="a", provenance={})


def test_a_provenance_is_read_back_as_it_was() -> None:
    given = {"run": "\U0001f600 \u2028 \ud800 \x7f \\u0041 '\"", "tau": np.float64(0.1), "n": 3, "ok": True}
    source = to_python(parse("sum(sum(weight))"), name="a", provenance=given)
    assert constants(source)["PROVENANCE"] == {**given, "tau": 0.1}


def test_every_primitive_is_exported_in_a_file_that_compiles_and_imports_torch_alone() -> None:
    for record in primitives.all_primitives():
        source = to_python(smallest(record, record.signatures[0]), name=record.name, provenance={})
        compile(source, record.name, "exec")
        imported = re.findall(r"^(?:from|import) (\w+)", source, flags=re.MULTILINE)
        assert set(imported) - set(sys.stdlib_module_names) == {"torch"}


def smallest(record: Primitive, signature: Signature) -> Node:
    """The smallest program with the primitive in it."""
    leaves = {
        Kind.WEIGHT: "weight",
        Kind.INPUT: "input.data",
        Kind.OUTPUT: "norm_out.noise",
        Kind.IMAGE: "image.data",
        Kind.SAMPLES: "gram(norm_out.data)",
        Kind.UNIT: "sum(weight)",
        Kind.NETWORK: "max(sum(weight))",
    }
    literal = str(record.parameter.choices[0]) if record.parameter else ""
    text = f"{record.name}({', '.join([leaves.get(kind, literal) for kind in signature.args])})"
    wraps = {Kind.NETWORK: "{}", Kind.UNIT: "sum({})"}
    return parse(wraps.get(signature.result, "sum(sum({}))").format(text))


def test_exports_are_the_same_every_time_and_formatted() -> None:
    for name, text in PROGRAMS.items():
        source = to_python(parse(text), name=name, provenance={"run": "x"})
        assert source == to_python(parse(text), name=name, provenance={"run": "x"})
        assert source.endswith("\n")
        assert not source.endswith("\n\n")
        assert max(map(len, source.splitlines())) <= 120
        assert not [line for line in source.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize(
    ("node", "name", "provenance", "message"),
    [
        (parse("sum(weight)", Kind.UNIT), "a", {}, "one number for the network to be exported, this gives unit"),
        (parse("sum(sum(weight))"), 'a"b', {}, "must be made of letters, digits"),
        (parse("sum(sum(weight))"), "", {}, "must be made of letters, digits"),
        (parse("sum(sum(weight))"), "a", {"x": torch.zeros(1)}, "strings, numbers, lists and dictionaries, got Tensor"),
    ],
)
def test_what_cannot_be_written_is_refused(node: Node, name: str, provenance: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        to_python(node, name=name, provenance=provenance)


@settings(deadline=None, max_examples=25)
@given(programs(network_leaves=["measure.jacob_cov", "graf.n"]))
def test_latex_is_balanced(program: Node) -> None:
    formula = to_latex(program)
    assert formula.count("{") == formula.count("}")
    assert formula.count(r"\left") == formula.count(r"\right")


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("sum(sqrt(frobenius_norm(weight)))", r"\sum_u \sqrt{\lVert W \rVert_F}"),
        (
            "div(sum(l1(norm_out.noise)), max(mean(input_grad.data)))",
            r"\frac{\sum_u \operatorname{l1}({A^{\mathrm{noise}}})}{\max_u \overline{\nabla_{X}}}",
        ),
        ("mul(count(sum(weight)), count(sum(weight)))", r"\left(u\right) \left(u\right)"),
        (
            "max(add(sum(weight), sum(conv_out.perturbed)))",
            r"\max_u \left(\left(\sum W\right) + \left(\sum {\Delta Y}\right)\right)",
        ),
        (
            "power(max(std(conv_in_grad.loss)), 0.25)",
            r"\left(\max_u \operatorname{std}\left({\nabla_{Z}^{\mathrm{loss}}}\right)\right)^{0.25}",
        ),
        (
            "sum(logdet_jitter(gram(image.data), 0.000001))",
            r"\sum_u \log\lvert\det\left(\tfrac{1}{d} I I^{\top} + 10^{-6} I\right)\rvert",
        ),
    ],
)
def test_formulas(text: str, formula: str) -> None:
    assert to_latex(parse(text)) == formula


def test_dot_has_a_box_for_every_distinct_node() -> None:
    program = parse("sub(sum(power(max(abs(weight)), 3)), max(mean(abs(weight))))")
    text = to_dot(program)
    assert text.startswith("digraph program {\n")
    assert text.endswith("}\n")
    assert text.count("[label=") == len(boxes(program)) == 8
    assert text.count("->") == 8
    assert 'n3 [label="power 3", fillcolor="#d8eccb"];' in text
    assert re.search(r"n4 -> n7 \[headlabel=1\];\n  n6 -> n7 \[headlabel=2\];", text)


def test_shared_nodes_are_computed_once_in_the_file() -> None:
    source = to_python(parse("add(sum(sum(abs(weight))), max(max(abs(weight))))"), name="a", provenance={})
    assert source.count("= abs_(") == 1
