"""Values and gradients are those at the moment of recording, also where the network overwrites tensors."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.capture import CaptureError, capture
from eznas.minibatch import Minibatch

BATCH = Minibatch(torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(3)), torch.arange(4), 10, "test")


class Block(nn.Module):
    """A residual network; with ``inplace``, every activation and addition overwrites its operand."""

    def __init__(self, *, inplace: bool) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.stem = nn.Conv2d(3, 4, 3, padding=1)
            self.convs = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))
            self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(3))
            self.classifier = nn.Linear(4, 10)
        self.relu = nn.ReLU(inplace=inplace)
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.relu_() if self.inplace else x.relu())
        for conv, norm in zip(self.convs, self.norms, strict=True):
            identity = x
            out = norm(conv(self.relu(x.clone())))
            if self.inplace:
                out += identity
            else:
                out = out + identity
            x = self.relu(out)
        # the value that the last block's activation gave, spoilt after its use
        logits: Tensor = self.classifier(x.mean((2, 3)))
        return logits


def test_an_inplace_network_gives_the_statistics_of_its_twin() -> None:
    left, right = (capture(Block(inplace=inplace), BATCH, units="any") for inplace in (False, True))
    assert left.units == right.units
    assert left.skipped == right.skipped
    for one, other in zip(left.groups, right.groups, strict=True):
        for name, tensors in one.tensors.items():
            torch.testing.assert_close(torch.stack(tensors), other.stacked(name), msg=name)
    for name, tensor in left.images.items():
        torch.testing.assert_close(tensor, right.images[name], msg=name)


def relu_method(x: Tensor) -> Tensor:
    return x.relu_()


def relu_function(x: Tensor) -> Tensor:
    return functional.relu(x, True)


def relu_torch(x: Tensor) -> Tensor:
    return torch.relu_(x)


@pytest.mark.parametrize("activate", [relu_method, relu_function, relu_torch, nn.SiLU(inplace=True)])
def test_an_inplace_activation_forms_a_unit(activate: Any) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.norm(self.conv(activate(x)))
            return functional.relu_(out).flatten(1)

    captured = capture(
        Net(), BATCH, ["input.data", "input_grad.data", "conv_in.data", "norm_out.data"], units="complete"
    )
    tensors = captured.groups[0].tensors
    assert torch.equal(tensors["input.data"][0], BATCH.images)
    assert tensors["norm_out.data"][0].min() < 0
    if not isinstance(activate, nn.SiLU):
        assert torch.equal(tensors["conv_in.data"][0], BATCH.images.clamp(min=0))
        assert not tensors["input_grad.data"][0][BATCH.images < 0].any()


def write_item(x: Tensor) -> None:
    x[:, 0] = 0.0


def write_out(x: Tensor) -> None:
    torch.zeros(x.shape, out=x)


def write_view(x: Tensor) -> None:
    x.view(-1)[::2] *= 0


def write_sum(x: Tensor) -> None:
    x += 1


def write_data(x: Tensor) -> None:
    x.data.fill_(0)


def write_dropout(x: Tensor) -> None:
    functional.dropout(x, 0.5, training=True, inplace=True)


@pytest.mark.parametrize(
    "write", [write_item, write_out, write_view, write_sum, write_data, write_dropout, Tensor.zero_]
)
def test_values_are_those_before_they_are_overwritten(write: Any) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = (nn.Conv2d(3, 3, 1) for _ in range(2))

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            write(x)
            out: Tensor = self.second(x)
            return out.flatten(1)

    network = Net()
    captured = capture(network, BATCH, ["conv_out.data", "conv_in.data"])
    first, _ = captured.groups[0].tensors["conv_out.data"]
    _, second = captured.groups[0].tensors["conv_in.data"]
    with torch.no_grad():
        torch.testing.assert_close(first, network.first(BATCH.images))
    assert not torch.allclose(first, second)


def test_a_tensor_overwritten_after_an_activation_is_no_longer_its_output() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            x = x.relu()
            x += 1
            out = self.conv(x)
            out *= 2
            return torch.flatten(self.norm(out), 1)

    (skipped,) = capture(nn.Sequential(Net(), nn.Linear(108, 2)), BATCH, [], units="any").units[:1]
    assert skipped.name == "0.conv"
    captured = capture(Net(), BATCH, ["input.data", "norm_out.data"])
    tensors = captured.groups[0].tensors
    assert torch.equal(tensors["input.data"][0], BATCH.images.clamp(min=0) + 1)
    assert tensors["norm_out.data"][0].mean().abs() > 1e-3  # not the normalised output


class Halve(torch.autograd.Function):
    """A function of its own that works in place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x)
        return x.mul_(0.5)

    @staticmethod
    def backward(_: Any, *grads: Any) -> Any:
        return grads[0] * 0.5


class Halving(nn.Module):
    def __init__(self, *, unseen: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.unseen = unseen

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        if self.unseen:
            with torch._C.DisableTorchFunction():
                out.mul_(0.5)
        else:
            out = Halve.apply(out)  # type: ignore[no-untyped-call]
        return out.flatten(1)


@pytest.mark.parametrize("gradients", [[], ["conv_out_grad.data"]])
def test_an_autograd_function_may_overwrite(gradients: list[str]) -> None:
    network = Halving(unseen=False)
    tensors = capture(network, BATCH, ["conv_out.data", *gradients]).groups[0].tensors
    torch.testing.assert_close(tensors["conv_out.data"][0], network.conv(BATCH.images).detach())
    for name in gradients:
        assert torch.equal(tensors[name][0], torch.full_like(tensors[name][0], 0.5))


def test_an_unseen_overwrite_is_an_error_and_not_a_wrong_value() -> None:
    network = Halving(unseen=True)
    with pytest.raises(CaptureError, match="must not overwrite tensors while it disables torch function modes"):
        capture(network, BATCH, ["conv_out.data"])
    gradient = capture(network, BATCH, ["conv_out_grad.data"]).groups[0].tensors["conv_out_grad.data"][0]
    assert torch.equal(gradient, torch.full_like(gradient, 0.5))
