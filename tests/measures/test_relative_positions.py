"""Attention whose bias depends on the relative positions of tokens."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from eznas.networks import construct
from eznas.scoring.score_many import measure
from eznas.testing.measures import sample_minibatch


class Biased(nn.Module):
    """Attention with a bias for each pair of tokens, from a table or computed from their positions by layers."""

    def __init__(self, *, computed: bool) -> None:
        super().__init__()
        self.embed, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 10)
        self.project, self.out = nn.Linear(8, 24), nn.Linear(8, 8)
        self.layers = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 2))
        self.register_buffer("positions", torch.linspace(-1, 1, 2 * 4 * 4).view(4, 4, 2))
        self.table, self.computed = nn.Parameter(torch.empty(4, 4, 2)), computed

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2)
        query, key, value = self.project(x).unflatten(-1, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        table = self.layers(self.positions) if self.computed else self.table
        bias = table.permute(2, 0, 1)[None].contiguous()
        heads = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        out: Tensor = self.head((x + self.out(heads.transpose(1, 2).flatten(2))).relu().mean(1))
        return out


def test_images_are_not_sought_in_what_layers_compute_of_positions() -> None:
    names = ["softmax_confidence", "attention_importance", "dss", "naswot", "swap"]
    programs = ["sum(mean(abs(input_grad.data)))", "sum(mean(abs(input.noise)))"]
    table, network = (construct(lambda: Biased(computed=computed)) for computed in (False, True))  # noqa: B023
    with torch.no_grad():
        table.load_state_dict(network.state_dict())
        table.table.copy_(network.layers(network.positions))
    expected, found = (measure(one, sample_minibatch(4, 8), names) for one in (table, network))
    for name, score in expected.items():
        assert found[name].value == pytest.approx(score.value, rel=1e-5), (name, score, found[name])
    for program, score in measure(network, sample_minibatch(4, 8), [*programs, "evolved_nb201"]).items():
        assert score.ok, (program, score)  # each pass has the same units
