"""Statistics of networks small enough to compute them by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from eznas.capture import Capture, capture
from eznas.minibatch import Minibatch
from eznas.primitives import STATISTICS


def minibatch(images: Tensor, labels: list[int] | None = None) -> Minibatch:
    return Minibatch(images, torch.tensor(labels or [0] * len(images)), 10, "test")


def only(captured: Capture, name: str) -> Tensor:
    (group,) = captured.groups
    (tensor,) = group.tensors[name]
    return tensor


@pytest.fixture
def images() -> Tensor:
    return torch.tensor([[[[1.0, -2.0], [3.0, 0.5]]], [[[0.0, 4.0], [-1.0, 2.0]]]])


@pytest.fixture
def convolution() -> nn.Sequential:
    """Logits are three times the four pixels."""
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Flatten())
    nn.init.constant_(network.get_parameter("0.weight"), 3.0)
    return network


def test_one_convolution_on_data_and_noise(convolution: nn.Sequential, images: Tensor) -> None:
    batch = minibatch(images)
    captured = capture(convolution, batch)
    for scenario, given in {"data": images, "noise": batch.noise}.items():
        expected = {
            "input": given, "conv_in": given, "conv_out": 3 * given, "norm_out": 3 * given,
            "input_grad": torch.full_like(given, 3), "conv_in_grad": torch.full_like(given, 3),
            "conv_out_grad": torch.ones_like(given), "norm_out_grad": torch.ones_like(given),
            "weight_grad": given.sum().reshape(1, 1, 1, 1),
        }  # fmt: skip
        for quantity, value in expected.items():
            torch.testing.assert_close(only(captured, f"{quantity}.{scenario}"), value, msg=quantity)
        torch.testing.assert_close(captured.images[f"image.{scenario}"], given[None])
        torch.testing.assert_close(captured.images[f"image_grad.{scenario}"], torch.full_like(given, 3)[None])
    assert only(captured, "weight").tolist() == [[[[3.0]]]]


def test_perturbed_is_a_difference(convolution: nn.Sequential, images: Tensor) -> None:
    batch = minibatch(images)
    change = batch.perturbed - images
    captured = capture(convolution, batch)
    torch.testing.assert_close(only(captured, "conv_in.perturbed"), change)
    torch.testing.assert_close(only(captured, "norm_out.perturbed"), 3 * change, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        only(captured, "weight_grad.perturbed"), change.sum().reshape(1, 1, 1, 1), atol=1e-5, rtol=1e-5
    )
    assert not only(captured, "conv_in_grad.perturbed").any()
    torch.testing.assert_close(captured.images["image.perturbed"], change[None])
    assert not captured.images["image_grad.perturbed"].any()


def test_loss_is_the_mean_cross_entropy(convolution: nn.Sequential, images: Tensor) -> None:
    captured = capture(convolution, minibatch(images, [1, 3]))
    logits = 3 * images.flatten(1)
    residual = (logits.softmax(1) - nn.functional.one_hot(torch.tensor([1, 3]), 4)) / 2
    torch.testing.assert_close(only(captured, "conv_out_grad.loss"), residual.reshape(2, 1, 2, 2))
    torch.testing.assert_close(only(captured, "weight_grad.loss").sum(), (residual * images.flatten(1)).sum())
    torch.testing.assert_close(captured.images["image_grad.loss"], 3 * residual.reshape(1, 2, 1, 2, 2))


def test_relu_convolution_normalisation(images: Tensor) -> None:
    network = nn.Sequential(
        nn.ReLU(), nn.Conv2d(1, 1, 1), nn.LayerNorm(2, elementwise_affine=False, eps=0), nn.Flatten()
    )
    nn.init.constant_(network.get_parameter("1.weight"), -2.0)
    nn.init.zeros_(network.get_parameter("1.bias"))
    weights = torch.tensor([1.0, 2.0, 3.0, 5.0])
    network.append(nn.Linear(4, 1, bias=False)).requires_grad_(False)
    network.get_parameter("4.weight").copy_(weights[None])
    captured = capture(network, minibatch(images))
    (unit,) = captured.units
    assert (unit.name, unit.weight_shape, unit.input_shape) == ("1", (1, 1, 1, 1), (2, 1, 2, 2))
    rectified = images.clamp(min=0)
    torch.testing.assert_close(only(captured, "input.data"), images)
    torch.testing.assert_close(only(captured, "conv_in.data"), rectified)
    torch.testing.assert_close(only(captured, "conv_out.data"), -2 * rectified)
    # normalising two numbers gives the sign of their difference, and no gradient
    left_minus_right = torch.sign(-2 * (rectified[..., 0] - rectified[..., 1]))
    torch.testing.assert_close(only(captured, "norm_out.data"), torch.stack([left_minus_right, -left_minus_right], -1))
    torch.testing.assert_close(only(captured, "norm_out_grad.data"), weights.reshape(1, 1, 2, 2).expand(2, 1, 2, 2))
    torch.testing.assert_close(only(captured, "conv_out_grad.data"), torch.zeros(2, 1, 2, 2), atol=1e-5, rtol=0)


def test_linear_layers_are_1x1_convolutions(images: Tensor) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False))
    captured = capture(network, minibatch(images))
    assert captured.units[0].weight_shape == (3, 4, 1, 1)
    assert captured.units[0].input_shape == (2, 4, 1, 1)
    assert captured.units[0].output_shape == (2, 3, 1, 1)
    torch.testing.assert_close(only(captured, "conv_in.data"), images.reshape(2, 4, 1, 1))
    torch.testing.assert_close(
        only(captured, "weight_grad.data"), images.flatten(1).sum(0).expand(3, 4).reshape(3, 4, 1, 1)
    )


@pytest.mark.parametrize(("axes", "shape"), [(3, (2, 5, 7, 1)), (4, (2, 5, 3, 4))])
def test_linear_layers_on_tokens_move_the_channels_forward(axes: int, shape: tuple[int, ...]) -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(5, 6)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.project(x.flatten(1, -2) if axes == 3 else x)
            return out.flatten(1, -2).sum(1)

    images = torch.randn(2, 7, 1, 5) if axes == 3 else torch.randn(2, 3, 4, 5)
    network = Tokens()
    captured = capture(network, minibatch(images))
    assert captured.units[0].input_shape == shape
    assert captured.units[0].output_shape == (2, 6, *shape[2:])
    torch.testing.assert_close(only(captured, "conv_in.data"), images.reshape(2, *shape[2:], 5).permute(0, 3, 1, 2))
    as_convolution = nn.functional.conv2d(
        only(captured, "conv_in.data"), only(captured, "weight"), network.project.bias.detach()
    )
    torch.testing.assert_close(only(captured, "conv_out.data"), as_convolution)


class Fork(nn.Module):
    """Two units and a sum read one tensor: its logits are ``2 relu(x) + 3 relu(x) + 5 x``."""

    def __init__(self) -> None:
        super().__init__()
        self.two, self.three = (nn.Conv2d(1, 1, 1, bias=False) for _ in range(2))
        nn.init.constant_(self.two.weight, 2.0)
        nn.init.constant_(self.three.weight, 3.0)

    def forward(self, x: Tensor) -> Tensor:
        x = x + 0
        shared = x.relu()
        out: Tensor = self.two(shared) + self.three(input=x.relu()) + 5 * x
        return out.flatten(1)


def test_gradients_of_inputs_go_through_the_unit_alone(images: Tensor) -> None:
    captured = capture(Fork(), minibatch(images))
    tensors = captured.groups[0].tensors
    for index, weight in enumerate((2.0, 3.0)):
        assert torch.equal(tensors["conv_in_grad.data"][index], torch.full_like(images, weight))
        assert torch.equal(tensors["input_grad.data"][index], weight * (images > 0))
    assert torch.equal(captured.images["image_grad.data"][0], 5 + 5.0 * (images > 0))


def test_every_statistic_has_the_shape_of_its_kind(convolution: nn.Sequential, images: Tensor) -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 1, groups=2), nn.BatchNorm2d(6), nn.Flatten(),
        nn.Linear(6 * 16, 3),
    )  # fmt: skip
    captured = capture(network, minibatch(torch.randn(3, 1, 6, 6)), units="any")
    assert [group.units for group in captured.groups] == [(0,), (1,), (2,)]
    for group in captured.groups:
        unit = captured.units[group.units[0]]
        shapes = {"weight": unit.weight_shape, "input": unit.input_shape, "output": unit.output_shape}
        for name, tensors in group.tensors.items():
            kind = STATISTICS[name].kind
            assert tuple(tensors[0].shape) == shapes[kind.value], name
            assert not tensors[0].requires_grad
    assert {*captured.groups[0].tensors, *captured.images} == set(STATISTICS)


def test_a_capture_does_not_follow_the_network(convolution: nn.Sequential, images: Tensor) -> None:
    captured = capture(convolution, minibatch(images), ["weight", "image.data"])
    nn.init.zeros_(convolution.get_parameter("0.weight"))
    images.zero_()
    assert only(captured, "weight").item() == 3.0
    assert captured.images["image.data"].any()
