"""Rewrites of random small networks and of a small transformer keep every score, or are refused with a sentence."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from eznas.measures import MEASURES
from eznas.networks import construct
from eznas.scoring.score_many import measure
from eznas.testing.measures import sample_minibatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from eznas.status import Score

BATCH = replace(sample_minibatch(4, 8), digest="")
BATCH = replace(BATCH, images=BATCH.images.double())
NAMES = sorted(MEASURES)
READS_ORDER = {"az_progressivity", "evolved_compact", "evolved_forward", "evolved_general"}
"""Measures that read steps from one layer to the next that runs, such as ``mean_abs_difference(X)``."""
READS_MODULES = dict.fromkeys(("az_expressivity", "az_progressivity", "az_trainability"), ("computed", "calls"))
RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "clamp": lambda x: x.clamp(min=0),
    "threshold": lambda x: functional.threshold(x, 0, 0),
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "where": lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
    "mask": lambda x: x * (x > 0),
}
READS_MODULES["eznas_a_released"] = ("computed", "calls", "functional", "in place", *RELUS)
"""Measures that read which modules run, and the rewrites that run other ones."""
SAME = ("functional", "calls", "in place", "swapped", "computed", "checkpoint", "wrapped", "channels last")
MODULES: dict[str, Any] = {"relu": nn.ReLU, "silu": nn.SiLU, "leaky_relu": nn.LeakyReLU}


class Convolutional(nn.Module):
    """A stem and two blocks with two branches, whose kernels, activations and merges are drawn at random."""

    def __init__(self, seed: int, how: str) -> None:
        super().__init__()
        draw = random.Random(seed)
        self.how, self.act = how, draw.choice(list(MODULES))
        self.stem, self.norm = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        kernels = [draw.choice((1, 3)) for _ in range(4)]
        self.merges = [draw.choice(("add", "mean")) for _ in range(2)]
        self.convs = nn.ModuleList(nn.Conv2d(4, 4, size, padding=size // 2, bias=False) for size in kernels)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in kernels)
        self.module, self.head = MODULES[self.act](), nn.Linear(4, 10)

    def branch(self, x: Tensor, place: int) -> Tensor:
        if self.how in ("functional", "calls"):
            x = getattr(functional, self.act)(x)
        elif self.how == "in place":
            x = getattr(functional, self.act)(x.clone(), inplace=True)
        elif self.how in RELUS:
            x = RELUS[self.how](x)
        else:
            x = self.module(x)
        conv, norm = self.convs[place], self.norms[place]
        if self.how == "computed":
            out = functional.conv2d(x, conv.weight * 1.0, padding=conv.kernel_size[0] // 2)  # type: ignore[operator,index]
        elif self.how == "calls":
            out = functional.conv2d(x, conv.weight, padding="same")  # type: ignore[arg-type]
            averages: Any = (norm.running_mean, norm.running_var)
            return functional.batch_norm(out, *averages, norm.weight, norm.bias, self.training)  # type: ignore[arg-type]
        else:
            out = conv(x)
        normed: Tensor = norm(out)
        return normed

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x))
        for block, merge in enumerate(self.merges):
            places = (2 * block, 2 * block + 1)
            if self.how == "swapped":
                right = self.branch(x, places[1])
                left = self.branch(x, places[0])
            elif self.how == "checkpoint":
                left, right = (checkpoint(self.branch, x, place, use_reentrant=True) for place in places)
            else:
                left, right = (self.branch(x, place) for place in places)
            x = left + right if merge == "add" else (left + right) / 2
        out: Tensor = self.head(torch.relu(x).mean((2, 3)))
        return out


class Attention(nn.Module):
    """Attention with two heads on tokens of eight channels, from a fused projection, in several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.attention = how, nn.MultiheadAttention(8, 2, batch_first=how != "tokens first")

    def forward(self, x: Tensor) -> Tensor:
        return self.by_hand(x) if self.how in ("sdpa", "matmul") else self.by_module(x)

    def by_module(self, x: Tensor) -> Tensor:
        first = self.how == "tokens first"
        x = x.transpose(0, 1) if first else x
        mixed: Tensor = self.attention(x, x, x, need_weights=not first)[0]
        return mixed.transpose(0, 1) if first else mixed

    def by_hand(self, x: Tensor) -> Tensor:
        weight, bias = self.attention.in_proj_weight, self.attention.in_proj_bias
        query, key, value = functional.linear(x, weight, bias).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        if self.how == "sdpa":
            heads = functional.scaled_dot_product_attention(query, key, value)
        else:
            heads = (query @ key.transpose(-2, -1) / 2).softmax(-1) @ value
        out: Tensor = self.attention.out_proj(heads.transpose(1, 2).flatten(2))
        return out


class Transformer(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.embed = how, nn.Conv2d(3, 8, 4, 4)
        self.first, self.attention, self.second = nn.LayerNorm(8), Attention(how), nn.LayerNorm(8)
        self.left, self.right = nn.Linear(8, 8), nn.Linear(8, 8)
        self.wide, self.act, self.narrow = nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8)
        self.head = nn.Linear(8, 10)

    def mlp(self, x: Tensor) -> Tensor:
        wide = functional.linear(x, self.wide.weight * 1.0, self.wide.bias) if self.how == "computed" else self.wide(x)
        ways = {"in place": torch.relu_, "functional": functional.relu}
        out: Tensor = self.narrow(ways.get(self.how, self.act)(wide))
        return out

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = x + self.attention(self.first(x))
        y = self.second(x)
        y = checkpoint(self.mlp, y, use_reentrant=True) if self.how == "checkpoint" else self.mlp(y)
        if self.how == "swapped":
            right = self.right(y)
            y = self.left(y) + right
        else:
            y = self.left(y) + self.right(y)
        out: Tensor = self.head((x + y).mean(1))
        return out


def network(kind: str, how: str) -> nn.Module:
    if kind == "transformer":
        made: nn.Module = construct(lambda: Transformer(how))
    else:
        made = construct(lambda: Convolutional(int(kind), how))
    made = made.double()
    if how == "channels last":
        made = made.to(memory_format=torch.channels_last)
    return nn.DataParallel(made) if how == "wrapped" else made


@cache
def expected(kind: str) -> dict[str, Score]:
    return measure(network(kind, "modules"), BATCH, NAMES)


CASES = [(kind, how) for kind in ("0", "1", "2") for how in SAME]
CASES += [("1", how) for how in RELUS]  # whose activation is ReLU
CASES += [("transformer", how) for how in ("tokens first", "sdpa", "matmul", *SAME) if how != "calls"]


@pytest.mark.parametrize(("kind", "how"), CASES)
def test_a_rewrite_keeps_every_score(kind: str, how: str) -> None:
    for name, score in measure(network(kind, how), BATCH, NAMES).items():
        before = expected(kind)[name]
        if how == "swapped" and name in READS_ORDER:
            continue
        if how in READS_MODULES.get(name, ()):
            continue
        if score.ok and before.ok:
            assert score.value == pytest.approx(before.value, rel=1e-6, abs=1e-9), name
        else:
            assert score.status is before.status, (name, score)
            assert score.detail
