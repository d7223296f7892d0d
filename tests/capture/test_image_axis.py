"""Images on another axis than the first change no score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.capture import capture
from eznas.capture.call import Call
from eznas.capture.image_axis import ImageAxis
from eznas.networks import construct
from eznas.programs import evaluate, parse
from eznas.scoring.score_many import measure
from eznas.testing.measures import sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ["naswot", "swap", "linear_regions", "fisher", "meco", "near", "snip", "flops", "depth", "eznas_pnas"]
PROGRAMS = ["sum(effective_rank(input_grad.data))", "mean(frobenius_norm(norm_out.data))"]


MOVES: dict[str, Callable[[Tensor], Tensor]] = {
    "first": lambda x: x,
    "transpose": lambda x: x.transpose(0, 1),
    "permute": lambda x: x.permute(1, 0, 2),
    "movedim": lambda x: torch.movedim(x, 0, 1),
    "mT": lambda x: x.permute(1, 2, 0).mT,
    "data": lambda x: x.permute(1, 0, 2).data,
    "stack": lambda x: torch.stack(x.unbind(1)),
    "cat": lambda x: torch.cat([x.transpose(0, 1)[:3], x.transpose(0, 1)[3:]]),
    "einsum": lambda x: torch.einsum("btc,tc->tbc", x, x.new_ones(x.shape[1:])),
    "rows": lambda x: x.transpose(0, 1).reshape(-1, 12),
}


class Tokens(nn.Module):
    """Layers on tokens, with the images on the first or on the second axis."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.first, self.norm, self.second = nn.Linear(12, 8), nn.LayerNorm(8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(2).transpose(1, 2).reshape(len(x), -1, 12)
        x = MOVES[self.how](x)
        x = self.norm(self.first(x))
        x = x + self.norm(self.second(torch.relu(x)))
        if self.how == "rows":
            x = x.reshape(16, -1, 8)
        out: Tensor = self.head(torch.relu(x).mean(1 if self.how == "first" else 0))
        return out


@pytest.mark.parametrize("images", [4, 5])
@pytest.mark.parametrize("how", [how for how in MOVES if how != "first"])
def test_the_axis_of_the_images_makes_no_difference(how: str, images: int) -> None:
    batch = sample_minibatch(images, 8)
    expected = measure(construct(lambda: Tokens("first")), batch, NAMES)
    found = measure(construct(lambda: Tokens(how)), batch, NAMES)
    for name in NAMES:
        assert found[name].status is expected[name].status, (name, found[name])
        if expected[name].ok:
            assert found[name].value == pytest.approx(expected[name].value, rel=1e-5, abs=1e-9), name
    programs = [parse(text) for text in PROGRAMS]
    left, right = (evaluate(programs, construct(lambda way=way: Tokens(way)), batch) for way in ("first", how))  # type: ignore[misc]
    for one, other in zip(left, right, strict=True):
        assert other.value == pytest.approx(one.value, rel=1e-5)


def test_a_stack_of_images_has_them_first() -> None:
    images = torch.zeros(4, 4, 4, 2)
    axes = ImageAxis()
    axes.images = 4
    for tensors, expected in ((list(images), 0), ([images] * 3, 1), ([images] * 4, 0)):
        out = torch.stack(tensors)
        axes.follow(Call(torch.stack, (tensors,), None), out)
        assert axes.of(out).axis == expected
        axes.follow(Call(torch.sum, (out, 0), None), total := out.sum(0))
        assert axes.of(total).axis == 0


def test_an_attribute_keeps_the_axis() -> None:
    features = torch.zeros(4, 3)
    axes = ImageAxis()
    axes.images = 4
    for get, expected in ((Tensor.data.__get__, 0), (Tensor.T.__get__, 1)):  # type: ignore[attr-defined]
        out = get(features)
        axes.follow(Call(get, (features,), None), out)
        assert axes.of(out).axis == expected


@pytest.mark.parametrize("images", [4, 5])
@pytest.mark.parametrize("width", [4, 6])
def test_a_computed_weight_has_no_images(images: int, width: int) -> None:
    class Computing(nn.Module):
        mask: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.weight = nn.Linear(192, 4), nn.Parameter(torch.ones(4, width))
            self.register_buffer("mask", torch.ones(4, width))
            self.head = nn.Linear(width, 10)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.stem(x.flatten(1)))
            out: Tensor = self.head(torch.relu(functional.linear(x, (self.weight * self.mask).t())))
            return out

    units = capture(construct(Computing), sample_minibatch(images, 8), units="any").units
    assert [unit.weight_shape for unit in units] == [(4, 192, 1, 1), (width, 4, 1, 1), (10, width, 1, 1)]
    assert [unit.output_shape[:2] for unit in units] == [(images, 4), (images, width), (images, 10)]


def test_the_units_of_an_encoder_that_wants_tokens_first() -> None:
    class Encoder(nn.Module):
        def __init__(self, *, batch_first: bool) -> None:
            super().__init__()
            self.batch_first = batch_first
            self.layer = nn.TransformerEncoderLayer(12, 2, 16, 0.0, batch_first=batch_first)
            self.head = nn.Linear(12, 10)

        def forward(self, x: Tensor) -> Tensor:
            x = x.reshape(len(x), -1, 12)
            mixed = self.layer(x) if self.batch_first else self.layer(x.transpose(0, 1)).transpose(0, 1)
            out: Tensor = self.head(mixed.mean(1))
            return out

    batch = sample_minibatch(4, 8)
    one, other = (capture(construct(lambda first=first: Encoder(batch_first=first)), batch) for first in (True, False))  # type: ignore[misc]
    assert [unit.input_shape for unit in other.units] == [unit.input_shape for unit in one.units]
    for left, right in zip(one.groups, other.groups, strict=True):
        for name in left.tensors:
            torch.testing.assert_close(left.stacked(name), right.stacked(name), rtol=1e-4, atol=1e-5)


def test_a_tensor_whose_images_are_on_several_axes_is_not_read() -> None:
    class Mixing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.head = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 10)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x.reshape(4, 16, 12)).transpose(0, 1)
            x = self.second(x.reshape(32, 2, 12)).reshape(16, 4, 12)
            out: Tensor = self.head(x.mean(0))
            return out

    captured = capture(construct(Mixing), sample_minibatch(4, 8), [])
    assert [(unit.name, unit.input_shape) for unit in captured.units] == [
        ("first", (4, 12, 16, 1)), ("head", (4, 12, 1, 1)),
    ]  # fmt: skip
    assert [(layer.name, layer.reason) for layer in captured.skipped] == [("second", "its images are not on one axis")]


def test_a_tensor_that_is_cut_from_the_graph_has_a_gradient() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(12, 12), nn.Linear(12, 10)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.first(x.reshape(4, 16, 12).data).mean(1))
            return out

    network = construct(Cut)
    captured = capture(network, sample_minibatch(4, 8), ["conv_in_grad.data"])
    weight = (network.head.weight @ network.first.weight).sum(0).detach() / 16
    found = captured.groups[0].tensors["conv_in_grad.data"][0]
    torch.testing.assert_close(found, weight[None, :, None, None].expand(4, 12, 16, 1))
