"""Networks with NaN, infinities or hidden layers have a status, which sums, counts and signs would hide."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from eznas.measures import MEASURES
from eznas.minibatch import Minibatch
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


def test_layers_inside_multihead_attention_have_no_value() -> None:
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
    for name in ("fisher", "flops", "near", "meco"):
        assert scores[name].status is Status.NON_FINITE
        assert "torch hides that of attention.in_proj_weight inside nn.MultiheadAttention" in scores[name].detail
    weights = [network.attention.in_proj_weight, network.attention.out_proj.weight, network.head.weight]
    assert scores["l2_norm"].value == pytest.approx(sum(float(weight.detach().norm()) for weight in weights))
    loss = nn.functional.cross_entropy(network(BATCH.images), BATCH.labels)
    gradients = torch.autograd.grad(loss, weights)
    assert scores["grad_norm"].value == pytest.approx(sum(float(one.norm()) for one in gradients), rel=1e-4)
    assert scores["grasp"].ok


def test_a_network_that_asserts_costs_its_scores_only() -> None:
    class Asserting(nn.Module):
        def forward(self, _: Tensor) -> Tensor:
            raise AssertionError("the input must be larger")

    for score in measure(Asserting(), BATCH, ["snip", "flops", "eznas_a", "zen"]).values():
        assert score.status is Status.EXCEPTION
        assert score.detail == "AssertionError: the input must be larger"


def test_a_network_without_layers_has_no_score_that_sums_over_them() -> None:
    class Raw(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            self.inner = nn.Parameter(torch.randn(192, 8, generator=generator))
            self.outer = nn.Parameter(torch.randn(8, 10, generator=generator))

        def forward(self, x: Tensor) -> Tensor:
            return (x.flatten(1) @ self.inner).relu() @ self.outer

    names = ["fisher", "flops", "grad_norm", "gradsign", "grasp", "l2_norm", "logsynflow", "plain", "snip", "synflow"]
    for name, score in measure(Raw(), BATCH, [*names, "synflow_bn", "zico"]).items():
        assert score.status is Status.NO_UNITS, name
        assert score.detail == "the network must have a convolution or a linear layer; it has none"
    assert measure(Raw(), BATCH, ["snip"], split=2)["snip"].status is Status.NO_UNITS
    assert all(score.ok for score in measure(Raw(), BATCH, ["naswot", "params"]).values())
