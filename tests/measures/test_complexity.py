from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from eznas.measures.complexity import depth, flops, params
from eznas.minibatch import Minibatch
from eznas.networks import construct
from eznas.networks.nasbench201 import CellNetwork
from eznas.scoring.score_many import measure
from eznas.status import Status
from eznas.testing.networks import CLASSIFIERS, PIXELS, classifier


def batch(*shape: int) -> Minibatch:
    return Minibatch(torch.zeros(shape), torch.zeros(shape[0], dtype=torch.int64), 10, "test")


def test_a_convolution_and_a_linear_layer_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 6, 1, groups=2, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10),
    )  # fmt: skip
    assert params(network, batch(2, 3, 8, 8)) == (3 * 9 * 8 + 8) + 16 + 4 * 6 + 70
    assert flops(network, batch(2, 3, 8, 8)) == 16 * 8 * 27 + 16 * 6 * 4 + 60


class Windowed(nn.Module):
    """Runs a linear layer on the four rows of each image of 4 x 4, folded into the axis of the images or not."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.order, self.linear, self.head = order, nn.Linear(4, 6), nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        rows = x[:, 0]
        if self.order == "tokens first":
            mixed = self.linear(rows.transpose(0, 1)).transpose(0, 1)
        elif self.order == "folded":
            mixed = self.linear(rows.flatten(0, 1)).unflatten(0, (len(x), 4))
        else:
            mixed = self.linear(rows)
        out: Tensor = self.head(mixed.mean(1))
        return out


@pytest.mark.parametrize("order", ["as they are", "folded", "tokens first"])
@pytest.mark.parametrize("images", [1, 3])
def test_positions_beside_the_images_count_once(order: str, images: int) -> None:
    assert flops(Windowed(order), batch(images, 1, 4, 4)) == 4 * 24 + 60


def test_measures_of_images_take_folded_positions_for_space() -> None:
    images = torch.randn((3, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    minibatch = Minibatch(images, torch.tensor([0, 1, 2]), 10, "test")
    plain, folded, strange = (construct(partial(Windowed, order)) for order in ("", "folded", "tokens first"))
    names = ["fisher", "meco", "near"]
    expected, found = measure(plain, minibatch, names), measure(folded, minibatch, names)
    for name in names:
        assert found[name].value == pytest.approx(expected[name].value, rel=1e-5), name
    other = measure(strange, minibatch, names)
    for name in names:
        assert other[name].value == pytest.approx(expected[name].value, rel=1e-5), name


def test_an_activation_of_a_single_number_has_no_channels() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate, self.head = nn.Parameter(torch.tensor(1.0)), nn.Linear(4, 10)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(x.flatten(1)) * self.gate.sigmoid()
            return out

    score = measure(Gated(), batch(2, 1, 2, 2), ["near"])["near"]
    assert score.status is Status.NON_FINITE
    assert "must have images and channels; its shape is ()" in score.detail


def test_only_trainable_parameters_count() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 2))
    network[1].requires_grad_(False)
    assert params(network, batch(1, 3, 2, 2)) == 12


def test_a_shared_layer_counts_once_as_parameters_and_twice_as_work() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.linear(self.linear(x.flatten(1)))
            return out

    assert (params(Twice(), batch(1, 1, 2, 2)), flops(Twice(), batch(1, 1, 2, 2))) == (16, 32)


# as NAS-Bench-201 states them for CIFAR-10; its millions of operations include the classifier's ten biases
@pytest.mark.parametrize(
    ("operation", "stated_params", "stated_flops"),
    [("skip_connect", 73306, 7.78305), ("nor_conv_3x3", 1531546, 220.11969)],
)
def test_networks_of_nasbench201(operation: str, stated_params: int, stated_flops: float) -> None:
    network = CellNetwork([operation] * 6, cells=5, channels=16, classes=10)
    assert params(network, batch(1, 3, 32, 32)) == stated_params
    assert flops(network, batch(1, 3, 32, 32)) + 10 == pytest.approx(stated_flops * 1e6, rel=1e-9)


def test_convolutions_of_all_kinds_count() -> None:
    transposed = nn.Sequential(nn.ConvTranspose2d(3, 6, 2, stride=2, groups=3), nn.Flatten(), nn.Linear(96, 10))
    assert flops(transposed, batch(2, 3, 2, 2)) == (3 * 4) * (2 * 4) + 960
    flat = nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 4, 3), nn.Flatten(), nn.Linear(8, 10))
    assert flops(flat, batch(2, 3, 2, 2)) == (4 * 2) * (3 * 3) + 80
    deep = nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv3d(1, 2, (3, 1, 1)), nn.Flatten(), nn.Linear(8, 10))
    assert flops(deep, batch(2, 3, 2, 2)) == 8 * 3 + 80


class Tokens(nn.Module):
    """Runs a module on the rows of each image as tokens, and a linear layer on their mean."""

    def __init__(self, module: nn.Module, width: int) -> None:
        super().__init__()
        self.module, self.head = module, nn.Linear(width, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(1, 2)
        attends = isinstance(self.module, nn.MultiheadAttention)
        mixed = self.module(tokens, tokens, tokens) if attends else self.module(tokens)
        out: Tensor = self.head((mixed[0] if isinstance(mixed, tuple) else mixed).mean(1))
        return out


@pytest.mark.parametrize(
    ("module", "width", "expected"),
    [
        # three heads of width 4 and 24 tokens: projections, two products of attention, feedforward
        (nn.MultiheadAttention(12, 3, batch_first=True), 12, 24 * 12 * 48 + 2 * 24 * 24 * 12),
        (nn.TransformerEncoderLayer(12, 3, 20, batch_first=True), 12, 24 * 12 * 88 + 2 * 24 * 24 * 12),
        (nn.LSTM(12, 8, 2, bidirectional=True, batch_first=True), 16, 24 * 2 * (32 * 20 + 32 * 24)),
        (nn.GRU(12, 8, batch_first=True), 8, 24 * 24 * 20),
        (nn.RNN(12, 8, batch_first=True), 8, 24 * 8 * 20),
    ],
)
@pytest.mark.parametrize("images", [1, 4])
def test_attention_and_recurrent_layers_by_hand(module: nn.Module, width: int, expected: int, images: int) -> None:
    assert flops(Tokens(module.eval(), width), batch(images, 3, 8, 12)) == expected + 10 * width


class Uneven(nn.Module):
    """Runs a layer on a table, whatever the images, or on each image alone."""

    def __init__(self, *, alone: bool) -> None:
        super().__init__()
        self.alone, self.layer, self.head = alone, nn.Linear(12, 7), nn.Linear(7, 10)
        self.register_buffer("table", torch.zeros(5, 12))

    def forward(self, x: Tensor) -> Tensor:
        if self.alone:
            mixed = torch.stack([self.layer(image.flatten()) for image in x])
        else:
            mixed = self.layer(x.flatten(1)) + self.layer(self.table).mean(0)
        out: Tensor = self.head(mixed)
        return out


@pytest.mark.parametrize("images", [1, 2, 3])
def test_a_layer_that_does_not_run_once_an_image(images: int) -> None:
    assert flops(Uneven(alone=False), batch(images, 3, 2, 2)) == 6 * 12 * 7 + 70
    assert flops(Uneven(alone=True), batch(images, 3, 2, 2)) == 12 * 7 + 70


class Squeezing(nn.Module):
    """Fails with a single image, whose axis it drops; it runs a layer on a table too."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Uneven(alone=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.inner(x.squeeze())
        return out


def test_measures_of_images_refuse_a_layer_that_runs_on_a_table() -> None:
    images = torch.randn((3, 3, 2, 2), generator=torch.Generator().manual_seed(0))
    minibatch = Minibatch(images, torch.tensor([0, 1, 2]), 10, "test")
    scores = measure(Uneven(alone=False), minibatch, ["fisher", "near"])
    assert scores["near"].ok
    assert scores["fisher"].status is Status.NON_FINITE
    assert "must be a multiple of the number of images, 3; it is 5" in scores["fisher"].detail


def test_a_network_that_needs_two_images() -> None:
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        Squeezing()(torch.zeros(1, 3, 2, 2))
    assert flops(Squeezing(), batch(1, 3, 2, 2)) == 6 * 12 * 7 + 70


@pytest.mark.parametrize("kind", sorted(CLASSIFIERS))
def test_flops_are_half_of_those_of_torchs_counter(kind: str) -> None:
    network = classifier(kind).eval()
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        network(torch.zeros(1, 3, PIXELS, PIXELS))
    assert flops(network, batch(4, 3, PIXELS, PIXELS)) == counter.get_total_flops() / 2


class Branches(nn.Module):
    """Two branches of two and one convolutions, added up, and a layer that leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.long = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 1))
        self.short, self.unused, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        mixed = self.long(x) + self.short(x)
        self.unused(self.unused(self.unused(mixed)))
        out: Tensor = self.head(mixed.mean((2, 3)))
        return out


@pytest.mark.parametrize("frozen", [False, True])
def test_depth_is_the_longest_path(frozen: bool) -> None:
    network = Branches().requires_grad_(not frozen)
    assert depth(network, batch(2, 3, 4, 4)) == 3
