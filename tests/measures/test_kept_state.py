"""Networks that keep something on first use are as before, and no measure depends on an earlier one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from eznas.networks import construct
from eznas.scoring.score_many import measure
from eznas.testing.measures import network_state, sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = sample_minibatch(4, 8)
NAMES = ["zen", "synflow", "vkdnw", "zico", "naswot", "gradsign", "eznas_top"]


class Keeping(nn.Module):
    """Computes a bias on first use and keeps it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(144, 10)
        self.kept: Any = None
        self.table: dict[str, Any] = {"inner": {}}
        self.seen: list[Tensor] = []
        self.count, self.total = 0, torch.zeros(())
        self.numbers, self.own, self.more = random.Random(1), np.random.default_rng(1), torch.Generator()

    def bias(self, x: Tensor) -> Tensor:
        if self.kept is None:
            self.kept = self.stem.weight.sum().detach() * torch.ones(1, 4, 1, 1, dtype=x.dtype)
        bias: Tensor = self.kept
        return bias

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x) + self.bias(x)))
        out: Tensor = self.head(x.flatten(1))
        return out


class InDictionary(Keeping):
    def bias(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach())
        inner: dict[str, Tensor] = self.table["inner"]
        return inner.setdefault("bias", self.stem.weight.sum().detach() * torch.ones(1, 4, 1, 1, dtype=x.dtype))


class InPlace(Keeping):
    def bias(self, x: Tensor) -> Tensor:
        self.count += 1
        self.total += 1
        return self.total.to(x.dtype)


class Hidden(Keeping):
    def bias(self, x: Tensor) -> Tensor:
        self.total.data.add_(1)
        return self.total.to(x.dtype)


class Registering(Keeping):
    def bias(self, x: Tensor) -> Tensor:
        if not hasattr(self, "gate"):
            self.gate = nn.Linear(1, 1, dtype=x.dtype)
            self.shift = nn.Parameter(torch.ones((), dtype=x.dtype))
        out: Tensor = self.gate(torch.ones(1, dtype=x.dtype)) * self.shift
        return out


class Chance(Keeping):
    def bias(self, x: Tensor) -> Tensor:
        numbers = [random.random(), np.random.rand(), self.numbers.random(), self.own.random()]  # noqa: NPY002
        bias: Tensor = torch.tensor(sum(numbers), dtype=x.dtype) + torch.rand((), generator=self.more)
        if x.requires_grad:
            x.register_hook(lambda gradient: gradient * torch.rand(()))
        return bias


def values(network: nn.Module) -> list[Any]:
    return [[(name, id(value), repr(value)) for name, value in vars(module).items()] for module in network.modules()]


@pytest.mark.parametrize(
    ("kind", "training"),
    [(kind, False) for kind in (Keeping, InDictionary, InPlace, Hidden, Registering, Chance)] + [(Keeping, True)],
)
def test_a_network_that_keeps_something(kind: Callable[[], nn.Module], training: bool) -> None:
    network = construct(kind).train(training)
    before = network_state(network), values(network)
    together = measure(network, BATCH, NAMES)
    assert (network_state(network), values(network)) == before
    assert network(BATCH.images).dtype is torch.float32
    if training:
        return
    network = construct(kind).eval()
    for name in NAMES:
        assert measure(network, BATCH, [name])[name] == together[name], name
    assert {name for name, score in together.items() if "dtype" in score.detail} == set()
