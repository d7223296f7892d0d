"""A capture leaves the network, the random state and the caller's torch modes as they were."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from eznas.capture import CaptureError, capture, fork_state
from eznas.minibatch import Minibatch
from eznas.testing.measures import network_state

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH = Minibatch(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(7)), torch.arange(4), 10, "test")


class Broken(RuntimeError):  # noqa: N818
    pass


class Break(torch.autograd.Function):
    """Raises in the backward pass."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_: Any, *_grads: Any) -> Any:
        raise Broken("backward")


class Network(nn.Module):
    """Draws random numbers, has buffers, may raise at its first or last layer or in the backward pass."""

    def __init__(self, failure: str) -> None:
        super().__init__()
        self.failure = failure
        self.stem, self.conv = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
        self.norm, self.relu = nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.dropout, self.classifier = nn.Dropout(0.5), nn.Linear(64, 10)
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("kept", torch.ones(1).expand(3))

    def forward(self, x: Tensor) -> Tensor:
        if self.failure == "first":
            raise Broken("first")
        self.count = self.get_buffer("count") + 1
        self.get_buffer("count").add_(random.random())
        x = self.norm(self.conv(self.relu(self.stem(x))))
        if self.failure == "backward":
            x = Break.apply(x)  # type: ignore[no-untyped-call]
        x = self.classifier(self.dropout(x).flatten(1))
        if self.failure == "last":
            raise Broken("last")
        return x if self.failure != "output" else x[0]


STATISTICS: list[list[str] | None] = [None, ["conv_in.data"], ["weight_grad.loss", "norm_out.noise"]]


@pytest.mark.parametrize("statistics", STATISTICS, ids=["all", "forward", "loss"])
@pytest.mark.parametrize("failure", ["none", "first", "last", "backward", "output"])
@pytest.mark.parametrize("prepare", ["train", "eval", "frozen", "trained"])
def test_a_capture_leaves_no_trace(failure: str, statistics: list[str] | None, prepare: str) -> None:
    network = Network(failure)
    if prepare == "eval":
        network.eval()
    if prepare == "frozen":
        network.conv.requires_grad_(False)
    if prepare == "trained":
        for parameter in network.parameters():
            parameter.grad = torch.ones_like(parameter)
    before, images = network_state(network), BATCH.images.clone()
    needs_gradient = statistics is None or any("grad" in name for name in statistics)
    raises = failure in ("first", "last", "output") or (failure == "backward" and needs_gradient)
    if raises:
        with pytest.raises(CaptureError if failure in ("output", "backward") else Broken) as raised:
            capture(network, BATCH, statistics)
        assert failure != "backward" or isinstance(raised.value.__cause__, Broken)
    else:
        capture(network, BATCH, statistics)
    assert network_state(network) == before
    assert torch.equal(BATCH.images, images)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_callers_mode_makes_no_difference(context: Callable[[], Any]) -> None:
    network = Network("none")
    expected = capture(network, BATCH)
    with context():
        before = network_state(network)
        found = capture(network, BATCH)
        assert network_state(network) == before
    for left, right in zip(expected.groups, found.groups, strict=True):
        for name in left.tensors:
            torch.testing.assert_close(left.stacked(name), right.stacked(name))


def test_a_minibatch_of_inference_mode_serves() -> None:
    with torch.inference_mode():
        batch = Minibatch(torch.ones(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64), 10, "test")
    captured = capture(Network("none"), batch, ["weight_grad.loss", "image_grad.data"])
    assert captured.groups[0].tensors["weight_grad.loss"][0].isfinite().all()


def test_a_network_of_inference_mode_is_an_error() -> None:
    with torch.inference_mode():
        network = Network("none")
    with pytest.raises(CaptureError, match=r"must be built outside torch\.inference_mode"):
        capture(network, BATCH)


def test_a_network_that_draws_numbers_draws_the_same_ones() -> None:
    network = Network("none")
    torch.manual_seed(1)
    first = capture(network, BATCH, ["norm_out_grad.data"])
    torch.manual_seed(2)
    second = capture(network, BATCH, ["norm_out_grad.data"])
    assert torch.equal(first.groups[0].stacked("norm_out_grad.data"), second.groups[0].stacked("norm_out_grad.data"))


def test_fork_state_restores_modes_and_buffers_also_where_the_block_raises() -> None:
    network = Network("none")
    before = network_state(network)

    def run() -> None:
        with fork_state(network):
            network.eval()
            network(BATCH.images)
            network.train()
            network(BATCH.images)
            raise Broken

    with pytest.raises(Broken):
        run()
    assert network_state(network) == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_minibatch_goes_to_the_networks_device() -> None:
    network = Network("none")
    expected = capture(network.eval(), BATCH, ["norm_out.data"])
    random_state = torch.cuda.get_rng_state()
    found = capture(network.cuda(), BATCH, ["norm_out.data"])
    assert torch.equal(random_state, torch.cuda.get_rng_state())
    assert found.groups[0].stacked("norm_out.data").is_cuda
    torch.testing.assert_close(
        found.groups[0].stacked("norm_out.data").cpu(),
        expected.groups[0].stacked("norm_out.data"),
        atol=1e-3,
        rtol=1e-3,
    )


class Caching(nn.Module):
    """Fills, adds and deletes buffers in its forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 8)
        self.register_buffer("cache", None)
        self.register_buffer("old", torch.ones(2), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        self.cache = x.detach()
        del self.old
        self.register_buffer("new", torch.zeros(1), persistent=False)
        out: Tensor = self.conv(x).flatten(1)
        return out


def test_buffers_that_were_filled_added_or_deleted_are_as_before() -> None:
    network = Caching()
    old, saved = network.get_buffer("old"), network.state_dict()
    for _ in range(2):
        capture(network, BATCH)
    assert network._buffers == {"cache": None, "old": old}
    assert network._buffers["old"] is old
    assert old.tolist() == [1.0, 1.0]
    assert list(network.state_dict()) == list(saved)


def test_a_network_that_overwrites_its_parameters_is_an_error() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 8), nn.Flatten())

    def shrink(module: nn.Module, _: object) -> None:
        with torch.no_grad():
            module.get_parameter("weight").mul_(0.5)

    network[0].register_forward_pre_hook(shrink)
    with pytest.raises(CaptureError, match=r"must not overwrite its parameters .* it overwrites 0\.weight"):
        capture(network, BATCH, ["norm_out.data"])
