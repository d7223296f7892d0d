from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from eznas.capture.calls import CallHooks

if TYPE_CHECKING:
    from eznas.capture.call import Call


class Naming(CallHooks):
    """Notes the hook and the name of each call, and whether it overwrites its input."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, str, bool]] = []

    def layer(self, call: Call) -> Any:
        self.calls.append(("layer", call.name, call.overwrites))
        return call.run()

    def activation(self, call: Call) -> Any:
        self.calls.append(("activation", call.name, call.overwrites))
        return super().activation(call)

    def normalisation(self, call: Call) -> Any:
        self.calls.append(("normalisation", call.name, call.overwrites))
        return super().normalisation(call)

    def other(self, call: Call) -> Any:
        self.calls.append(("other", call.name, call.overwrites))
        return call.run()


IMAGES = torch.randn((2, 3, 4, 4), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (nn.Conv2d(3, 2, 1), [("layer", "conv2d", False)]),
        (nn.Linear(4, 2), [("layer", "linear", False)]),
        (nn.Conv3d(2, 2, 1), [("other", "conv3d", False)]),
        (nn.ReLU(), [("activation", "relu", False), ("other", "relu", False)]),
        (Tensor.relu_, [("activation", "relu_", True), ("other", "relu_", True)]),
        (nn.SiLU(inplace=True), [("activation", "silu", True), ("other", "silu", True)]),
        (nn.GroupNorm(1, 3), [("normalisation", "group_norm", False), ("other", "group_norm", False)]),
        (lambda x: x.add_(1), [("other", "add_", True)]),
    ],
)  # fmt: skip
def test_each_call_has_one_hook(function: Any, expected: list[tuple[str, str, bool]]) -> None:
    images = IMAGES.clone()
    with Naming() as hooks:
        out = function(images)
    assert hooks.calls == expected
    assert torch.equal(out, function(IMAGES.clone()))


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(3), nn.InstanceNorm2d(3, track_running_stats=True)])
def test_normalisations_use_the_statistics_of_the_images(norm: nn.Module) -> None:
    with CallHooks():
        out = norm.eval()(IMAGES)
    assert out.mean().abs() < 1e-6
    assert norm(IMAGES).mean().abs() > 1e-3
