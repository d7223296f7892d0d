from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.capture import Capture, CaptureError, capture, capture_part, outline_network
from eznas.minibatch import load_minibatch
from eznas.primitives import STATISTICS

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCH = load_minibatch("digits", 4, pixels=8)


class Net(nn.Module):
    """Units of three shapes beside a shortcut, with an activation in place, dropout and a counter of its passes."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.convs = nn.ModuleList([nn.Conv2d(4, 4, 3, padding=1) for _ in range(3)])
        self.norms = nn.ModuleList([nn.BatchNorm2d(4) for _ in range(3)])
        self.head = nn.Linear(4, 10)
        self.register_buffer("scale", torch.ones(1))
        self.passes = 0

    def forward(self, x: Tensor) -> Tensor:
        """Scale by the number of passes so far, so that a pass from another state gives other values."""
        self.passes += 1
        self.scale.mul_(1.5)
        x = self.stem(x) * self.scale * self.passes
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = functional.dropout(x, 0.2) + norm(conv(functional.relu(x * 1.25, inplace=True)))
        return self.head(functional.gelu(x).mean((2, 3)))


def joined(parts: Sequence[Capture]) -> dict[str, list[Tensor]]:
    """Return the statistics of captures by unit, in order."""
    rows: dict[str, list[Tensor]] = {}
    for part in parts:
        for name in sorted(part.names - set(part.images)):
            by_place = {
                place: tensor
                for group in part.groups
                for place, tensor in zip(group.units, group.tensors[name], strict=True)
            }
            rows.setdefault(name, []).extend(by_place[place] for place in range(len(part.units)))
    return rows


@pytest.mark.parametrize("graph", [None, 1, 3000, 10**9])
@pytest.mark.parametrize("units", ["complete", "any"])
def test_parts_have_the_statistics_of_the_whole_bit_for_bit(graph: int | None, units: str) -> None:
    network = Net()
    whole = capture(network, BATCH, STATISTICS, units)
    shape = outline_network(network, BATCH, units)
    assert [unit.output_shape for unit in shape.units] == [unit.output_shape for unit in whole.units]
    places = [[place, place + 1] for place in range(0, len(shape.units) - 1, 2)]
    places += [[len(shape.units) - 1]] if len(shape.units) % 2 else []
    parts = [capture_part(network, BATCH, STATISTICS, units, shape, some, graph) for some in places]
    expected, found = joined([whole]), joined(parts)
    assert found.keys() == expected.keys()
    for name, tensors in expected.items():
        assert all(map(torch.equal, found[name], tensors)), name
    assert all(torch.equal(part.images[name], whole.images[name]) for part in parts for name in whole.images)
    assert [unit.name for part in parts for unit in part.units] == [unit.name for unit in whole.units]
    assert network.passes == 0
    assert network.scale.item() == 1


def test_the_outline_counts_what_a_pass_holds() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))
    shape = outline_network(network, BATCH, graph=True)
    maps = 4 * 4 * 8 * 8 * 4  # bytes: images, channels, height, width, float32
    images = maps * 3 // 4
    # a ReLU reads one map and writes another, beside the images and the copy that enters the network
    assert 2 * maps <= shape.live <= 2 * maps + 2 * images
    # saved: the images, and the output of the ReLU for itself and for the linear layer
    assert shape.graph == maps + images
    assert shape.saved == maps


def test_a_network_that_changes_between_passes_is_refused() -> None:
    class Longer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 10)

        def forward(self, x: Tensor) -> Tensor:
            for _ in range(len(x) // 2):
                x = self.conv(x)[:, :3]
            return self.head(functional.pad(x, (0, 0, 0, 0, 0, 1)).mean((2, 3)))

    network = Longer()
    with pytest.raises(CaptureError, match="must run the same layers for all images"):
        capture_part(network, BATCH, ["conv_in.data"], "any", outline_network(network, BATCH, "any"), [0])
