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


class Cache:
    """A plain object that a module holds."""

    def __init__(self) -> None:
        self.bias: Any = None
        self.inner: list[Tensor] = []


class Slots:
    __slots__ = ("bias", "count")

    def __init__(self) -> None:
        self.count = 0


class InObject(Keeping):
    def __init__(self) -> None:
        super().__init__()
        self.cache, self.slots = Cache(), Slots()

    def bias(self, x: Tensor) -> Tensor:
        if self.cache.bias is None:
            self.cache.bias = super().bias(x)
            self.slots.bias = self.cache.bias
        self.slots.count += 1
        self.cache.inner.append(x.detach())
        bias: Tensor = self.cache.bias + self.slots.bias
        return bias


class InList(Keeping):
    """Holds a normalisation in a plain list, where no search for modules finds it."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = [nn.BatchNorm2d(4, affine=False)]

    def bias(self, x: Tensor) -> Tensor:
        bias: Tensor = self.norms[0](self.stem(x))
        return bias


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
    [(kind, False) for kind in (Keeping, InDictionary, InPlace, Hidden, Registering, Chance, InObject)]
    + [(Keeping, True)],
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


def test_plain_objects_and_modules_in_lists_are_restored() -> None:
    network = construct(InObject)
    measure(network, BATCH, NAMES)
    assert network.cache.bias is None
    assert not hasattr(network.slots, "bias")
    assert (network.slots.count, network.cache.inner) == (0, [])
    hidden = construct(InList).train()
    before = {name: buffer.clone() for name, buffer in hidden.norms[0].named_buffers()}
    together = measure(hidden, BATCH, NAMES)
    assert all(score.ok for score in together.values())
    for name, buffer in hidden.norms[0].named_buffers():
        assert torch.equal(buffer, before[name]), name
    for name in NAMES:
        assert measure(hidden, BATCH, [name])[name] == together[name], name


class Writing(nn.Module):
    """Writes to its weight, where torch does not count the write."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.layer = how, nn.Linear(192, 10)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.layer.weight
        if self.how == "data":
            weight.data.mul_(0.9)
        elif self.how == "assignment":
            weight.data = nn.functional.normalize(weight.data)
        elif self.how == "item":
            weight.data[0] = 0
        elif self.how == "view":
            weight.detach()[:2].clamp_(-0.01, 0.01)
        out: Tensor = self.layer(x.flatten(1))
        return out


@pytest.mark.parametrize("how", ["data", "assignment", "item", "view"])
def test_writes_to_parameters_are_refused_before_they_happen(how: str) -> None:
    network = construct(lambda: Writing(how))
    before = network_state(network)
    scores = measure(network, BATCH, ["snip", "naswot", "flops", "epe_nas", "eznas_a", "depth", "vkdnw", "zen"])
    assert network_state(network) == before
    for name in ("snip", "naswot", "flops", "epe_nas", "eznas_a", "depth"):
        assert (
            "must not overwrite its parameters in the forward pass; it overwrites layer.weight" in scores[name].detail
        )
