from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from eznas.measures.complexity import flops, params
from eznas.minibatch import Minibatch
from eznas.networks.nasbench201 import CellNetwork


def batch(*shape: int) -> Minibatch:
    return Minibatch(torch.zeros(shape), torch.zeros(shape[0], dtype=torch.int64), 10, "test")


def test_a_convolution_and_a_linear_layer_by_hand() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Conv2d(8, 6, 1, groups=2, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10),
    )  # fmt: skip
    assert params(network, batch(2, 3, 8, 8)) == (3 * 9 * 8 + 8) + 16 + 4 * 6 + 70
    assert flops(network, batch(2, 3, 8, 8)) == 16 * 8 * 27 + 16 * 6 * 4 + 60


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
