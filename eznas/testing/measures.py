"""The conformance check of measures, for any classifier."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from eznas.measures import MEASURES
from eznas.minibatch import Minibatch
from eznas.scoring.score_many import score_measures
from eznas.seeds import torch_generator
from eznas.status import Score, Status

if TYPE_CHECKING:
    from eznas.measures import Measure


def sample_minibatch(samples: int = 6, pixels: int = 12, classes: int = 10) -> Minibatch:
    """Return random images; every class occurs once before any occurs twice."""
    images = torch.randn((samples, 3, pixels, pixels), generator=torch_generator(0, "testing", "images"))
    return Minibatch(images, torch.arange(samples) % classes, classes, "testing")


def value_of(name: str, network: nn.Module, minibatch: Minibatch) -> float:
    """Return the value of a registered measure.

    Raises:
        AssertionError: The measure has no value.
    """
    score = score_measures([MEASURES[name]], network, minibatch)[name]
    if not score.ok:
        raise AssertionError(f"{name} must have a value: {score.detail}")
    return score.value


def network_state(network: nn.Module) -> list[Any]:
    """Return everything that a measure must leave as it was, to be compared by ``==``."""
    tensors: list[Tensor] = [*network.parameters(), *network.buffers()]
    return [
        [module.training for module in network.modules()],
        [(id(one), one.data_ptr(), one.requires_grad, one.tolist()) for one in tensors],
        [None if one.grad is None else (id(one.grad), one.grad.tolist()) for one in tensors],
        [(len(module._forward_hooks), len(module._forward_pre_hooks)) for module in network.modules()],  # noqa: SLF001
        [(len(module._backward_hooks), sorted(vars(module))) for module in network.modules()],  # noqa: SLF001
        len(nn.modules.module._global_forward_hooks),  # noqa: SLF001
        (torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state())),  # noqa: NPY002
        (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        torch._C._len_torch_function_stack(),  # noqa: SLF001
    ]


def check_measure(record: Measure, network: nn.Module, minibatch: Minibatch) -> Score:
    """Check that a measure is a function of network and minibatch, and leaves both as they were.

    The score must be the same if it is computed twice, if the network is in the other mode (batch normalisation ignores
    the mode here), and if the parameters of the network require no gradients. A failure must have a status and a
    message.

    Args:
        record: The measure.
        network: A network without dropout, which depends on the mode.
        minibatch: The minibatch.

    Returns:
        The score.

    Raises:
        AssertionError: The measure fails a check.
    """

    def compute() -> Score:
        return score_measures([record], network, minibatch)[record.name]

    before, images = network_state(network), minibatch.images.clone()
    score = compute()
    _require(network_state(network) == before, record, "must leave the network as it was")
    _require(torch.equal(minibatch.images, images), record, "must leave the images as they were")
    _require(score.ok or bool(score.detail), record, "must say why it has no value")
    _require(score.status is not Status.EXCEPTION, record, f"must not raise: {score.detail}")
    again = compute()
    _require(_same(score, again), record, f"must give the same score twice: {score}, {again}")
    flags = [(module, module.training) for module in network.modules()]
    network.train(not network.training)
    other_mode = compute()
    for module, training in flags:
        module.training = training
    _require(_same(score, other_mode), record, f"must not depend on the mode: {score}, {other_mode}")
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    network.requires_grad_(requires_grad=False)
    frozen = compute()
    for parameter in trained:
        parameter.requires_grad_()
    if record.name != "params":  # which counts trainable parameters
        _require(_same(score, frozen), record, f"must not depend on requires_grad: {score}, {frozen}")
    _require(network_state(network) == before, record, "must leave the network as it was")
    return score


def _same(score: Score, other: Score) -> bool:
    return score.status is other.status and (not score.ok or score.value == other.value)


def _require(holds: bool, record: Measure, sentence: str) -> None:
    if not holds:
        raise AssertionError(f"{record.name} {sentence}")
