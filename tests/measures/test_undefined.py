"""Networks with NaN, infinities or hidden layers have a status, which sums, counts and signs would hide."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from eznas.measures import MEASURES
from eznas.minibatch import Minibatch
from eznas.networks.autoformer import AutoFormerNetwork
from eznas.scoring.score_many import measure
from eznas.status import Status
from eznas.testing.measures import network_state, sample_minibatch

BATCH = sample_minibatch(4, 8)
STATIC = {"params", "flops", "depth", "l2_norm"}  # which read no values of a pass


class Scaled(nn.Module):
    """Two complete units of equal shapes and a number between them."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.first = nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.second = nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.head, self.scale = nn.Linear(4, 10), scale

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.second(self.first(self.stem(x)) * self.scale).mean((2, 3)))
        return out


def test_a_network_of_nan_has_no_score() -> None:
    network = Scaled(math.nan)
    before = network_state(network)
    scores = measure(network, BATCH)
    assert set(scores) == set(MEASURES)
    for name, score in scores.items():
        if name not in STATIC:
            assert score.status is Status.NON_FINITE, (name, score)
    for name in ("meco", "naswot", "swap", "linear_regions", "gradsign", "zico"):
        assert scores[name].detail == "the network's logits must be finite; the network computes NaN or an infinity"
    assert network_state(network) == before
    assert all(score.ok for name, score in measure(Scaled(1.0), BATCH, ["naswot", "meco", "eznas_nasnet"]).items())


@pytest.mark.parametrize("name", ["gradsign", "zico"])
def test_gradients_of_nan_have_no_score(name: str) -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 2, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.linear(x.flatten(1))
            return out + (out - out).sqrt()  # 0, with an infinite slope

    batch = Minibatch(torch.ones(2, 1, 1, 2), torch.tensor([0, 1]), 2, "test")
    score = measure(Root(), batch, [name])[name]
    assert score.status is Status.NON_FINITE
    assert score.detail == "the gradients of the loss must be finite; the network computes NaN or an infinity"


def test_layers_inside_multihead_attention_are_read() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 10)

        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2)[:, :, :8]
            out: Tensor = self.head(self.attention(tokens, tokens, tokens)[0].mean(1))
            return out

    network = Attending()
    scores = measure(network, BATCH, ["fisher", "flops", "near", "meco", "l2_norm", "grad_norm", "grasp"])
    assert scores["flops"].value == 8 * 3 * 32 + 2 * 3 * 3 * 8 + 80
    for name in ("fisher", "near", "meco", "grasp"):
        assert scores[name].ok, scores[name]
    weights = [network.attention.in_proj_weight, network.attention.out_proj.weight, network.head.weight]
    assert scores["l2_norm"].value == pytest.approx(sum(float(weight.detach().norm()) for weight in weights))
    loss = nn.functional.cross_entropy(network(BATCH.images), BATCH.labels)
    gradients = torch.autograd.grad(loss, weights)
    assert scores["grad_norm"].value == pytest.approx(sum(float(one.norm()) for one in gradients), rel=1e-4)


def test_recurrent_layers_have_no_value_where_outputs_are_read() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.recurrent, self.head = nn.GRU(8, 8, batch_first=True), nn.Linear(8, 10)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.recurrent(x.flatten(2)[:, :, :8])[0].mean(1))
            return out

    scores = measure(Recurrent(), BATCH, ["fisher", "near", "meco", "l2_norm"])
    for name in ("fisher", "near", "meco"):
        assert scores[name].status is Status.NON_FINITE
        assert "the layer's weight is recurrent.weight_ih_l0" in scores[name].detail
    assert scores["l2_norm"].ok


def test_a_network_that_asserts_costs_its_scores_only() -> None:
    class Asserting(nn.Module):
        def forward(self, _: Tensor) -> Tensor:
            raise AssertionError("the input must be larger")

    raised = "AssertionError: the input must be larger"
    on_noise = f"CaptureError: the network must run on noise in double precision; it raises {raised}"
    details = {"snip": raised, "flops": raised, "eznas_a": raised, "zen": on_noise}
    for name, score in measure(Asserting(), BATCH, list(details)).items():
        assert score.status is Status.EXCEPTION
        assert score.detail == details[name]


SUMS = ["fisher", "flops", "grad_norm", "gradsign", "grasp", "l2_norm", "logsynflow", "plain", "snip", "synflow"]


def test_a_network_without_layers_has_no_score_that_sums_over_them() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            return x.relu().mean((2, 3)) * self.scale

    batch = Minibatch(BATCH.images, BATCH.labels % 3, 3, "test")
    for name, score in measure(Bare(), batch, [*SUMS, "synflow_bn", "zico"]).items():
        assert score.status is Status.NO_UNITS, name
        assert score.detail == "the network must have a convolution or a linear layer; it has none"
    assert measure(Bare(), batch, ["snip"], split=2)["snip"].status is Status.NO_UNITS
    assert all(score.ok for score in measure(Bare(), batch, ["swap", "params"]).values())


@pytest.mark.parametrize("write", ["matmul", "transposed", "addmm", "einsum"])
def test_products_with_parameters_are_layers(write: str) -> None:
    class Raw(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            self.inner = nn.Parameter(torch.randn(192, 8, generator=generator))
            self.outer = nn.Parameter(torch.randn(10, 8, generator=generator))

        def forward(self, x: Tensor) -> Tensor:
            x = x.flatten(1)
            if write == "linear":
                return nn.functional.linear(nn.functional.linear(x, self.inner.T).relu(), self.outer)
            if write == "addmm":
                return torch.addmm(x.new_zeros(10), (x @ self.inner).relu(), self.outer.T)
            if write == "einsum":
                return torch.einsum("bi,oi->bo", torch.einsum("bi,io->bo", x, self.inner).relu(), self.outer)
            if write == "transposed":
                return (self.inner.T @ x.T).relu().T @ self.outer.T
            return torch.matmul((x @ self.inner).relu(), self.outer.mT)

    network = Raw()
    found = measure(network, BATCH, [*SUMS, "near", "meco", "zen"])
    write = "linear"
    expected = measure(network, BATCH, SUMS)
    for name in SUMS:
        if name == "fisher":
            assert found[name].status is Status.NON_FINITE
            assert "the weight is inner" in found[name].detail
        else:
            assert found[name].value == pytest.approx(expected[name].value, rel=1e-5), name
    for name in ("near", "meco"):
        assert "the weight is inner" in found[name].detail


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_are_read_or_refused(kind: type[nn.RNNBase]) -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = kind(24, 8, batch_first=True), nn.Linear(8, 10)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.rnn(x.flatten(1).unflatten(1, (8, 24)))[0][:, -1])
            return out

    network = Recurrent()
    before = network_state(network)
    scores = measure(network, BATCH)
    assert network_state(network) == before
    weights = [network.rnn.weight_ih_l0, network.rnn.weight_hh_l0, network.head.weight]
    assert scores["l2_norm"].value == pytest.approx(sum(float(weight.detach().norm()) for weight in weights))
    for name in ("grad_norm", "snip", "synflow", "zen", "ntk_condition", "vkdnw"):
        assert scores[name].ok, (name, scores[name])
    for name in ("fisher", "near", "meco", "depth"):
        assert "the layer's weight is rnn.weight_ih_l0" in scores[name].detail, scores[name]


@pytest.mark.parametrize("computed", [False, True])
def test_bilinear_layers_count_and_are_refused(computed: bool) -> None:
    class Pairs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pairs, self.head = nn.Bilinear(12, 12, 5), nn.Linear(5, 10)

        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(1).unflatten(1, (16, 12))
            weight = self.pairs.weight * 2 if computed else self.pairs.weight
            mixed = nn.functional.bilinear(tokens, tokens, weight, self.pairs.bias)
            out: Tensor = self.head(mixed.relu().mean(1))
            return out

    scores = measure(Pairs(), BATCH, ["flops", "snip", "near", "meco", "fisher", "depth"])
    assert scores["flops"].value == 16 * 12 * 12 * 5 + 50
    assert scores["snip"].ok
    for name in ("near", "meco", "fisher", "depth"):
        assert "the layer's weight is pairs.weight" in scores[name].detail


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("name", ["near", "meco", "fisher", "depth"])
def test_a_product_with_a_computed_weight_is_refused(name: str, frozen: bool) -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.head = nn.Parameter(torch.eye(12, 8)), nn.Linear(8, 10)
            self.register_buffer("mask", torch.ones(12, 8))

        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2).mT.reshape(len(x), -1, 12)
            out: Tensor = self.head((tokens @ (self.weight * self.mask)).relu().mean(1))
            return out

    network = Masked().requires_grad_(not frozen)
    score = measure(network, BATCH, [name])[name]
    assert score.status is Status.NON_FINITE
    assert "the weight is weight" in score.detail
    assert all(parameter.requires_grad is not frozen for parameter in network.parameters())


def test_relative_positions_are_no_layers() -> None:
    network = AutoFormerNetwork([(2, 16), (2, 8)], channels=8, head_channels=4, pixels=32, classes=10)
    scores = measure(network, sample_minibatch(4, 32), ["depth", "fisher", "near", "meco", "evolved_compact", "snip"])
    assert scores["depth"].value == 1 + 2 * 4 + 1
    for name in ("fisher", "near", "meco", "snip"):
        assert scores[name].ok, scores[name]


def test_a_weight_that_is_looked_up_as_one_matrix_is_a_layer() -> None:
    class Pruned(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.head = nn.Parameter(torch.eye(12, 8)), nn.Linear(8, 10)

        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2).mT.reshape(len(x), -1, 12)
            out: Tensor = self.head((tokens @ self.weight[torch.arange(12)]).relu().mean(1))
            return out

    assert "the weight is weight" in measure(Pruned(), BATCH, ["near"])["near"].detail


@pytest.mark.parametrize("own", [False, True])
def test_samples_without_labels_have_a_status(own: bool) -> None:
    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.wide, self.head = nn.Embedding(9, 8), nn.Linear(8, 8), nn.Linear(8, 9)

        def forward(self, tokens: Tensor) -> Tensor:
            out: Tensor = self.head(self.wide(self.words(tokens)).relu())
            return out

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())

    tokens = torch.arange(20).reshape(4, 5) % 9
    names = [name for name, record in MEASURES.items() if "labels" in record.needs and not record.program]
    names = [name for name in names if name not in ("attention_importance", "epe_nas")]  # of attention, of classes
    for rows in ([1], [0, 1], [0, 1, 2, 3]):
        labels = tokens.roll(-1, 1)
        labels[rows] = -100
        scores = measure(Language(), (tokens, labels), names, loss=loss if own else None)
        for name, score in scores.items():
            if len(rows) == 4 or name == "gradsign" or (name == "zico" and len(rows) > 1):
                assert score.status is Status.NON_FINITE, (name, rows, score)
                assert score.detail.startswith("a loss must have a label; all labels of sample"), score
            else:
                assert score.ok, (name, rows, score)
