from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from eznas.capture import Capture, NoUnitsError, ShapeGroup, capture
from eznas.errors import InputError
from eznas.measures import MEASURES, Measure, eznas_programs, measure_from_passes, register_measure
from eznas.measures.eznas_programs import eznas_nasnet
from eznas.measures.registry import register_program
from eznas.minibatch import Minibatch
from eznas.networks import initialise
from eznas.networks.nasbench201 import CellNetwork
from eznas.programs import evaluate, parse
from eznas.scoring import Proxy, score_network
from eznas.spaces import SPACES, Fidelity

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = Minibatch(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(2)), torch.arange(4), 10, "test")
PROGRAMS = ["eznas_a", "eznas_a_paper", "eznas_a_weight_grad", "eznas_pnas", "eznas_top", "evolved_nb201"]


@pytest.fixture
def network() -> nn.Module:
    network = CellNetwork(["nor_conv_3x3", "nor_conv_1x1", "skip_connect"] * 2, cells=1, channels=4, classes=10)
    initialise(network, 0)
    return network


def test_the_built_in_measures() -> None:
    assert set(MEASURES) >= {*PROGRAMS, "eznas_nasnet", "flops", "naswot", "params"}
    for record in MEASURES.values():
        assert bool(record.program) != bool(record.function)
        assert record.formula
        assert record.needs <= {"forward", "backward", "labels", "noise", "second order", "samples", "batches"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_score_and_need_what_they_say(name: str, network: nn.Module) -> None:
    record = MEASURES[name]
    (score,) = evaluate([parse(record.program)], network, BATCH)
    assert score.ok, score
    assert ("backward" in record.needs) == ("_grad" in record.program)
    assert ("noise" in record.needs) == ("noise" in record.program or "perturbed" in record.program)


def test_the_program_of_the_campaign_reads_measures_and_statistics(network: nn.Module) -> None:
    record = MEASURES["evolved_general"]
    (score,) = score_network([Proxy.of(record.name)], network, BATCH)
    assert score.ok, score
    assert {"forward", "backward", "labels", "noise"} <= record.needs


@pytest.mark.parametrize(
    ("name", "statistic"),
    [
        ("eznas_a", "input_grad.data"),
        ("eznas_a_paper", "weight_grad.noise"),
        ("eznas_a_weight_grad", "weight_grad.data"),
    ],
)
def test_eznas_a_unit_by_unit(name: str, statistic: str, network: nn.Module) -> None:
    values = []
    for group in capture(network, BATCH, [statistic]).groups:
        for tensor in group.tensors[statistic]:
            determinant = torch.linalg.det(tensor.sign().double())  # of integers, so an integer itself
            values.append(torch.sigmoid(torch.where(determinant > 0.5, determinant, 1.0).log()).norm().item())
    (score,) = evaluate([parse(MEASURES[name].program)], network, BATCH)
    assert score.value == pytest.approx(sum(values) / len(values), rel=1e-4)


def test_eznas_top_unit_by_unit(network: nn.Module) -> None:
    captured = capture(network, BATCH, ["conv_in.noise"])
    squares = [tensor.square().sum().item() for group in captured.groups for tensor in group.tensors["conv_in.noise"]]
    (score,) = evaluate([parse(MEASURES["eznas_top"].program)], network, BATCH)
    assert score.value == pytest.approx(sum(squares) / len(squares), rel=1e-5)


def test_eznas_nasnet_leaves_out_units_of_unequal_shapes(network: nn.Module) -> None:
    captured = capture(network, BATCH, ["norm_out.perturbed", "input.noise"])
    norms = []
    for group in captured.groups:
        unit = captured.units[group.units[0]]
        for act, entering in zip(group.tensors["norm_out.perturbed"], group.tensors["input.noise"], strict=True):
            if unit.input_shape == unit.output_shape:
                total = act + entering.clamp_min(1e-45).log().where(entering > 0, 0.0)
                norms.append(((total > 0) & (total < 1)).float().norm().item())
    assert 0 < len(norms) < len(captured.units)
    assert eznas_nasnet(network, BATCH) == pytest.approx(sum(norms) / len(norms))


def test_eznas_nasnet_by_hand(monkeypatch: pytest.MonkeyPatch, network: nn.Module) -> None:
    e = math.e
    #           0.5   0.5   -1    2     0.25  0     1     0.5: above 0 and below 1 at four places
    act = [0.5, 0.5, -2.0, 2.0, 0.25, 0.0, 1.0, -0.5]
    entering = [-1.0, 0.0, e, -3.0, 1.0, -1.0, -1.0, e]
    tensors = {"norm_out.perturbed": [torch.tensor(act)], "input.noise": [torch.tensor(entering)]}
    captured = Capture((), (), (ShapeGroup((0,), tensors),), {})
    monkeypatch.setattr(eznas_programs, "capture", lambda *_: captured)
    assert eznas_nasnet(network, BATCH) == 2.0
    for name in ("norm_out.perturbed", "input.noise"):
        spoilt = tensors | {name: [torch.where(torch.arange(8) == 3, torch.nan, tensors[name][0])]}
        captured = Capture((), (), (ShapeGroup((0,), spoilt),), {})
        assert math.isnan(eznas_nasnet(network, BATCH))


def test_a_measure_may_need_more_than_its_parts() -> None:
    assert MEASURES["epe_nas"].needs == {"forward", "backward", "labels"}  # reads classes, and no loss
    assert MEASURES["jacob_cov"].needs == {"forward", "backward"}


def test_needs_follow_from_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MEASURES, "_records", dict(MEASURES._records))
    register_program("of_the_loss", "none", "sum(sum(weight_grad.loss))")
    register_program("of_the_weight", "none", "sum(sum(weight))")
    assert MEASURES["of_the_loss"].needs == {"forward", "backward", "labels"}
    assert MEASURES["of_the_weight"].needs == {"forward"}
    assert MEASURES["eznas_pnas"].needs == {"forward", "backward", "noise"}


def test_eznas_nasnet_is_undefined_without_units_of_equal_shapes() -> None:
    network = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
    assert math.isnan(eznas_nasnet(network, BATCH))
    with pytest.raises(NoUnitsError):
        eznas_nasnet(nn.Flatten(), BATCH)


def test_a_measure_registers_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MEASURES, "_records", dict(MEASURES._records))

    def zero(network: nn.Module, minibatch: Minibatch) -> float:
        return 0.0

    register: Callable[..., object] = register_measure(
        name="test_zero", paper="", formula="0", needs=["labels"], direction=-1
    )
    assert register(zero) is zero
    assert MEASURES["test_zero"] == Measure("test_zero", "", "0", frozenset({"labels"}), -1, zero)
    with pytest.raises(InputError, match="'test_zero' is registered already"):
        register(zero)


def test_a_decorator_serves_several_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MEASURES, "_records", dict(MEASURES._records))

    def one_half(*_: object) -> float:
        return 0.5

    def two_halves(*_: object) -> float:
        return 1.0

    for register in (register_measure(paper="Own"), measure_from_passes("logits", paper="Own")):
        for function in (one_half, two_halves):
            register(function)
            assert MEASURES[function.__name__].paper == "Own"
            MEASURES.restore({function.__name__: None})


CELLS = {"conv": "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|none~2|"}
CELLS["none"] = CELLS["conv"].replace("nor_conv_3x3", "avg_pool_3x3")


@pytest.mark.parametrize("cell", CELLS)
def test_the_released_code_reads_other_convolutions_where_a_cell_has_none(cell: str) -> None:
    space = SPACES["nasbench201"]
    network = space.build(CELLS[cell], Fidelity("tiny", cells=1, channels=4, pixels=8), BATCH.classes)
    initialise(network, 0)
    quantity, names = "input_grad.data", None
    if cell == "none":
        # conv_a of the second block follows the first shortcut, which breaks its triple
        quantity, names = "conv_in_grad.data", ["stem.conv", "body.1.conv_a.conv", "body.1.conv_b.conv"]
        names += ["body.3.conv_b.conv"]
    captured = capture(network, BATCH, [quantity], units="any" if names else "auto")
    values = []
    for group in captured.groups:
        for index, tensor in zip(group.units, group.tensors[quantity], strict=True):
            if names is None or captured.units[index].name in names:
                determinant = torch.linalg.det(tensor.sign().double())
                values.append(torch.sigmoid(torch.where(determinant > 0.5, determinant, 1.0).log()).norm().item())
    assert names is None or len(values) == len(names)
    (score,) = score_network([Proxy.of("eznas_a_released")], network, BATCH)
    assert score.value == pytest.approx(sum(values) / len(values), rel=1e-4)
