"""What every measure must hold to, on any classifier."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from eznas.measures import MEASURES
from eznas.minibatch import Minibatch
from eznas.scoring.score_many import score_measures
from eznas.seeds import torch_generator
from eznas.status import Score, Status

if TYPE_CHECKING:
    from eznas.measures import Measure

__all__ = ["check_measure", "network_state", "sample_minibatch", "value_of"]


def sample_minibatch(samples: int = 6, pixels: int = 12, classes: int = 10) -> Minibatch:
    """Return random images, each class once before any occurs twice."""
    images = torch.randn((samples, 3, pixels, pixels), generator=torch_generator(0, "testing", "images"))
    return Minibatch(images, torch.arange(samples) % classes, classes, "testing")


def value_of(name: str, network: nn.Module, minibatch: Minibatch) -> float:
    """Return what a registered measure gives.

    Raises:
        AssertionError: It has no value.
    """
    score = score_measures([MEASURES[name]], network, minibatch)[name]
    if not score.ok:
        raise AssertionError(f"{name} must have a value: {score.detail}")
    return score.value


def network_state(network: nn.Module) -> list[Any]:
    """Return all that a measure must leave as it was, to be compared with ``==``."""
    tensors: list[tuple[Tensor, int]] = [(one, id(one)) for one in (*network.parameters(), *network.buffers())]
    return [
        [module.training for module in network.modules()],
        [(identity, one.data_ptr(), one.requires_grad, one.grad is None, one.tolist()) for one, identity in tensors],
        [(len(module._forward_hooks), len(module._forward_pre_hooks)) for module in network.modules()],  # noqa: SLF001
        [(len(module._backward_hooks), sorted(vars(module))) for module in network.modules()],  # noqa: SLF001
        len(nn.modules.module._global_forward_hooks),  # noqa: SLF001
        (torch.get_rng_state().tolist(), random.getstate(), torch.is_grad_enabled()),
        torch._C._len_torch_function_stack(),  # noqa: SLF001
    ]


def check_measure(record: Measure, network: nn.Module, minibatch: Minibatch) -> Score:
    """Check that a measure is a function of network and minibatch that leaves no trace.

    The score is the same twice, and the same where the network's weights need no gradients or its mode is another,
    which makes no difference to batch normalisation here; a failure is a status with a sentence.

    Args:
        record: The measure.
        network: Without dropout, which modes switch.
        minibatch: What to run it on.

    Returns:
        The score.

    Raises:
        AssertionError: It does not hold.
    """
    before, images = network_state(network), minibatch.images.clone()
    first = score_measures([record], network, minibatch)[record.name]
    _require(network_state(network) == before, record, "must leave the network as it was")
    _require(torch.equal(minibatch.images, images), record, "must leave the images as they were")
    _require(first.ok or bool(first.detail), record, "must say why it has no value")
    _require(first.status is not Status.EXCEPTION, record, f"must not raise: {first.detail}")
    again = score_measures([record], network, minibatch)[record.name]
    _require(_same(first, again), record, f"must give the same twice: {first}, {again}")
    was = network.training
    flags = [(module, module.training) for module in network.modules()]
    other = score_measures([record], network.train(not was), minibatch)[record.name]
    for module, training in flags:
        module.training = training
    _require(_same(first, other), record, f"must not depend on the mode: {first}, {other}")
    needing = [parameter for parameter in network.parameters() if parameter.requires_grad]
    frozen = score_measures([record], network.requires_grad_(requires_grad=False), minibatch)[record.name]
    for parameter in needing:
        parameter.requires_grad_()
    if record.name != "params":  # which counts what is trained
        _require(_same(first, frozen), record, f"must not depend on what is trained: {first}, {frozen}")
    _require(network_state(network) == before, record, "must leave the network as it was")
    return first


def _same(one: Score, other: Score) -> bool:
    return one.status is other.status and (not one.ok or one.value == other.value)


def _require(holds: bool, record: Measure, sentence: str) -> None:
    if not holds:
        raise AssertionError(f"{record.name} {sentence}")
