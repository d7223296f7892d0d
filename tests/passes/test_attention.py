"""Attention is recorded however it is written, and has the values of its formula."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from eznas.capture.attention import attention
from eznas.errors import UndefinedError
from eznas.networks import construct
from eznas.passes.network_passes import NetworkPasses
from eznas.testing.measures import sample_minibatch

if TYPE_CHECKING:
    from eznas.passes.results import Attention

BATCH = sample_minibatch(4, 8)
WAYS = ["sdpa", "matmul", "bmm", "dropout", "module", "module with maps", "tokens first", "tokens first with maps"]
WAYS += ["einsum", "einsum of values first"]


class Attending(nn.Module):
    """Attention with three heads on 16 tokens of 12 channels, written in several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.attention = nn.MultiheadAttention(12, 3, batch_first="first" not in how)
        self.head = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = x.reshape(len(x), -1, 12)
        mixed = self.by_module(x) if self.how.startswith(("module", "tokens")) else self.by_hand(x)
        out: Tensor = self.head(mixed.mean(1))
        return out

    def by_module(self, x: Tensor) -> Tensor:
        first = "first" in self.how
        x = x.transpose(0, 1) if first else x
        mixed: Tensor = self.attention(x, x, x, need_weights="maps" in self.how)[0]
        return mixed.transpose(0, 1) if first else mixed

    def by_hand(self, x: Tensor) -> Tensor:
        weight, bias = self.attention.in_proj_weight, self.attention.in_proj_bias
        fused = functional.linear(x, weight, bias).reshape(*x.shape[:2], 3, 3, 4)
        query, key, value = fused.permute(2, 0, 3, 1, 4)
        if self.how == "sdpa":
            heads = functional.scaled_dot_product_attention(query, key, value)
        else:
            maps = (query @ key.mT / 2).softmax(-1)
            if self.how == "dropout":
                maps = functional.dropout(maps, 0.0)
            if self.how == "einsum":
                heads = torch.einsum("bhqk,bkhd->bqhd", maps, value.transpose(1, 2)).transpose(1, 2)
            elif self.how == "einsum of values first":
                heads = torch.einsum("bhkd, bhqk -> bhqd", value, maps)
            elif self.how == "bmm":
                heads = torch.bmm(maps.flatten(0, 1), value.flatten(0, 1)).view_as(value)
            else:
                heads = maps @ value
        out: Tensor = self.attention.out_proj(heads.transpose(1, 2).flatten(2))
        return out


def attentions(how: str) -> list[Attention]:
    parts = ["attentions", "attention_gradients"]
    with NetworkPasses(construct(lambda: Attending(how)), BATCH, parts) as passes:
        return [*passes.attentions(), *passes.attention_gradients()]


def test_maps_and_heads_by_their_formulas() -> None:
    network = construct(lambda: Attending("sdpa"))
    x = BATCH.images.reshape(4, -1, 12)
    fused = functional.linear(x, network.attention.in_proj_weight, network.attention.in_proj_bias)
    query, key, value = (part.unflatten(-1, (3, 4)).transpose(1, 2) for part in fused.split(12, -1))
    maps = torch.softmax(query @ key.mT / math.sqrt(4), -1)
    heads = maps @ value
    logits = network.head(network.attention.out_proj(heads.transpose(1, 2).flatten(2)).mean(1))
    loss = functional.cross_entropy(logits, BATCH.labels)
    values, gradients = attentions("sdpa")
    assert values.name == "attention.attention"
    for found, expected in zip(
        (values.maps, values.heads, gradients.maps, gradients.heads),
        (maps, heads, *torch.autograd.grad(loss, [maps, heads])),
        strict=True,
    ):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("how", WAYS[1:])
def test_ways_to_write_attention(how: str) -> None:
    for found, expected in zip(attentions(how), attentions("sdpa"), strict=True):
        torch.testing.assert_close(found.maps, expected.maps)
        torch.testing.assert_close(found.heads, expected.heads)


def test_a_network_without_attention() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 10), nn.Softmax(-1))
    with NetworkPasses(network, BATCH, ["attentions"]) as passes, pytest.raises(UndefinedError, match="no attention"):
        passes.attentions()


@pytest.mark.parametrize(
    "masked", ["nothing", "booleans", "a whole row", "numbers", "a row of -inf", "later tokens", "scale", "groups"]
)
def test_products_are_those_of_the_kernel_to_the_bit(masked: str) -> None:
    numbers = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 4, 5, 8, generator=numbers) for _ in range(3))
    mask = torch.rand(5, 5, generator=numbers) > 0.3
    if masked == "groups":
        key, value = key[:, :2], value[:, :2]
    options = {
        "booleans": {"attn_mask": mask | torch.eye(5, dtype=torch.bool)},
        "a whole row": {"attn_mask": mask & (torch.arange(5) != 2)[:, None]},
        "numbers": {"attn_mask": torch.randn(5, 5, generator=numbers)},
        "a row of -inf": {"attn_mask": torch.zeros(5, 5).masked_fill((torch.arange(5) == 2)[:, None], -math.inf)},
        "later tokens": {"is_causal": True},
        "scale": {"scale": -0.3},
        "groups": {"enable_gqa": True},
    }.get(masked, {})
    with sdpa_kernel(SDPBackend.MATH):
        expected = functional.scaled_dot_product_attention(query, key, value, **options)  # type: ignore[arg-type]
    assert torch.equal(attention(query, key, value, **options), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("numbers", [False, True])
def test_gradients_of_a_row_without_keys_are_zero(numbers: bool) -> None:
    query, key, value = (torch.ones(1, 1, 3, 2, requires_grad=True) for _ in range(3))
    allowed = torch.tensor([[True, True, False], [False, False, False], [True, True, True]])
    mask = torch.zeros(3, 3).masked_fill(~allowed, -math.inf) if numbers else allowed
    out = attention(query, key, value, mask)
    assert out[0, 0].detach().tolist() == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]]
    gradients = torch.autograd.grad(out.sum(), [query, key, value])
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert gradients[0][0, 0, 1].tolist() == [0.0, 0.0]
