"""Which layers are units, in which order, and why the others are skipped."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.capture import Capture, CaptureError, NoUnitsError, capture
from eznas.errors import InputError
from eznas.minibatch import Minibatch
from eznas.networks.nasbench201 import CellNetwork

BATCH = Minibatch(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(11)), torch.arange(4), 10, "test")


def names(captured: Capture) -> list[str]:
    return [unit.name for unit in captured.units]


def reasons(captured: Capture) -> dict[str, str]:
    return {layer.name: layer.reason for layer in captured.skipped}


def conv_bn_relu() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "edges"),
    [
        ("nor_conv_3x3 nor_conv_1x1 skip_connect avg_pool_3x3 nor_conv_3x3 none", 3),
        ("none none none skip_connect none none", 0),
        ("nor_conv_1x1 nor_conv_1x1 nor_conv_1x1 nor_conv_1x1 nor_conv_1x1 nor_conv_1x1", 6),
    ],
)
def test_nasbench201_units_are_its_triples(cell: str, edges: int) -> None:
    network = CellNetwork(cell.split(), cells=5, channels=2, classes=10)
    captured = capture(network, BATCH, ["weight"])
    triples = [name for name in dict(network.named_modules()) if name.endswith(".conv") and "stem" not in name]
    assert names(captured) == [name for name in triples if "shortcut" not in name]
    assert len(captured.units) == 4 + 15 * edges
    assert reasons(captured) == {
        "stem.conv": "no activation in front",
        "body.5.shortcut.conv": "no activation in front, no normalisation behind",
        "body.11.shortcut.conv": "no activation in front, no normalisation behind",
        "classifier": "no activation in front, no normalisation behind",
    }


def test_groups_are_in_the_order_in_which_their_shapes_occur() -> None:
    network = CellNetwork(["nor_conv_3x3"] * 6, cells=1, channels=2, classes=10)
    captured = capture(network, BATCH, ["weight"])
    assert [group.units for group in captured.groups] == [
        tuple(range(6)), (6,), (7, *range(8, 14)), (14,), (15, *range(16, 22)),
    ]  # fmt: skip
    assert captured.groups[0].stacked("weight").shape == (6, 2, 2, 3, 3)


def test_which_units() -> None:
    network = conv_bn_relu()
    assert names(capture(network, BATCH, [])) == ["3"]
    assert names(capture(network, BATCH, [], units="complete")) == ["3"]
    captured = capture(network, BATCH, [], units="any")
    assert names(captured) == ["0", "3", "8"]
    assert captured.skipped == ()


def test_networks_without_complete_units_give_every_layer() -> None:
    perceptron = nn.Sequential(nn.Flatten(), nn.Linear(192, 5), nn.ReLU(), nn.Linear(5, 10))
    captured = capture(perceptron, BATCH, ["input.data", "conv_in.data", "norm_out.data"])
    assert names(captured) == ["1", "3"]
    second = captured.groups[1].tensors
    assert second["input.data"][0].min() < 0 == second["conv_in.data"][0].min()
    with pytest.raises(NoUnitsError, match="the network runs 2 layers, none of which has both"):
        capture(perceptron, BATCH, [], units="complete")


@pytest.mark.parametrize("network", [nn.Flatten(), nn.Sequential(nn.BatchNorm2d(3), nn.Flatten())])
def test_a_network_without_layers_has_no_units(network: nn.Module) -> None:
    with pytest.raises(NoUnitsError, match="must run a convolution or a linear layer"):
        capture(network, BATCH)


ACTIVATIONS = [
    nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.GELU(), nn.SiLU(), nn.SiLU(inplace=True), nn.Hardswish(),
    nn.LeakyReLU(), nn.ELU(), nn.CELU(), nn.SELU(), nn.Mish(), nn.PReLU(), nn.Sigmoid(), nn.Tanh(),
    nn.Hardtanh(), nn.RReLU(), nn.Softplus(),
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations_that_form_units(activation: nn.Module) -> None:
    network = nn.Sequential(activation, nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
    captured = capture(network, BATCH, ["input.data", "conv_in.data"], units="complete")
    torch.testing.assert_close(captured.groups[0].tensors["input.data"][0], BATCH.images)
    assert not torch.equal(captured.groups[0].tensors["conv_in.data"][0], BATCH.images)


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.LayerNorm(6), nn.SyncBatchNorm(4)], ids=str
)
def test_normalisations_that_form_units(norm: nn.Module) -> None:
    network = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3), norm, nn.Flatten())
    captured = capture(network, BATCH, ["norm_out.data"], units="complete")
    act = captured.groups[0].tensors["norm_out.data"][0]
    torch.testing.assert_close(act.mean(), torch.tensor(0.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("between", [nn.AvgPool2d(1), nn.Dropout(0.5), nn.ZeroPad2d(1)], ids=["pool", "dropout", "pad"])
def test_an_operation_between_activation_and_convolution_separates_them(between: nn.Module) -> None:
    network = nn.Sequential(nn.ReLU(), between, nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
    captured = capture(network, BATCH, ["input.data"])
    assert captured.groups[0].tensors["input.data"][0].min() >= 0  # the layer's own input
    with pytest.raises(NoUnitsError):
        capture(network, BATCH, ["input.data"], units="complete")


class Functional(nn.Module):
    """No submodules: relu, grouped convolution, normalisation, all as functions and methods."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 1, 3, 3))
        self.classify = nn.Parameter(torch.randn(10, 6))

    def forward(self, x: Tensor) -> Tensor:
        out = torch.conv2d(x.relu(), weight=self.weight, groups=3)
        out = functional.batch_norm(out, None, None, training=True)
        return functional.linear(torch.tanh(out.mean((2, 3))), self.classify)


def test_functions_are_treated_like_modules() -> None:
    captured = capture(Functional(), BATCH)
    assert names(captured) == ["weight"]
    assert captured.units[0].weight_shape == (6, 1, 3, 3)
    assert reasons(captured) == {"classify": "no normalisation behind"}
    assert names(capture(Functional(), BATCH, [], units="any")) == ["weight", "classify"]


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(self.conv(x))
        return out.flatten(1)


def test_a_layer_that_runs_twice_is_two_units_with_the_total_gradient() -> None:
    network = Shared()
    captured = capture(network, BATCH, ["weight_grad.data", "conv_in.data"])
    assert names(captured) == ["conv", "conv#2"]
    (total,) = torch.autograd.grad(network(BATCH.images).sum(), [network.conv.weight])
    first, second = captured.groups[0].tensors["weight_grad.data"]
    torch.testing.assert_close(first, total)
    torch.testing.assert_close(second, total)
    with torch.no_grad():
        torch.testing.assert_close(captured.groups[0].tensors["conv_in.data"][1], network.conv(BATCH.images))


class Branches(nn.Module):
    """One branch is thrown away, one layer never runs, and further layers are of other kinds than 2-d convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused, self.never = (nn.Conv2d(3, 3, 1) for _ in range(3))
        self.line, self.up, self.volume = nn.Conv1d(3, 3, 1), nn.ConvTranspose2d(3, 3, 1), nn.Conv3d(3, 2, 1)
        self.matrix, self.scale = nn.Parameter(torch.randn(64, 64)), nn.Parameter(torch.randn(1, 64))
        self.memory = nn.LSTM(64, 64, batch_first=True)
        self.cubes = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        self.unused(x)
        x = self.up(self.used(x))
        x = self.volume(x[:, :, None])[:, :, 0].repeat(1, 2, 1, 1)[:, :3]
        x = self.memory(self.line(x.flatten(2)) @ self.matrix * self.scale)[0]
        out: Tensor = self.cubes(x.reshape(4, 3, 8, 1, 8))
        return out.flatten(1)


def test_layers_of_every_kind_and_reasons_for_the_others() -> None:
    captured = capture(Branches(), BATCH, ["conv_in_grad.data", "weight_grad.data"])
    assert {unit.name: (unit.kind, unit.weight_shape, unit.output_shape) for unit in captured.units} == {
        "unused": ("conv2d", (3, 3, 1, 1), (4, 3, 8, 8)),
        "used": ("conv2d", (3, 3, 1, 1), (4, 3, 8, 8)),
        "up": ("conv_transpose2d", (3, 3, 1, 1), (4, 3, 8, 8)),
        "volume": ("conv3d", (2, 3, 1, 1), (4, 2, 8, 8)),
        "line": ("conv1d", (3, 3, 1, 1), (4, 3, 64, 1)),
        "matrix": ("matmul", (64, 64, 1, 1), (4, 64, 3, 1)),
        "cubes": ("linear", (8, 8, 1, 1), (4, 8, 24, 1)),
    }
    assert reasons(captured) == {
        "never": "not executed",
        "scale": "read by mul, not by a layer",
        "memory.weight_ih_l0": "read by lstm, not by a layer",
        "memory.weight_hh_l0": "read by lstm, not by a layer",
    }
    for gradient in ("conv_in_grad.data", "weight_grad.data"):
        unused, *used = captured.groups[0].tensors[gradient]
        assert all(one.any() for one in used)
        assert not unused.any()


class Standardised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, bias=False)
        self.register_buffer("blur", torch.ones(4, 1, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.conv.weight - self.conv.weight.mean((1, 2, 3), keepdim=True)
        blur = self.get_buffer("blur")
        return functional.conv2d(functional.conv2d(x, weight), blur, groups=4).flatten(1)


def test_computed_weights_are_units_and_fixed_filters_are_not() -> None:
    network = Standardised()
    captured = capture(network, BATCH, ["weight", "weight_grad.data"])
    assert names(captured) == ["conv"]
    assert captured.units[0].leaves == ("conv.weight",)
    torch.testing.assert_close(captured.groups[0].tensors["weight"][0].mean(), torch.tensor(0.0))
    assert captured.groups[0].tensors["weight_grad.data"][0].any()
    assert reasons(captured) == {}


def test_parametrised_and_masked_weights_have_the_names_of_their_modules() -> None:
    mask = torch.rand(3, 3, generator=torch.Generator().manual_seed(0)).round()

    class Masked(nn.Conv2d):
        mask: Tensor

        def forward(self, x: Tensor) -> Tensor:
            return functional.conv2d(x, self.weight * self.mask, self.bias)

    network = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), nn.ReLU(), Masked(4, 4, 3), nn.Flatten()
    )
    network[2].register_buffer("mask", mask)
    captured = capture(network, BATCH, ["weight", "weight_grad.data"])
    assert [(unit.name, tuple(sorted(unit.leaves))) for unit in captured.units] == [
        ("0", ("0.parametrizations.weight.original0", "0.parametrizations.weight.original1")),
        ("2", ("2.weight",)),
    ]
    assert captured.skipped == ()
    first, second = (group.tensors for group in captured.groups)
    torch.testing.assert_close(first["weight"][0], network[0].weight.detach())
    torch.testing.assert_close(second["weight"][0], (network[2].weight * mask).detach())
    assert first["weight_grad.data"][0].any()


def test_frozen_weights_have_gradients() -> None:
    network = conv_bn_relu()
    expected = capture(network, BATCH, ["weight_grad.data"]).groups[0].tensors["weight_grad.data"][0]
    network.requires_grad_(False)
    found = capture(network, BATCH, ["weight_grad.data"]).groups[0].tensors["weight_grad.data"][0]
    torch.testing.assert_close(found, expected)
    assert not any(parameter.requires_grad for parameter in network.parameters())


class Returns(nn.Module):
    def __init__(self, what: object) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.what = what

    def forward(self, x: Tensor) -> object:
        self.conv(x)
        return self.what


@pytest.mark.parametrize(
    ("what", "got"),
    [
        ((torch.zeros(2, 10), None), "a tuple"), (torch.zeros(10), r"shape \(10,\)"), (None, "a NoneType"),
        (torch.zeros(2, 10), r"shape \(2, 10\)"), (torch.zeros(4, 10, dtype=torch.int64), r"shape \(4, 10\)"),
    ],
)  # fmt: skip
def test_a_network_must_return_logits(what: object, got: str) -> None:
    with pytest.raises(CaptureError, match=f"one tensor of 4 x classes logits; got {got}"):
        capture(Returns(what), BATCH, ["conv_in.data"])


def test_an_output_that_depends_on_nothing_has_no_gradients() -> None:
    captured = capture(
        Returns(torch.zeros(4, 10)), BATCH, ["norm_out_grad.data", "weight_grad.loss", "image_grad.data"]
    )
    assert not captured.groups[0].tensors["norm_out_grad.data"][0].any()
    assert not captured.groups[0].tensors["weight_grad.loss"][0].any()
    assert not captured.images["image_grad.data"].any()


def test_labels_must_be_classes_of_the_network() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    with pytest.raises(CaptureError, match="labels must be one number from 0 to 2 for each image"):
        capture(network, BATCH, ["weight_grad.loss"])


def test_a_network_must_run_the_same_layers_on_every_pass() -> None:
    class Fickle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(192, 3) for _ in range(2))

        def forward(self, x: Tensor) -> Tensor:
            layer = self.layers[int(torch.equal(x, BATCH.images))]
            out: Tensor = layer(x.flatten(1))
            return out

    with pytest.raises(CaptureError, match="must run the same layers for all images"):
        capture(Fickle(), BATCH, ["conv_in.data", "conv_in.noise"])


def test_unknown_names_are_input_errors() -> None:
    with pytest.raises(InputError, match=r"unknown statistic 'conv_in\.dat'; did you mean 'conv_in\.data'"):
        capture(conv_bn_relu(), BATCH, ["conv_in.dat"])
    with pytest.raises(InputError, match="units must be 'auto', 'complete' or 'any', got 'all'"):
        capture(conv_bn_relu(), BATCH, units="all")


def test_evaluation_mode_makes_no_difference_to_normalisation() -> None:
    network = CellNetwork(["nor_conv_3x3"] * 6, cells=1, channels=2, classes=10)
    train = capture(network, BATCH, ["norm_out.data", "norm_out_grad.loss"])
    evaluation = capture(network.eval(), BATCH, ["norm_out.data", "norm_out_grad.loss"])
    for left, right in zip(train.groups, evaluation.groups, strict=True):
        for name in left.tensors:
            assert torch.equal(left.stacked(name), right.stacked(name))
