from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from eznas import measure
from eznas.errors import InputError, UndefinedError
from eznas.measures import MEASURES, register_measure
from eznas.measures.registry import register_program
from eznas.minibatch import Minibatch, load_minibatch
from eznas.primitives import Kind
from eznas.programs import evaluate, leaf, parse
from eznas.scoring import Condition, Panel, Proxy, score_network, score_networks
from eznas.scoring.network_leaves import check_leaves, with_measures_read, written_out
from eznas.scoring.vector_store import VectorStore
from eznas.spaces import SPACES, Fidelity
from eznas.status import Score, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CALLS: list[str] = []


@pytest.fixture
def minibatch() -> Minibatch:
    return load_minibatch("digits", 4, pixels=8)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.ReLU(), nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))


@pytest.fixture(autouse=True)
def measures() -> Iterator[None]:
    before = dict(MEASURES)
    CALLS.clear()

    @register_measure(formula="7")
    def seven(network: nn.Module, minibatch: Minibatch) -> float:
        del network, minibatch
        CALLS.append("seven")
        return 7.0

    @register_measure(formula="none")
    def hole(network: nn.Module, minibatch: Minibatch) -> float:
        del network, minibatch
        raise UndefinedError("there is nothing to count")

    register_program("eight", "", "add(measure.seven, power(measure.seven, 0))")
    register_program("sixteen", "", "mul(measure.eight, power(abs(neg(measure.two)), 1))")
    register_program("two", "", "sub(measure.eight, sub(measure.seven, power(measure.seven, 0)))")
    yield
    MEASURES.restore({name: before.get(name) for name in list(MEASURES)})


def scored(text: str, network: nn.Module, minibatch: Minibatch) -> Score:
    return score_network([Proxy.of(text)], network, minibatch)[0]


def test_a_program_reads_measures_beside_statistics(network: nn.Module, minibatch: Minibatch) -> None:
    count = float(sum(parameter.numel() for parameter in network.parameters()))
    synflow = measure(network, minibatch, "synflow")["synflow"].value
    size = evaluate([parse("sum(l1(weight))")], network, minibatch)[0].value
    text = "add(measure.synflow, mul(measure.params, sum(l1(weight))))"
    assert scored(text, network, minibatch).value == synflow + count * size
    assert scored("measure.params", network, minibatch).value == count
    assert scored("log(measure.params)", network, minibatch).value == pytest.approx(math.log(count))


def test_a_measure_is_computed_once_for_every_program_and_proxy(network: nn.Module, minibatch: Minibatch) -> None:
    texts = ["seven", "measure.seven", "neg(measure.seven)", "add(measure.seven, measure.params)", "params"]
    values = [score.value for score in score_network([Proxy.of(text) for text in texts], network, minibatch)]
    count = values[-1]
    assert values == [7.0, 7.0, -7.0, 7.0 + count, count]
    assert CALLS == ["seven"]


def test_a_measure_that_is_a_program_is_a_leaf_too(network: nn.Module, minibatch: Minibatch) -> None:
    direct, read = score_network([Proxy.of("eznas_a"), Proxy.of("measure.eznas_a")], network, minibatch)
    assert direct.ok
    assert read == direct


def test_programs_over_programs_are_scored_in_the_order_of_reading(network: nn.Module, minibatch: Minibatch) -> None:
    scores = measure(network, minibatch, ["sixteen", "two"])
    assert {name: score.value for name, score in scores.items()} == {"sixteen": 16.0, "two": 2.0}
    assert CALLS == ["seven"]
    assert scored("add(measure.sixteen, measure.two)", network, minibatch).value == 18.0
    names = [record.name for record in with_measures_read([MEASURES["sixteen"]])]
    assert names == ["sixteen", "eight", "two", "seven"]


def test_measures_that_read_each_other_are_refused(network: nn.Module, minibatch: Minibatch) -> None:
    register_program("hen", "", "neg(measure.egg)")
    register_program("egg", "", "neg(measure.hen)")
    with pytest.raises(InputError, match="must not read each other in a circle, as egg, hen do"):
        measure(network, minibatch, "egg")
    with pytest.raises(InputError, match="must not read each other in a circle, as egg, hen do"):
        written_out(parse("abs(measure.egg)"))


def test_programs_of_measures_are_written_out() -> None:
    text = "mul(measure.eight, sum(l1(weight)))"
    assert written_out(parse(text)).text == text.replace("measure.eight", MEASURES["eight"].program)
    eight = MEASURES["eight"].program
    two = MEASURES["two"].program.replace("measure.eight", eight)
    sixteen = f"mul({eight}, power(abs(neg({two})), 1))"
    assert written_out(parse("log(measure.sixteen)")) is parse(f"log({sixteen})")
    assert written_out(parse("add(graf.n, measure.params)")) is parse("add(graf.n, measure.params)")


def test_the_status_of_a_leaf_is_that_of_the_program(network: nn.Module, minibatch: Minibatch) -> None:
    texts = [
        "add(measure.hole, sum(l1(weight)))",
        "power(measure.hole, 0)",
        "sum(l1(weight))",
        "log(neg(measure.seven))",
    ]
    first, second, third, fourth = score_network([Proxy.of(text) for text in texts], network, minibatch)
    assert first == second
    assert (first.status, first.detail) == (Status.NON_FINITE, "measure.hole: there is nothing to count")
    assert third.ok
    assert (fourth.status, fourth.detail) == (Status.NON_FINITE, "the value is nan")


class Scale(nn.Module):
    """Scales pixels; it has no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.ones(10))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1)[:, :10] * self.factors


def test_a_network_without_units_has_its_measures(minibatch: Minibatch) -> None:
    network = Scale()
    assert scored("measure.params", network, minibatch).value == 10.0
    assert scored("add(measure.params, sum(l1(weight)))", network, minibatch).status is Status.NO_UNITS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abs(measure.synflw)", "unknown measure 'synflw'; did you mean 'synflow'?"),
        ("score.synflow", "but score.synflow is a column of a score file"),
    ],
)
def test_leaves_that_have_no_value_on_any_network_are_refused(
    text: str, message: str, network: nn.Module, minibatch: Minibatch
) -> None:
    with pytest.raises(InputError) as caught:
        scored(text, network, minibatch)
    assert message in str(caught.value)


def test_a_feature_needs_an_architecture(network: nn.Module, minibatch: Minibatch) -> None:
    score = scored("abs(graf.n)", network, minibatch)
    assert score.status is Status.EXCEPTION
    assert score.detail.startswith("graf.n: a feature is computed from an architecture of a search space")
    program = [Proxy.of("add(graf.n, measure.seven)")]
    assert score_network(program, network, minibatch, features={"n": 3.0})[0].value == 10.0
    with pytest.raises(InputError, match=r"graf\.n must be a feature of the search space, which has no features"):
        check_leaves([leaf("graf.n")], {})
    with pytest.raises(InputError, match=r"unknown feature of the search space 'nn'; did you mean 'n'"):
        check_leaves([leaf("graf.nn")], ["n", "m"])


def test_evaluate_names_the_scores_that_it_must_be_given(network: nn.Module, minibatch: Minibatch) -> None:
    program = parse("add(measure.synflow, sum(l1(weight)))")
    with pytest.raises(InputError, match=r"leaves must hold the score of measure\.synflow on the network"):
        evaluate([program], network, minibatch)
    plain = evaluate([parse("sum(l1(weight))")], network, minibatch)[0].value
    given = {leaf("measure.synflow"): Score(2.5)}
    assert evaluate([program], network, minibatch, leaves=given)[0].value == 2.5 + plain


def test_networks_of_a_space_are_scored_with_measures() -> None:
    fidelity = Fidelity("tiny", cells=1, channels=4, pixels=8, batch=4)
    condition = Condition.of("nasbench201", fidelity, 0, load_minibatch("digits", 4, pixels=8))
    architectures = list(SPACES["nasbench201"].architectures() or [])[:1500:500]
    proxies = [Proxy.of("params"), Proxy.of("sqrt(measure.params)")]
    counts, roots = score_networks(proxies, condition, architectures).values()
    assert roots == pytest.approx(counts**0.5)
    with pytest.raises(InputError, match="unknown measure 'parms'"):
        score_networks([Proxy.of("measure.parms")], condition, architectures)


def test_a_panel_knows_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fidelity = Fidelity("tiny", cells=1, channels=4, pixels=8, batch=4)
    condition = Condition.of("nasbench201", fidelity, 0, load_minibatch("digits", 4, pixels=8))
    architectures = list(SPACES["nasbench201"].architectures() or [])[:1500:500]
    names = ["measure.params", "measure.seven", "measure.hole", "measure.eznas_a"]
    first, second, third = (Panel(condition, architectures, VectorStore(tmp_path / "vectors")) for _ in range(3))
    flags = first.extend_leaves(names)
    assert flags == [True, True, False, True]
    assert CALLS == ["seven"] * 3
    assert first.leaf_failures == {"measure.hole": dict.fromkeys(architectures, "there is nothing to count")}
    program = parse("add(measure.params, sum(l1(weight)))")
    first.extend([parse("l1(weight)", Kind.UNIT)])
    expected = score_networks([Proxy.of(program.text), Proxy.of("eznas_a")], condition, architectures).values()
    assert first.table.scores([program, leaf("measure.eznas_a")]) == pytest.approx(expected)

    second.extend_leaves(["measure.seven", "measure.params"])  # from the store
    second.extend_leaves(["measure.seven"])
    assert CALLS == ["seven"] * 3
    assert (second.table.scores([leaf("measure.params")]) == first.table.scores([leaf("measure.params")])).all()
    monkeypatch.setattr("eznas.scoring.evaluate_leaves.installation", lambda: "other code")
    third.extend_leaves(["measure.seven"])  # the store has values of other code
    assert CALLS == ["seven"] * 6


def test_a_panel_leaves_out_a_network_that_cannot_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    fidelity = Fidelity("tiny", cells=1, channels=4, pixels=8, batch=4)
    condition = Condition.of("nasbench201", fidelity, 0, load_minibatch("digits", 4, pixels=8))
    architectures = list(SPACES["nasbench201"].architectures() or [])[:3]
    built = Condition.network

    def fails(self: Condition, architecture: str) -> nn.Module:
        if architecture == architectures[1]:
            raise RuntimeError("no memory")
        return built(self, architecture)

    monkeypatch.setattr(Condition, "network", fails)
    panel = Panel(condition, architectures)
    assert panel.extend_leaves(["measure.params"]) == [True]
    assert panel.usable.tolist() == [True, False, True]
    assert panel.left_out == {architectures[1]: f"it failed: building {architectures[1]} failed: no memory"}
    assert np.isnan(panel.table.scores([leaf("measure.params")])[0]).tolist() == [False, True, False]


def test_features_are_scored_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    space = SPACES["nasbench201"]
    fidelity = Fidelity("tiny", cells=1, channels=4, pixels=8, batch=4)
    condition = Condition.of("nasbench201", fidelity, 0, load_minibatch("digits", 4, pixels=8))
    architectures = list(space.architectures() or [])[:1500:500]
    counts = [space.features(architecture)["count_conv_3x3"] for architecture in architectures]
    matrix = score_networks([Proxy.of("add(graf.count_conv_3x3, measure.seven)")], condition, architectures)
    assert matrix.values()[0].tolist() == [count + 7.0 for count in counts]
    with pytest.raises(InputError, match="unknown feature of the search space 'count_conv_3x'; did you mean"):
        score_networks([Proxy.of("graf.count_conv_3x")], condition, architectures)

    register_program("convolutions", "", "abs(graf.count_conv_3x3)")
    assert score_networks([Proxy.of("convolutions")], condition, architectures).values()[0].tolist() == counts
    composed = Panel(condition, architectures)
    composed.extend_leaves(["measure.convolutions"])
    assert composed.table.scores([leaf("measure.convolutions")])[0].tolist() == counts

    def built(self: Condition, architecture: str) -> nn.Module:
        raise AssertionError("no network must be built")

    monkeypatch.setattr(Condition, "network", built)
    panel = Panel(condition, architectures)
    assert panel.extend_leaves(["graf.count_conv_3x3"]) == [True]
    assert panel.table.scores([parse("neg(graf.count_conv_3x3)")])[0].tolist() == [-count for count in counts]
    with pytest.raises(InputError, match=r"score\.a is a column of a score file"):
        panel.extend_leaves(["score.a"])
