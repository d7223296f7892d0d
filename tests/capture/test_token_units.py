"""Units of networks on tokens: their layers, the functions around them, and attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas import units
from eznas.capture import Capture, capture
from eznas.networks import construct
from eznas.programs import evaluate, parse
from eznas.testing.measures import sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = sample_minibatch(4, 8)
VALUES = ["weight", "input.data", "conv_in.data", "conv_out.data", "norm_out.data"]
GRADIENTS = ["weight_grad.loss", "input_grad.loss", "conv_in_grad.data", "conv_out_grad.loss", "norm_out_grad.data"]


class ByHand(nn.Module):
    """Layer normalisation, written in several calls."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5) * self.weight + self.bias


class Block(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        norm: Any = ByHand if how == "by hand" else nn.LayerNorm
        self.how, self.first, self.second = how, norm(8), norm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.wide, self.narrow, self.dropout = nn.Linear(8, 16), nn.Linear(16, 8), nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        x = x + self.attend(y)
        y = self.second(x)
        if self.how == "folded":
            y = y.flatten(0, 1)
        y = self.narrow(self.dropout(functional.gelu(self.wide(y))))
        return x + y.view_as(x)

    def attend(self, y: Tensor) -> Tensor:
        if self.how == "module":
            mixed: Tensor = self.attention(y, y, y)[0]
            return mixed
        weight, bias = self.attention.in_proj_weight, self.attention.in_proj_bias
        query, key, value = functional.linear(y, weight, bias).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        maps = (query @ key.transpose(-2, -1) * 0.5).softmax(-1)
        out: Tensor = self.attention.out_proj((maps @ value).transpose(1, 2).flatten(2))
        return out


class Transformer(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.embed, self.place = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.randn(1, 4, 8))
        self.block, self.norm, self.head = Block(how), nn.LayerNorm(8), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2) + self.place
        out: Tensor = self.head(self.norm(self.block(tokens)).mean(1))
        return out


def by_unit(captured: Capture) -> dict[tuple[int, str], Tensor]:
    return {
        (unit, name): tensor
        for group in captured.groups
        for name, tensors in group.tensors.items()
        for unit, tensor in zip(group.units, tensors, strict=True)
    }


def test_the_units_of_a_transformer() -> None:
    captured = capture(construct(lambda: Transformer("module")), BATCH, [])
    facts = [(unit.name, unit.kind, unit.front, unit.behind, unit.input_shape) for unit in captured.units]
    assert facts == [
        ("embed", "conv2d", "", "", (4, 3, 8, 8)),
        ("block.attention.in_proj_weight", "linear", "layer_norm", "", (4, 8, 4, 1)),
        ("block.attention.attention", "attention", "softmax", "", (4, 2, 4, 4)),
        ("block.attention.out_proj", "linear", "", "", (4, 8, 4, 1)),
        ("block.wide", "linear", "layer_norm", "gelu", (4, 8, 4, 1)),
        ("block.narrow", "linear", "gelu", "", (4, 16, 4, 1)),
        ("head", "linear", "", "", (4, 8, 1, 1)),
    ]
    assert {layer.name: layer.reason for layer in captured.skipped} == {"place": "read by add, not by a layer"}
    layers = capture(construct(lambda: Transformer("module")), BATCH, [], "any").units
    assert [unit.name for unit in layers] == [unit.name for unit in captured.units if unit.kind != "attention"]


@pytest.mark.parametrize(
    "swapped",
    [
        lambda x: torch.transpose(x, 0, 1),
        lambda x: torch.transpose(input=x, dim0=0, dim1=1),
        lambda x: torch.permute(input=x, dims=(1, 0, 2)),
    ],
)
def test_a_permutation_of_other_axes_passes_an_activation_on_however_it_is_called(
    swapped: Callable[[Tensor], Tensor],
) -> None:
    class Mixer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(8, 6), nn.Linear(6, 5)

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x[:, 0]).relu()
            return swapped(self.second(swapped(x))).mean(1)

    assert [unit.front for unit in units(construct(Mixer), BATCH).units] == ["", "relu"]


def test_statistics_by_their_formulas() -> None:
    network = construct(lambda: Transformer("module"))
    found = by_unit(capture(network, BATCH, [*VALUES, *GRADIENTS]))
    block: Any = network.block
    tokens = network.embed(BATCH.images).flatten(2).transpose(1, 2) + network.place
    normed = block.first(tokens)
    middle = (tokens + block.attend(normed)).detach().requires_grad_()
    second = block.second(middle)
    wide = block.wide(second)
    active = functional.gelu(wide)
    out = network.head(network.norm(middle + block.narrow(active)).mean(1))
    assert torch.equal(found[4, "input.data"][..., 0].mT.round(decimals=4), middle.detach().round(decimals=4))
    for unit, name, expected in ((4, "conv_in.data", second), (4, "norm_out.data", active), (5, "input.data", wide)):
        torch.testing.assert_close(found[unit, name][..., 0].mT, expected.detach(), rtol=1e-4, atol=1e-5)
    [gradient] = torch.autograd.grad(out.sum(), [active])
    torch.testing.assert_close(found[4, "norm_out_grad.data"][..., 0].mT, gradient, rtol=1e-4, atol=1e-6)
    maps, scores = found[2, "conv_in.data"], found[2, "input.data"]
    torch.testing.assert_close(scores.softmax(-1), maps)
    values = found[2, "weight"].reshape(2, 4, 4, 4)  # heads, width, images, keys
    heads = torch.einsum("bhts,hdbs->bhdt", maps, values).reshape(4, 8, 4, 1)
    torch.testing.assert_close(found[2, "conv_out.data"], heads, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[3, "conv_in.data"], heads, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("how", ["by hand", "folded", "matrices"])
def test_ways_to_write_a_transformer(how: str) -> None:
    expected, found = (
        by_unit(capture(construct(lambda way=way: Transformer(way)), BATCH, [*VALUES, *GRADIENTS]))  # type: ignore[misc]
        for way in ("module", how)
    )
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, rtol=1e-3, atol=1e-4, msg=lambda text, key=key: f"{key}: {text}")


def test_the_values_of_attention_are_those_of_the_minibatch() -> None:
    network = construct(lambda: Transformer("module"))
    programs = [parse("sum(frobenius_norm(weight))"), parse("sum(mean(conv_in.noise))")]
    alone = evaluate(programs[:1], network, BATCH)
    assert evaluate(programs, network, BATCH)[0] == alone[0]


def test_embeddings_and_gates() -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.gate, self.up = nn.Embedding(20, 6), nn.Linear(6, 9), nn.Linear(6, 9)
            self.down, self.head = nn.Linear(9, 6), nn.Linear(6, 10)

        def forward(self, x: Tensor) -> Tensor:
            words = self.words((x[:, 0, 0].abs() * 5).long().clamp(max=19))
            mixed = self.down(functional.silu(self.gate(words)) * self.up(words))
            out: Tensor = self.head(mixed.mean(1))
            return out

    network = construct(Gated)
    captured = capture(network, BATCH, ["conv_in.data", "conv_in_grad.data", "weight_grad.loss", "input.data"])
    facts = [(unit.name, unit.front, unit.behind, unit.weight_shape) for unit in captured.units]
    assert facts == [
        ("words", "", "", (6, 20, 1, 1)),
        ("gate", "", "silu", (9, 6, 1, 1)),
        ("up", "", "", (9, 6, 1, 1)),
        ("down", "silu", "", (6, 9, 1, 1)),
        ("head", "", "", (10, 6, 1, 1)),
    ]
    found = by_unit(captured)
    assert found[0, "conv_in.data"].shape == (4, 6, 8, 1)
    assert found[0, "conv_in_grad.data"].any()
    torch.testing.assert_close(found[3, "input.data"], network.gate(found[0, "conv_in.data"][..., 0].mT).mT[..., None])


def test_the_report_of_units() -> None:
    report = units(construct(lambda: Transformer("module")), BATCH)
    assert [row.name for row in report.units][:2] == ["embed", "block.attention.in_proj_weight"]
    weights = 3 * 16 * 8 + 3 * 64 + 64 + 2 * 128 + 80
    assert report.read_parameters == weights
    assert report.share == weights / report.parameters
    assert [(row.name, row.reason) for row in report.rows if row.reason] == [("place", "read by add, not by a layer")]
