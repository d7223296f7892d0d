"""Normalisations that are written by hand are those that torch has a function for."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.capture import capture
from eznas.capture.call import Call
from eznas.networks import construct
from eznas.passes.norms import factors_of
from eznas.scoring.score_many import measure
from eznas.testing.measures import sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.status import Score

    Function = Callable[[Tensor, Tensor], Tensor]

BATCH = sample_minibatch(4, 8)
OF_OUTPUTS = ["fisher", "meco", "near", "ntk_condition", "snip", "swap"]
CHANNELS, EPSILON = 8, 1e-6
LAST = {"dim": -1, "keepdim": True}


def squares(x: Tensor) -> Tensor:
    return x.pow(2).mean(-1, keepdim=True) + EPSILON


def in_place(x: Tensor, weight: Tensor) -> Tensor:
    scale = x.clone().pow_(2).mean(-1, keepdim=True)
    return x.mul(scale.add_(EPSILON).rsqrt_()).mul_(weight)


def reshaped(x: Tensor, weight: Tensor) -> Tensor:
    rows = x.reshape(-1, CHANNELS)
    return (rows * squares(rows).rsqrt() * weight).view(x.shape)


RMS: list[Function] = [
    lambda x, weight: functional.rms_norm(x, (CHANNELS,), weight, EPSILON),
    lambda x, weight: x * torch.rsqrt(squares(x)) * weight,
    lambda x, weight: weight * (x.double() * squares(x.double()).rsqrt()).type_as(x),
    lambda x, weight: x / (x * x).mean(-1, keepdim=True).add(EPSILON).sqrt() * weight,
    lambda x, weight: x / squares(x) ** 0.5 * weight,
    lambda x, weight: x * ((x**2).sum(-1, keepdim=True) / CHANNELS + EPSILON).rsqrt() * weight,
    lambda x, weight: x * (x.square().mean(-1) + EPSILON).rsqrt().unsqueeze(-1) * weight,
    lambda x, weight: x * (x.square().mean(-1) + EPSILON).rsqrt()[..., None] * weight,
    lambda x, weight: x / (x.norm(dim=-1, keepdim=True) * CHANNELS**-0.5 + 1e-9) * weight,
    lambda x, weight: functional.normalize(x, dim=-1) * CHANNELS**0.5 * weight,
    lambda x, weight: x * (squares(x).rsqrt() * weight),
    lambda x, weight: x * weight / x.abs().pow(2).mean(-1, keepdim=True).clamp(min=EPSILON).sqrt(),
    lambda x, weight: functional.rms_norm(x, (CHANNELS,), None, EPSILON) * (1 + (weight - 1)),
    in_place,
    reshaped,
]


def centred(x: Tensor, weight: Tensor) -> Tensor:
    x = x - x.mean(-1, keepdim=True)
    return x * squares(x).rsqrt() * weight + 0.1 * weight


def moments(x: Tensor, weight: Tensor) -> Tensor:
    mean = x.mean(-1, keepdim=True)
    return (x - mean) * (x.pow(2).mean(-1, keepdim=True) - mean.pow(2) + EPSILON).rsqrt() * weight + 0.1 * weight


def twice(x: Tensor, weight: Tensor) -> Tensor:
    mean, scale = x.mean(-1, keepdim=True), (x.var(-1, keepdim=True, correction=0) + EPSILON).rsqrt()
    return x * scale * weight - mean * scale * weight + 0.1 * weight


def pair(x: Tensor, weight: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x, -1, keepdim=True, correction=0)
    return (x - mean) / (variance + EPSILON).sqrt() * weight + 0.1 * weight


LAYER: list[Function] = [
    lambda x, weight: functional.layer_norm(x, (CHANNELS,), weight, 0.1 * weight, EPSILON),
    lambda x, weight: functional.layer_norm(x, (CHANNELS,), None, None, EPSILON) * weight + 0.1 * weight,
    lambda x, weight: torch.addcmul(0.1 * weight, functional.layer_norm(x, (CHANNELS,), eps=EPSILON), weight),
    lambda x, weight: (
        torch.einsum("btc,c->btc", functional.layer_norm(x, (CHANNELS,), eps=EPSILON), weight) + 0.1 * weight
    ),
    lambda x, weight: (x - x.mean(-1)[..., None]) / (x.std(-1, False, keepdim=True) + 1e-9) * weight + 0.1 * weight,
    centred,
    moments,
    twice,
    pair,
]


def over(x: Tensor, weight: Tensor, axes: tuple[int, ...]) -> Tensor:
    weight = weight[:, None, None]
    mean, variance = x.mean(axes, keepdim=True), x.var(axes, keepdim=True, correction=0)
    return (x - mean) / (variance + EPSILON).sqrt() * weight + 0.1 * weight


def grouped(x: Tensor, weight: Tensor) -> Tensor:
    groups = x.view(len(x), 2, -1)
    groups = (groups - groups.mean(-1, keepdim=True)) / (groups.var(-1, keepdim=True, correction=0) + EPSILON).sqrt()
    return groups.view(x.shape) * weight[:, None, None] + 0.1 * weight[:, None, None]


def grouped_maps(x: Tensor, weight: Tensor) -> Tensor:
    groups = x.reshape(len(x), 2, CHANNELS // 2, *x.shape[2:])
    groups = groups - groups.mean((2, 3, 4), keepdim=True)
    groups = groups * (groups.square().mean((2, 3, 4), keepdim=True) + EPSILON).rsqrt()
    return groups.reshape(x.shape) * weight[:, None, None] + 0.1 * weight[:, None, None]


def permuted(x: Tensor, weight: Tensor) -> Tensor:
    x = functional.layer_norm(x.permute(0, 2, 3, 1), (CHANNELS,), weight, 0.1 * weight, EPSILON)
    return x.permute(0, 3, 1, 2)


MAPS: dict[str, list[Function]] = {
    "layer": [permuted, lambda x, weight: over(x, weight, (1,))],
    "batch": [
        lambda x, weight: functional.batch_norm(x, None, None, weight, 0.1 * weight, True, 0.1, EPSILON),
        lambda x, weight: over(x, weight, (0, 2, 3)),
    ],
    "group": [lambda x, weight: functional.group_norm(x, 2, weight, 0.1 * weight, EPSILON), grouped, grouped_maps],
    "instance": [
        lambda x, weight: functional.instance_norm(x, None, None, weight, 0.1 * weight, True, 0.1, EPSILON),
        lambda x, weight: over(x, weight, (2, 3)),
    ],
}


class Tokens(nn.Module):
    def __init__(self, norm: Function) -> None:
        super().__init__()
        self.norm, self.embed = norm, nn.Conv2d(3, CHANNELS, 4, 4)
        self.first, self.second = (nn.Parameter(torch.linspace(a, 2 - a, CHANNELS)) for a in (0.5, 1.5))
        self.query, self.key, self.value, self.out = (nn.Linear(CHANNELS, CHANNELS) for _ in range(4))
        self.wide, self.narrow, self.head = nn.Linear(CHANNELS, 16), nn.Linear(16, CHANNELS), nn.Linear(CHANNELS, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        y = self.norm(x, self.first)
        x = x + self.out((self.query(y) @ self.key(y).mT / 3).softmax(-1) @ self.value(y))
        x = x + self.narrow(functional.gelu(self.wide(self.norm(x, self.second))))
        out: Tensor = self.head(self.norm(x, self.first).mean(1))
        return out


class Maps(nn.Module):
    def __init__(self, norm: Function) -> None:
        super().__init__()
        self.norm, self.stem = norm, nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.first, self.second = (nn.Parameter(torch.linspace(a, 2 - a, CHANNELS)) for a in (0.5, 1.5))
        self.conv, self.head = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.Linear(CHANNELS, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x), self.first)
        x = x + self.norm(self.conv(x.relu()), self.second)
        out: Tensor = self.head(x.relu().mean((2, 3)))
        return out


def scores(kind: type[nn.Module], norm: Function, names: list[str]) -> dict[str, Score]:
    return measure(construct(lambda: kind(norm)), BATCH, names)  # type: ignore[call-arg]


@cache
def expected(kind: type[nn.Module], norm: Function) -> dict[str, Score]:
    return scores(kind, norm, [*OF_OUTPUTS, "evolved_nb201"])


CASES = [(Tokens, forms[0], form) for forms in (RMS, LAYER) for form in forms[1:]]
CASES += [(Maps, forms[0], form) for forms in MAPS.values() for form in forms[1:]]


@pytest.mark.parametrize(("kind", "norm", "form"), CASES)
def test_ways_to_write_a_normalisation(kind: type[nn.Module], norm: Function, form: Function) -> None:
    names = [*OF_OUTPUTS, "evolved_nb201"] if kind is Tokens else OF_OUTPUTS
    for name, score in scores(kind, form, names).items():
        assert score.ok, score
        assert score.value == pytest.approx(expected(kind, norm)[name].value, rel=2e-3, abs=1e-6), name


@pytest.mark.parametrize(
    "function",
    [
        lambda x, weight: x * x.mean(-1, keepdim=True) * weight,
        lambda x, weight: (x - x.mean(-1, keepdim=True)) * weight,
        lambda x, weight: x * (-x.norm(dim=-1, keepdim=True)).exp() * weight,
        lambda x, weight: x.exp() / x.exp().sum(-1, keepdim=True) * weight,
        lambda x, weight: x.unsqueeze(1).mul(x.unsqueeze(2)).mean(1) * weight,
    ],
)
def test_other_functions_of_a_mean_are_no_normalisations(function: Function) -> None:
    def hidden(x: Tensor, weight: Tensor) -> Tensor:
        with torch._C.DisableTorchFunction():
            return function(x, weight)

    found, without = scores(Tokens, function, ["near"]), scores(Tokens, hidden, ["near"])
    assert found["near"].value == pytest.approx(without["near"].value, rel=1e-4)


def two_norms(x: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    return tuple(functional.layer_norm(x, (CHANNELS,), weight, 0.1 * weight, EPSILON) for weight in (first, second))  # type: ignore[return-value]


def two_copies(x: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    x = functional.layer_norm(x, (CHANNELS,), eps=EPSILON)
    left, right = x * first, x * second
    right = right + 0.1 * second
    return left + 0.1 * first, right


def two_modulations(x: Tensor, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    x = functional.layer_norm(x, (CHANNELS,), eps=EPSILON)
    return torch.addcmul(0.1 * first, x, first), torch.addcmul(0.1 * second, x, second)


class Modulated(nn.Module):
    """Blocks whose branches read one normalisation, each with its own scale and shift, as in adaLN."""

    def __init__(self, pair: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.pair, self.embed = pair, nn.Conv2d(3, CHANNELS, 4, 4)
        self.first, self.second = (nn.Parameter(torch.linspace(a, 2 - a, CHANNELS)) for a in (0.5, 1.5))
        self.before, self.left, self.right = (nn.Linear(CHANNELS, CHANNELS) for _ in range(3))
        self.head = nn.Linear(CHANNELS, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(self.embed(x).flatten(2).transpose(1, 2))
        left, right = self.pair(x, self.first, self.second)
        x = self.left(left) + functional.gelu(self.right(right))
        out: Tensor = self.head(x.mean(1))
        return out


@pytest.mark.parametrize("copies", [two_copies, two_modulations])
def test_scaled_copies_of_a_normalisation_are_normalisations(copies: Any) -> None:
    twin, network = (construct(partial(Modulated, pair)) for pair in (two_norms, copies))
    found, expected = (measure(one, BATCH, OF_OUTPUTS) for one in (network, twin))
    for name, score in expected.items():
        assert found[name].value == pytest.approx(score.value, rel=2e-3, abs=1e-6), name
    left, right = (capture(one, BATCH, ["input.data", "norm_out.data"]) for one in (twin, network))
    assert left.units == right.units
    for one, other in zip(left.groups, right.groups, strict=True):
        for name in one.tensors:
            torch.testing.assert_close(one.stacked(name), other.stacked(name), msg=name)


def test_factors_of_a_normalisation_are_no_shifts() -> None:
    norm, left, right = torch.ones(2, CHANNELS), torch.ones(CHANNELS), torch.ones(CHANNELS)
    for args, expected in (
        ((norm, left, right), []),
        ((left, norm, right), [right]),
        ((left, right, norm), [right]),
        ((left, norm, left), [left]),
    ):
        found = factors_of(Call(torch.addcmul, args, None), norm)
        assert [id(one) for one in found] == [id(one) for one in expected]


class Watched(nn.Module):
    """Reads a permuted copy of its maps beside an activation."""

    def __init__(self, place: str) -> None:
        super().__init__()
        self.conv, self.head, self.place = nn.Conv2d(3, CHANNELS, 3), nn.Linear(CHANNELS, 10), place

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        copy = x.permute(0, 2, 3, 1) if self.place == "before" else None
        if self.place == "activated":
            x = torch.tanh(x.permute(0, 2, 3, 1)[:, 1:] + 0).permute(0, 3, 1, 2) + 0
        elif self.place == "sliced":
            x = torch.tanh(x[:, :, 1:] + 0)
        else:
            x = torch.tanh(x)
        copy = x.permute(0, 2, 3, 1) if copy is None else copy
        out: Tensor = self.head(x.relu().mean((2, 3)) + 0 * copy.mean((1, 2)))
        return out


@pytest.mark.parametrize(("place", "twin"), [("before", "behind"), ("activated", "sliced")])
def test_the_channels_are_those_of_the_tensor_that_an_activation_reads(place: str, twin: str) -> None:
    found, expected = (measure(construct(partial(Watched, one)), BATCH, ["near", "meco"]) for one in (place, twin))
    for name, score in expected.items():
        assert score.ok
        assert found[name].value == pytest.approx(score.value, rel=1e-5), name
