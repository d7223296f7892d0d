"""Which passes run, and a comparison with an independent implementation by hooks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from eznas.capture import capture
from eznas.minibatch import Minibatch
from eznas.networks.nasbench201 import CellNetwork, ReLUConvBN
from eznas.primitives import STATISTICS

BATCH = Minibatch(torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(5)), torch.arange(4), 10, "test")


class Spy(nn.Module):
    """Notes for every forward pass whether there is a graph."""

    def __init__(self, passes: list[bool]) -> None:
        super().__init__()
        self.linear = nn.Linear(192, 10)
        self.note = passes.append  # a list of its own would be restored

    def forward(self, x: Tensor) -> Tensor:
        self.note(torch.is_grad_enabled())
        out: Tensor = self.linear(x.flatten(1))
        return out


@pytest.mark.parametrize(
    ("statistics", "passes"),
    [
        ([], [False]), (["weight"], [False]), (["conv_in.data"], [False]), (["conv_in.noise"], [False]),
        (["weight", "conv_in.noise"], [False]), (["conv_in.perturbed"], [False, False]),
        (["conv_in_grad.data"], [True]), (["conv_in_grad.loss"], [True]),
        (["conv_in_grad.data", "weight_grad.loss", "norm_out.data"], [True]),
        (["conv_in_grad.noise", "norm_out.data"], [False, True]), (["image_grad.perturbed"], [True, True]),
        (["norm_out.perturbed", "norm_out_grad.data"], [True, False]), (None, [True, True, True]),
    ],
)  # fmt: skip
def test_only_needed_passes_run(statistics: list[str] | None, passes: list[bool]) -> None:
    found: list[bool] = []
    network = Spy(found)
    captured = capture(network, BATCH, statistics)
    assert found == passes
    assert {*captured.groups[0].tensors, *captured.images} == set(STATISTICS if statistics is None else statistics)


@given(st.sets(st.sampled_from(sorted(STATISTICS)), min_size=1, max_size=5))
@settings(max_examples=8, deadline=None)
def test_a_statistic_does_not_depend_on_what_else_is_captured(names: set[str]) -> None:
    network = CellNetwork(["nor_conv_3x3"] * 3, cells=1, channels=2, classes=10)
    everything, some = capture(network, BATCH), capture(network, BATCH, names)
    for whole, part in zip(everything.groups, some.groups, strict=True):
        assert set(part.tensors) == {name for name in names if not name.startswith("image")}
        for name in part.tensors:
            torch.testing.assert_close(whole.stacked(name), part.stacked(name))
    for name, tensor in some.images.items():
        torch.testing.assert_close(tensor, everything.images[name])


def by_hooks(network: nn.Module, images: Tensor, labels: Tensor | None) -> dict[str, list[Tensor]]:
    """Statistics of the triples of a network, in the way of the papers: hooks and ``.grad``."""
    taken: dict[str, list[Tensor]] = {"input": [], "conv_in": [], "conv_out": [], "norm_out": [], "weight": []}
    handles = []

    def keep(quantity: str, *, entering: bool) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            tensor = inputs[0] if entering else output
            tensor.retain_grad()
            taken[quantity].append(tensor)

        return hook

    for module in network.modules():
        if isinstance(module, ReLUConvBN):
            relu, conv, norm = module
            handles += [
                relu.register_forward_hook(keep("input", entering=True)),
                conv.register_forward_hook(keep("conv_in", entering=True)),
                conv.register_forward_hook(keep("conv_out", entering=False)),
                norm.register_forward_hook(keep("norm_out", entering=False)),
            ]
            taken["weight"].append(conv.get_parameter("weight"))
    leaf = images.clone().requires_grad_()
    logits = network(leaf)
    objective = logits.sum() if labels is None else nn.functional.cross_entropy(logits, labels)
    objective.backward()
    for handle in handles:
        handle.remove()
    found = {name: [tensor.detach().clone() for tensor in tensors] for name, tensors in taken.items()}
    for name, tensors in taken.items():
        found[f"{name}_grad"] = [
            torch.zeros_like(tensor) if tensor.grad is None else tensor.grad.clone() for tensor in tensors
        ]
    # through this activation alone: others may read the same node
    found["input_grad"] = [
        gradient * (value > 0) for gradient, value in zip(found["conv_in_grad"], found["input"], strict=True)
    ]
    network.zero_grad()
    gradient = leaf.grad
    found["image"], found["image_grad"] = [images], [torch.zeros(0) if gradient is None else gradient]
    return found


OPERATIONS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]


@given(st.lists(st.sampled_from(OPERATIONS), min_size=6, max_size=6))
@settings(max_examples=5, deadline=None)
def test_a_capture_agrees_with_hooks(cell: list[str]) -> None:
    network = CellNetwork(cell, cells=1, channels=3, classes=10)
    expected = {
        "data": by_hooks(network, BATCH.images, None),
        "noise": by_hooks(network, BATCH.noise, None),
        "perturbed": by_hooks(network, BATCH.perturbed, None),
        "loss": by_hooks(network, BATCH.images, BATCH.labels),
    }
    captured = capture(network, BATCH)
    for name, statistic in STATISTICS.items():
        wanted = expected[statistic.scenario or "data"][statistic.quantity]
        if statistic.scenario == "perturbed":
            base = expected["data"][statistic.quantity]
            wanted = [after - before for after, before in zip(wanted, base, strict=True)]
        if name in captured.images:
            torch.testing.assert_close(captured.images[name][0], wanted[0], msg=name)
            continue
        for group in captured.groups:
            for index, tensor in zip(group.units, group.tensors[name], strict=True):
                torch.testing.assert_close(tensor, wanted[index], msg=f"{name} of unit {index}")
