"""A score does not depend on the measures that are asked for beside it, to the last bit."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.measures import MEASURES
from eznas.minibatch import Minibatch
from eznas.networks import construct
from eznas.scoring.score_many import measure
from eznas.testing.measures import sample_minibatch

if TYPE_CHECKING:
    from eznas.status import Score

IMAGES = sample_minibatch(4, 8)
BATCH = Minibatch(IMAGES.images, IMAGES.labels % 3, 3, "test")
PROGRAMS = [
    "sum(mean(abs(input_grad.loss)))",
    "sum(mean(abs(conv_in_grad.loss)))",
    "sum(mean(abs(conv_out_grad.loss)))",
    "sum(mean(abs(norm_out_grad.data)))",
    "sum(mean(abs(weight_grad.loss)))",
    "sum(mean(input.noise))",
]
NAMES = [name for name, record in MEASURES.items() if not record.program] + PROGRAMS


class Mixed(nn.Module):
    """Functions whose derivative torch computes by another formula where it is differentiated again, and attention.

    The output of a block is read three times, so that gradients are added in some order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.SiLU(inplace=True))
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), norm, activation)
            for norm, activation in ((nn.BatchNorm2d(8), nn.Mish()), (nn.InstanceNorm2d(8, affine=True), nn.ReLU()))
        )
        self.squeeze = nn.Linear(8, 8)
        self.norm, self.project, self.out = nn.LayerNorm(8), nn.Linear(8, 24), nn.Linear(8, 8)
        self.wide, self.narrow, self.head = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = x + block(x) * functional.hardsigmoid(self.squeeze(x.mean((2, 3))))[..., None, None]
        tokens = functional.avg_pool2d(x, 2).flatten(2).mT
        query, key, value = self.project(self.norm(tokens)).chunk(3, -1)
        tokens = tokens + self.out(functional.scaled_dot_product_attention(query, key, value))
        tokens = tokens + self.narrow(functional.gelu(self.wide(self.norm(tokens))))
        out: Tensor = self.head(self.norm(tokens).mean(1))
        return out


def scores(names: list[str], *, frozen: bool) -> dict[str, Score]:
    return measure(construct(Mixed).requires_grad_(not frozen), BATCH, names)


def differences(some: dict[str, Score], others: dict[str, Score]) -> list[str]:
    return [
        name
        for name, score in some.items()
        if (score.status, score.detail, score.ok and score.value)
        != (others[name].status, others[name].detail, others[name].ok and others[name].value)
    ]


@pytest.mark.parametrize("frozen", [False, True])
def test_measures_alone_in_groups_and_together_are_equal(frozen: bool) -> None:
    together = scores(NAMES, frozen=frozen)
    assert {name for name, score in together.items() if not score.ok} <= {"logsynflow", "az_trainability"}
    assert frozen or together["grasp"].ok
    groups = [[name] for name in NAMES] if not frozen else [[name] for name in ("grasp", "near", *PROGRAMS)]
    draws = random.Random(0)
    groups += [draws.sample(NAMES, size) for size in (2, 3, 6, 12)]
    groups += [["grasp", name] for name in ("snip", "fisher", "attention_importance")]
    for group in groups:
        assert differences(scores(group, frozen=frozen), together) == [], group


def test_torch_has_other_formulas_for_derivatives_that_are_differentiated() -> None:
    x = torch.linspace(-3, 3, 64).requires_grad_()
    first, second = (
        torch.autograd.grad((functional.silu(x) ** 2).sum(), x, create_graph=graph)[0] for graph in (False, True)
    )
    torch.testing.assert_close(first, second)
    assert not torch.equal(first, second)  # otherwise the test above shows nothing
