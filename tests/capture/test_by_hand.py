"""Activations that are written by hand are the activations that torch has a function for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.capture import capture
from eznas.measures import MEASURES
from eznas.networks import construct
from eznas.scoring.score_many import measure
from eznas.testing.measures import sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[[Tensor], Tensor]

BATCH = sample_minibatch(4, 8)
NAMES = ["fisher", "linear_regions", "meco", "naswot", "near", "snip", "swap"]
STATISTICS = ["input.data", "input_grad.loss", "conv_in.data", "conv_in_grad.loss"]
PAIRS: dict[str, tuple[Function, list[Function]]] = {
    "leaky": (
        lambda x: functional.leaky_relu(x, 0.1),
        [
            lambda x: torch.where(x > 0, x, 0.1 * x),
            lambda x: torch.max(x, 0.1 * x),
            lambda x: x.clamp(min=0) + 0.1 * x.clamp(max=0),
            lambda x: functional.relu(x) - 0.1 * functional.relu(-x),
            lambda x: x * ((x > 0) + 0.1 * (x <= 0)),
            lambda x: torch.addcmul(0.1 * x, x, 0.9 * (x > 0)),
            lambda x: x.masked_fill(x < 0, 0.0) + 0.1 * torch.minimum(x, torch.zeros_like(x)),
        ],
    ),
    "capped": (
        functional.relu6,
        [
            lambda x: x.clamp(min=0).clamp(max=6),
            lambda x: torch.minimum(torch.maximum(x, torch.zeros_like(x)), torch.full_like(x, 6.0)),
            lambda x: x.relu().clip(max=6),
        ],
    ),
    "silu": (
        functional.silu,
        [
            lambda x: x * x.sigmoid(),
            lambda x: x / (1 + (-x).exp()),
            lambda x: x.clone().mul_(x.sigmoid()),
            lambda x: torch.addcmul(0 * x, x, x.sigmoid()),
        ],
    ),
    "hardswish": (functional.hardswish, [lambda x: x * functional.relu6(x + 3) / 6]),
    "gelu": (
        lambda x: functional.gelu(x, approximate="tanh"),
        [lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x.pow(3.0))))],
    ),
    "squared": (lambda x: torch.where(x > 0, x * x, torch.zeros_like(x)), [lambda x: functional.relu(x) ** 2]),
}


class Network(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function
        self.stem, self.before = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.head = nn.Linear(144, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(self.stem(x))
        x = x + self.norm(self.conv(self.function(x)))
        out: Tensor = self.head(torch.relu(x).flatten(1))
        return out


@pytest.mark.parametrize("name", PAIRS)
def test_ways_to_write_an_activation(name: str) -> None:
    function, ways = PAIRS[name]
    expected = measure(construct(lambda: Network(function)), BATCH, NAMES)
    (group,) = capture(construct(lambda: Network(function)), BATCH, STATISTICS, "complete").groups
    for place, way in enumerate(ways):
        found = measure(construct(lambda way=way: Network(way)), BATCH, NAMES)  # type: ignore[misc]
        for measured in NAMES:
            assert found[measured].status is expected[measured].status, (measured, place)
            if expected[measured].ok:
                assert found[measured].value == pytest.approx(expected[measured].value, rel=2e-3), (measured, place)
        (other,) = capture(construct(lambda way=way: Network(way)), BATCH, STATISTICS, "complete").groups  # type: ignore[misc]
        for statistic in STATISTICS:
            torch.testing.assert_close(other.tensors[statistic], group.tensors[statistic], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2 + 1,
        lambda x: x * x.mean((2, 3), keepdim=True),
        lambda x: x - x.flip(0),
        lambda x: x + torch.ones_like(x),
        lambda x: x.clone() / 3,
        lambda x: torch.addcmul(x, x, torch.ones_like(x)),
        lambda x: torch.addcmul(x, torch.ones_like(x), x),
    ],
)
def test_other_functions_are_no_activations(function: Function) -> None:
    captured = capture(construct(lambda: Network(function)), BATCH, [], "any")
    assert [unit.front for unit in captured.units] == ["", "", ""]
    reasons = {layer.name: layer.reason for layer in capture(construct(lambda: Network(torch.relu)), BATCH, []).skipped}
    assert "conv" not in reasons
    with pytest.raises(Exception, match="must have an activation in front"):
        capture(construct(lambda: Network(function)), BATCH, [], "complete")


@pytest.mark.parametrize("function", [torch.sin, torch.abs, torch.atan, torch.square, torch.erf])
def test_every_elementwise_function_that_is_not_affine_is_an_activation(function: Function) -> None:
    network = construct(lambda: Network(function))
    captured = capture(network, BATCH, ["input.data", "conv_in.data"], "complete")
    before, after = (captured.groups[0].tensors[name][0] for name in ("input.data", "conv_in.data"))
    torch.testing.assert_close(after, function(before))
    assert measure(network, BATCH, ["near"])["near"].ok
    assert "near" in MEASURES


def test_a_tensor_plus_a_multiple_of_it_is_no_activation() -> None:
    class Scaled(nn.Module):
        def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
            super().__init__()
            self.function, self.scale = function, nn.Parameter(torch.linspace(-1, 1, 4)[:, None, None])
            self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 10)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.function(self.conv(x), self.scale).relu().mean((2, 3)))
            return out

    found, expected = (
        measure(construct(lambda: Scaled(function)), BATCH, ["near", "meco", "naswot"])  # noqa: B023
        for function in (lambda x, scale: torch.addcmul(x, x, scale), lambda x, scale: x + x * scale)
    )
    for name, score in expected.items():
        assert found[name].value == pytest.approx(score.value, rel=1e-4), name
