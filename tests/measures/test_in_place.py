from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from eznas.networks import initialise
from eznas.passes.linearised import linearised_gradients


class PreActivated(nn.Module):
    """A block whose shortcut reads what its normalisation is given."""

    def __init__(self, *, inplace: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.normalise = nn.BatchNorm2d(4)
        self.activate = nn.ReLU(inplace=inplace)
        self.main = nn.Conv2d(4, 4, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = -self.stem(x)  # so that an activation changes something
        out: Tensor = x + self.main(self.activate(self.normalise(x)))
        return out.mean((2, 3))


@pytest.mark.parametrize("normalised", [True, False])
def test_an_activation_in_place_is_an_activation(*, normalised: bool) -> None:
    found = []
    for inplace in (False, True):
        network = PreActivated(inplace=inplace)
        initialise(network, 0)
        found.append(linearised_gradients(network, torch.ones(1, 3, 8, 8), normalised=normalised))
    for (weight, gradient), (weight_in_place, gradient_in_place) in zip(*found, strict=True):
        torch.testing.assert_close(weight_in_place, weight)
        torch.testing.assert_close(gradient_in_place, gradient)
