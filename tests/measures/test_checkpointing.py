"""Gradient checkpointing changes no score; checkpointing that torch does not know is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

from eznas.capture import CaptureError, capture
from eznas.measures import MEASURES
from eznas.networks import construct
from eznas.scoring.score_many import measure
from eznas.status import Status
from eznas.testing.measures import network_state, sample_minibatch

BATCH = sample_minibatch(4, 8)
NAMES = sorted(set(MEASURES) - {"evolved_nb201", "eznas_a_paper", "eznas_pnas", "synflow_bn", "swap_regularised"})


class Rerun(torch.autograd.Function):
    """Checkpointing by hand: runs without a graph, and again with one in the backward pass."""

    @staticmethod
    def forward(ctx: Any, module: nn.Module, x: Tensor) -> Tensor:
        ctx.module = module
        ctx.save_for_backward(x)
        with torch.no_grad():
            out: Tensor = module(x)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, Tensor]:
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            ctx.module(x).backward(gradient)
        assert x.grad is not None
        return None, x.grad


class Network(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.body = nn.Sequential(
            nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1),
            nn.BatchNorm2d(4),
        )  # fmt: skip
        self.head = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(256, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        if self.how == "sequential":
            x = checkpoint_sequential(self.body, 2, x, use_reentrant=True)
        elif self.how == "by hand":
            x = Rerun.apply(self.body, x)  # type: ignore[no-untyped-call]
        else:
            x = self.body(x) if self.how == "not" else checkpoint(self.body, x, use_reentrant=self.how == "reentrant")
        out: Tensor = self.head(x)
        return out


def network(how: str) -> nn.Module:
    return construct(lambda: Network(how))


@pytest.mark.parametrize("how", ["reentrant", "not reentrant", "sequential"])
def test_checkpointing_changes_no_score(how: str) -> None:
    checkpointed = network(how)
    before = network_state(checkpointed)
    found, expected = measure(checkpointed, BATCH, NAMES), measure(network("not"), BATCH, NAMES)
    for name in NAMES:
        if how != "sequential" or not name.startswith("az_"):  # torch runs the members of the block, not the block
            assert found[name] == expected[name], name
    assert network_state(checkpointed) == before
    assert isinstance(checkpointed(BATCH.images).grad_fn, torch.autograd.graph.Node)


def test_layers_inside_an_autograd_function_are_refused() -> None:
    scores = measure(network("by hand"), BATCH, NAMES)
    forward_only = {name for name, record in MEASURES.items() if not record.needs & {"backward", "second order"}}
    expected = measure(network("not"), BATCH, NAMES)
    for name, score in scores.items():
        if score.ok:
            assert name in forward_only, name
            assert score.value == expected[name].value, name
    assert scores["snip"].status is Status.EXCEPTION
    assert "conv2d runs inside a torch.autograd.Function" in scores["snip"].detail
    with pytest.raises(CaptureError, match="as in gradient checkpointing"):
        capture(network("by hand"), BATCH, ["weight_grad.loss"])
    assert capture(network("by hand"), BATCH, ["norm_out.data"]).units


def test_a_frozen_part_is_no_checkpoint() -> None:
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head = nn.Conv2d(3, 4, 3), nn.Linear(144, 10)

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                x = self.body(x)
            out: Tensor = self.head(x.flatten(1))
            return out

    assert measure(Frozen(), BATCH, ["snip"])["snip"].ok


def test_a_frozen_part_behind_a_normalisation_is_no_checkpoint() -> None:
    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.norm, self.head = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(144, 10)

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                x = self.body(x)
            out: Tensor = self.head(self.norm(x).flatten(1))
            return out

    alone = measure(construct(Frozen), BATCH, ["snip"])["snip"]
    together = measure(construct(Frozen), BATCH, ["snip", "grasp"])
    assert together["grasp"].ok
    assert together["snip"].value == pytest.approx(alone.value, rel=1e-5)
