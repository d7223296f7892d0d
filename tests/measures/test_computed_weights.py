"""Weights that layers compute from parameters count once: sums run over the parameters."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.measures import MEASURES
from eznas.scoring.score_many import measure
from eznas.testing.measures import network_state, sample_minibatch, value_of

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = sample_minibatch(4, 8)
SUMS = ["grad_norm", "gradsign", "grasp", "l2_norm", "ntk_condition", "plain", "snip", "synflow", "synflow_bn", "zico"]


class Computing(nn.Conv2d):
    """A convolution that computes its weight from its parameter."""

    compute: Callable[[Tensor], Tensor]

    def forward(self, x: Tensor) -> Tensor:
        return functional.conv2d(x, self.compute(self.weight), self.bias, self.stride, self.padding)


def chain(kind: type[nn.Conv2d] = nn.Conv2d) -> nn.Sequential:
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return nn.Sequential(
            kind(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), kind(4, 4, 3, padding=1), nn.BatchNorm2d(4),
            nn.ReLU(), nn.Flatten(), nn.Linear(256, 10),
        )  # fmt: skip


def computing(compute: Callable[[Tensor], Tensor]) -> nn.Sequential:
    network = chain(Computing)
    for module in network:
        if isinstance(module, Computing):
            module.compute = compute
    return network


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("compute", [lambda w: w * 1.0, lambda w: w[:, :], lambda w: w + 0 * w.mean()])
def test_a_weight_that_is_computed_without_a_change(compute: Callable[[Tensor], Tensor], frozen: bool) -> None:
    # params counts weights that are trained, and two evolved programs read it
    others = ("params", "evolved_forward", "evolved_general", "eznas_a_released")
    names = [name for name in MEASURES if name not in others]
    expected = measure(chain(), BATCH, names)
    found = measure(computing(compute).requires_grad_(not frozen), BATCH, names)
    for name in names:
        assert found[name].status is expected[name].status, name
        if found[name].ok:
            assert found[name].value == pytest.approx(expected[name].value, rel=2e-3), name


def test_a_mask_leaves_the_weight_one_weight() -> None:
    mask = torch.rand(3, 3, generator=torch.Generator().manual_seed(1)).round()
    network, masked = chain(), computing(lambda weight: weight * mask)
    with torch.no_grad():
        for module in network:
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(mask)
    for name in ("snip", "plain", "synflow"):  # the terms of weights that are masked vanish
        assert value_of(name, masked, BATCH) == pytest.approx(value_of(name, network, BATCH), rel=1e-4)


class Twice(nn.Module):
    """Two convolutions read one computed weight, or the parameter itself."""

    def __init__(self, compute: str) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.compute, self.kernel = compute, nn.Parameter(torch.randn(3, 3, 3, 3, generator=generator) / 5)
        self.head = nn.Parameter(torch.randn(10, 3, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        kernels = {
            "not": [self.kernel, self.kernel],
            "once": [self.kernel * 1.0] * 2,
            "twice": [self.kernel * 1.0, self.kernel * 1.0],
        }[self.compute]
        for kernel in kernels:
            x = functional.conv2d(x, kernel, padding=1).relu()
        return functional.linear(x.mean((2, 3)), self.head)


@pytest.mark.parametrize("compute", ["once", "twice"])
@pytest.mark.parametrize("name", SUMS)
def test_a_computed_weight_that_several_layers_read(name: str, compute: str) -> None:
    assert value_of(name, Twice(compute), BATCH) == pytest.approx(value_of(name, Twice("not"), BATCH), rel=1e-4)


def test_the_parameters_of_a_normalised_weight_are_its_weights() -> None:
    network = chain()
    nn.utils.parametrizations.weight_norm(network[0])
    with pytest.warns(FutureWarning, match="deprecated"):
        nn.utils.weight_norm(network[3])
    names = ("original0", "original1", "weight_g", "weight_v", "7.weight")
    leaves = [one for name, one in network.named_parameters() if name.endswith(names)]
    assert len(leaves) == 5
    assert value_of("l2_norm", network, BATCH) == pytest.approx(sum(float(one.detach().norm()) for one in leaves))
    gradients = torch.autograd.grad(functional.cross_entropy(network(BATCH.images), BATCH.labels), leaves)
    products = [leaf.detach() * gradient for leaf, gradient in zip(leaves, gradients, strict=True)]
    expected = sum(float(product.abs().sum()) for product in products)
    assert value_of("snip", network, BATCH) == pytest.approx(expected, rel=1e-5)
    scores = measure(network, BATCH, [*SUMS, "zen"])
    assert all(score.ok for score in scores.values()), scores


def test_lora_counts_all_three_matrices() -> None:
    class Adapted(nn.Linear):
        def __init__(self, wide: int, narrow: int) -> None:
            super().__init__(wide, narrow)
            self.down, self.up = nn.Parameter(torch.randn(2, wide)), nn.Parameter(torch.zeros(narrow, 2))

        def forward(self, x: Tensor) -> Tensor:
            return functional.linear(x, self.weight + self.up @ self.down, self.bias)

    network = nn.Sequential(nn.Flatten(), Adapted(192, 10))
    layer = network[1]
    loss = functional.cross_entropy(network(BATCH.images), BATCH.labels)
    gradients = torch.autograd.grad(loss, [layer.weight, layer.down, layer.up])
    assert value_of("grad_norm", network, BATCH) == pytest.approx(sum(float(one.norm()) for one in gradients), rel=1e-5)
    norms = [float(one.detach().norm()) for one in (layer.weight, layer.down, layer.up)]
    assert value_of("l2_norm", network, BATCH) == pytest.approx(sum(norms))


def test_a_weight_computed_from_the_images_counts_the_experts() -> None:
    class Routed(nn.Module):
        """Mixes two kernels by a share that a layer computes from the images."""

        def __init__(self) -> None:
            super().__init__()
            self.experts, self.router = nn.Parameter(torch.randn(2, 10, 192)), nn.Linear(192, 2)

        def forward(self, x: Tensor) -> Tensor:
            share = self.router(x.flatten(1).mean(0)).softmax(0)
            return functional.linear(x.flatten(1), (share[:, None, None] * self.experts).sum(0))

    network = Routed()
    assert value_of("l2_norm", network, BATCH) == pytest.approx(
        float(network.router.weight.detach().norm() + network.experts.detach().norm()), rel=1e-6
    )


def test_zen_draws_the_parameters_behind_a_computed_weight() -> None:
    network = computing(lambda weight: weight * 1.0)
    assert value_of("zen", network, BATCH) == value_of("zen", chain(), BATCH)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    assert value_of("zen", network, BATCH) == value_of("zen", chain(), BATCH)


def test_a_module_under_two_names_keeps_its_parameters() -> None:
    shared = nn.PReLU()
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), shared, nn.Conv2d(4, 4, 3), shared, nn.Flatten(), nn.Linear(64, 10)
    )
    before, twin = network_state(network), copy.deepcopy(network)
    measure(network, BATCH)
    assert network_state(network) == before
    assert torch.equal(network.eval()(BATCH.images), twin.eval()(BATCH.images))


def test_tied_weights_are_replaced_at_every_place() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 192), nn.ReLU(), nn.Linear(192, 192), nn.Linear(192, 10))
    network[3].weight = network[1].weight
    assert all(score.ok for score in measure(network, BATCH, ["synflow", "zen", "vkdnw"]).values())
