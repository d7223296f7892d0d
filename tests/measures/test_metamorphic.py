"""Rewrites of a network that keep its function keep every score, or are refused with a sentence."""

from __future__ import annotations

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

BATCH = sample_minibatch(4, 8)
NAMES = sorted(set(MEASURES) - {"eznas_a_released", "evolved_nb201", "eznas_a_paper"})  # the last two are slow

RELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "functional": functional.relu,
    "in place": torch.relu_,
    "clamp": lambda x: x.clamp(min=0),
    "threshold": lambda x: functional.threshold(x, 0, 0),
    "maximum": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "where": lambda x: torch.where(x > 0, x, torch.zeros_like(x)),
    "mask": lambda x: x * (x > 0),
}


class Block(nn.Module):
    """``norm(conv(relu(x)))`` in two branches, written in several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.left, self.right = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.Conv2d(4, 4, 1, bias=False)
        self.of_left, self.of_right = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.relu = nn.ReLU()

    def branch(self, x: Tensor, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Tensor:
        x = RELUS[self.how](x.clone() if self.how == "in place" else x) if self.how in RELUS else self.relu(x)
        computed = self.how == "computed"
        out: Tensor = norm(functional.conv2d(x, conv.weight * 1.0, padding="same") if computed else conv(x))
        return out

    def forward(self, x: Tensor) -> Tensor:
        if self.how == "checkpoint":
            left: Tensor = checkpoint(self.branch, x, self.left, self.of_left, use_reentrant=True)
        else:
            left = self.branch(x, self.left, self.of_left)
        return left + self.branch(x, self.right, self.of_right)


class Network(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))
        self.first, self.second = Block(how), Block(how)
        self.pool, self.head = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.pool(self.second(self.first(self.stem(x)))))
        return out


def network(how: str) -> nn.Module:
    made = construct(lambda: Network(how))
    if how == "channels last":
        made = made.to(memory_format=torch.channels_last)
    return nn.DataParallel(made) if how == "wrapped" else made


@pytest.fixture(scope="module")
def expected() -> dict[str, Score]:
    return measure(network("modules"), BATCH, NAMES)


@pytest.mark.parametrize("how", [*RELUS, "computed", "checkpoint", "wrapped", "channels last"])
def test_a_rewrite_keeps_every_score(how: str, expected: dict[str, Any]) -> None:
    for name, score in measure(network(how), BATCH, NAMES).items():
        if score.ok and expected[name].ok:
            assert score.value == pytest.approx(expected[name].value, rel=2e-3, abs=1e-6), (name, how)
        else:
            assert score.status is expected[name].status, (name, how, score)
            assert score.detail
