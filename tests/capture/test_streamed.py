from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.capture import CaptureError, Outline, Passes, capture, open_stream, outline_network, translated_errors
from eznas.capture.streamed import _Pass
from eznas.minibatch import load_minibatch
from eznas.primitives import STATISTICS, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from eznas.capture import Capture
    from eznas.minibatch import Minibatch

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


class ByHand(nn.Module):
    """An activation and a normalisation by hand, a weight that is computed, and a layer that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3, padding=1))
        self.twice, self.head = nn.Linear(4, 4), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).mean((2, 3))
        for _ in range(2):
            centred = x - x.mean(-1, keepdim=True)
            normalised = centred / (centred.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
            x = x + self.twice(normalised * torch.sigmoid(normalised))
        return self.head(x)


class Attending(nn.Module):
    """Tokens of patches, with attention, normalisations in front of layers and an activation behind one."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.before, self.behind = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.wide, self.narrow, self.head = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).mT
        y = self.before(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        x = x + self.narrow(functional.gelu(self.wide(self.behind(x))))
        return self.head(x.mean(1))


OF_UNITS = [name for name, statistic in STATISTICS.items() if statistic.kind is not Kind.IMAGE]


def by_unit(whole: Capture) -> dict[tuple[int, str], Tensor]:
    return {
        (place, name): tensor
        for group in whole.groups
        for name, tensors in group.tensors.items()
        for place, tensor in zip(group.units, tensors, strict=True)
    }


def streamed(
    network: nn.Module, minibatch: Minibatch, requests: Sequence[frozenset[str]], shape: Outline, graph: int | None
) -> dict[tuple[int, int, str], Tensor]:
    """Return the statistics that are handed on, by unit and request; those of the first unit in passes of their own."""
    found: dict[tuple[int, int, str], Tensor] = {}

    def take(place: int, complete: Sequence[int], tensors: dict[str, Tensor]) -> None:
        for index in complete:
            for name in requests[index]:
                assert (place, index, name) not in found
                found[place, index, name] = tensors[name].clone()

    stream = open_stream(network, minibatch, STATISTICS, "auto", shape)
    with translated_errors():
        stream.run(Passes(tuple(requests), (0,), graph, whole=False), take)
        stream.run(Passes(tuple(requests), tuple(range(1, len(shape.units))), graph), take)
    return found


ALONE = [frozenset({name}) for name in OF_UNITS]
TOGETHER = [
    frozenset({"weight", "conv_out.data", "conv_out_grad.loss"}),
    frozenset({"norm_out.data", "conv_in.noise", "input.perturbed"}),
    frozenset({"conv_in_grad.data", "norm_out_grad.loss"}),
    frozenset({"weight_grad.perturbed", "input.data", "conv_in_grad.noise"}),
]


@pytest.mark.parametrize("graph", [None, 1000, 9000])
@pytest.mark.parametrize("requests", [ALONE, TOGETHER, TOGETHER[:1]])
@pytest.mark.parametrize("make", [Net, ByHand, Attending])
def test_statistics_are_handed_on_once_and_bit_for_bit(
    graph: int | None, requests: list[frozenset[str]], make: type[nn.Module]
) -> None:
    network = make()
    expected = by_unit(capture(network, BATCH, OF_UNITS))
    shape = outline_network(network, BATCH)
    found = streamed(network, BATCH, requests, shape, graph)
    assert len(found) == len(shape.units) * sum(map(len, requests))
    for (place, index, name), tensor in found.items():
        assert torch.equal(tensor, expected[place, name]), (place, index, name)
    assert getattr(network, "passes", 0) == 0
    assert all(parameter.grad is None and parameter._backward_hooks is None for parameter in network.parameters())


def test_statistics_of_the_images_are_those_of_a_whole_pass() -> None:
    network = Net()
    names = [name for name in STATISTICS if name.startswith("image")]
    expected = capture(network, BATCH, names, "any").images
    stream = open_stream(network, BATCH, names, "any", outline_network(network, BATCH, "any"))
    for graph in (None, 3000):
        found = stream.image_statistics(names, graph)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in names)


def test_a_forward_pass_is_repeated_as_often_as_its_graph_needs() -> None:
    network = Net()
    shape = outline_network(network, BATCH, "any", graph=True)
    forwards = []
    for graph in (None, shape.graph, shape.graph // 2 + shape.saved, shape.graph // 4 + shape.saved):
        stream = open_stream(network, BATCH, ["input_grad.loss"], "any", shape)
        stream.run(Passes((frozenset({"input_grad.loss"}),), tuple(range(len(shape.units))), graph), lambda *_: None)
        forwards.append(stream.forwards)
    assert forwards[:3] == [1, 1, 2]
    assert 3 <= forwards[3] <= 4


def test_an_exception_of_the_reader_ends_the_pass() -> None:
    network = Net()
    stream = open_stream(network, BATCH, ["conv_out_grad.loss"], "any", outline_network(network, BATCH, "any"))
    for name in ("conv_out.data", "conv_out_grad.loss"):
        with pytest.raises(ZeroDivisionError):
            stream.run(Passes((frozenset({name}),), (1, 2), 3000), lambda *_: 1 // 0)
        assert network.passes == 0


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
    shape = outline_network(network, BATCH)
    with pytest.raises(CaptureError, match="must run the same layers for all images"):
        streamed(network, BATCH, [frozenset({"conv_in.data"})], shape, None)


def test_a_pass_leaves_no_graph_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), *(nn.Sequential(nn.ReLU(), nn.Conv2d(8, 8, 3)) for _ in range(4)))
    network.extend([nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)])
    saved: list[weakref.ref[Tensor]] = []
    alive: list[int] = []
    run = _Pass.run

    def counted(self: _Pass) -> None:
        def pack(tensor: Tensor) -> Tensor:
            kept = tensor.detach()
            saved.append(weakref.ref(kept))
            return kept

        gc.collect()
        alive.append(sum(reference() is not None for reference in saved))
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
            run(self)

    monkeypatch.setattr(_Pass, "run", counted)
    minibatch = load_minibatch("digits", 4)
    requests = (frozenset(["conv_out_grad.loss"]), frozenset(["conv_out.data", "conv_out_grad.noise"]))
    names = sorted(frozenset[str]().union(*requests))
    stream = open_stream(
        network, minibatch, names, "auto", outline_network(network, minibatch, "auto", graph=True), None
    )
    stream.run(Passes(requests, (3,)), lambda *_: None)
    assert alive == [0, 0]
