from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from eznas.measures.naswot import naswot
from eznas.minibatch import Minibatch
from eznas.networks.nasbench201 import CellNetwork

BATCH = Minibatch(
    torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(9)), torch.zeros(6, dtype=torch.int64), 10, "test"
)


def by_hooks(network: nn.Module, images: Tensor) -> float:
    """The released algorithm: mark what a backward pass visits, then add up kernels in a forward pass."""
    visited: set[nn.Module] = set()
    kernel = np.zeros((len(images), len(images)))

    def mark(module: nn.Module, *_: Any) -> None:
        visited.add(module)

    def add(module: nn.Module, inputs: tuple[Tensor], _: Tensor) -> None:
        if module in visited:
            signs = (inputs[0].reshape(len(images), -1) > 0).double()
            nonlocal kernel
            kernel = kernel + (signs @ signs.T + (1 - signs) @ (1 - signs).T).detach().numpy()

    handles: list[Any] = []
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            handles += [module.register_full_backward_hook(mark), module.register_forward_hook(add)]
    leaf = images.clone().requires_grad_()
    network(leaf).sum().backward()
    kernel = np.zeros_like(kernel)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    network(images.clone())
    for handle in handles:
        handle.remove()
    return float(np.linalg.slogdet(kernel)[1])


OPERATIONS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]


@given(st.lists(st.sampled_from(OPERATIONS), min_size=6, max_size=6))
@settings(max_examples=5, deadline=None)
def test_the_released_algorithm_gives_the_same(cell: list[str]) -> None:
    network = CellNetwork(cell, cells=1, channels=4, classes=10)
    score = naswot(network, BATCH)
    assert score == pytest.approx(by_hooks(network, BATCH.images), rel=1e-9)


def test_by_hand() -> None:
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten())
    images = torch.tensor([[1.0, 1, 1, -1], [1, -1, -1, -1]]).reshape(2, 1, 2, 2)
    batch = Minibatch(images, torch.zeros(2, dtype=torch.int64), 4, "test")
    # each image agrees with itself in four signs, and with the other in two: |4 2; 2 4| = 12
    assert naswot(network, batch) == pytest.approx(math.log(12))


def test_a_relu_that_the_output_ignores_does_not_count() -> None:
    class Branches(nn.Module):
        def __init__(self, *, side: bool) -> None:
            super().__init__()
            self.side = nn.ReLU() if side else None
            self.main = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            x = x - 0.3
            if self.side is not None:
                self.side(x)
            out: Tensor = self.main(2 * x + 1)
            return out.flatten(1)

    assert naswot(Branches(side=True), BATCH) == naswot(Branches(side=False), BATCH)


def test_undefined_scores_are_not_finite() -> None:
    assert naswot(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), BATCH) == -math.inf
    twins = Minibatch(BATCH.images[:1].repeat(3, 1, 1, 1), torch.zeros(3, dtype=torch.int64), 10, "test")
    assert naswot(nn.Sequential(nn.ReLU(), nn.Flatten()), twins) == -math.inf
