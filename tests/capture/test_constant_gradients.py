"""Gradients that are zero behind a batch normalisation are computed as zeros, and no others are changed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import eznas
from eznas.capture.constant_gradients import clear_constant_gradients
from eznas.networks import initialise
from eznas.spaces import SPACES
from eznas.testing.measures import sample_minibatch
from eznas.testing.networks import PIXELS, classifier

BATCH = sample_minibatch(6, PIXELS)
OF_IMAGES = ["jacob_cov", "jacob_cosine", "epe_nas"]


def gradients(network: nn.Module, *, clear: bool, squares: bool = False, create_graph: bool = False) -> list[Tensor]:
    """The gradients of the sum of the logits, or of their squares, in the images and all parameters."""
    images = BATCH.images.to(next(network.parameters()).dtype).clone().requires_grad_()
    logits = network(images)
    if clear:
        clear_constant_gradients(logits)
    number = (logits**2).sum() if squares else logits.sum()
    return list(torch.autograd.grad(number, [images, *network.parameters()], create_graph=create_graph))


def test_a_constant_sum_has_exact_zeros() -> None:
    sizes = []
    for dtype in (torch.float64, torch.float32):
        network = classifier("depthwise").to(dtype).train()
        before, after = gradients(network, clear=False), gradients(network, clear=True)
        cleared = [old for old, new in zip(before, after, strict=True) if not new.any()]
        assert len(cleared) > len(before) / 2
        for old, new in zip(before, after, strict=True):
            if new.any():
                torch.testing.assert_close(old, new)
        assert not after[0].any()  # of the images
        assert before[0].any()
        for old, new in zip(before[-2:], after[-2:], strict=True):  # of the last layer
            assert torch.equal(old, new)
            assert new.any()
        sizes.append(max(float(old.abs().max()) for old in cleared))
    assert sizes[0] < 1e-6 * sizes[1]  # they were rounding, which vanishes with the precision


@pytest.mark.parametrize("kind", ["cells", "depthwise", "without_norm", "transformer"])
def test_other_gradients_are_equal_to_the_bit(kind: str) -> None:
    network = classifier(kind).train()
    for old, new in zip(*(gradients(network, clear=clear, squares=True) for clear in (False, True)), strict=True):
        assert torch.equal(old, new)
    network.eval()
    for old, new in zip(*(gradients(network, clear=clear) for clear in (False, True)), strict=True):
        assert torch.equal(old, new)


class _Half(nn.Module):
    """An activation of the first half of the channels."""

    def forward(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, 1)
        return torch.cat([first.relu(), second], 1)


def test_channels_are_constant_one_by_one() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 1, bias=False)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)]
    network = nn.Sequential(conv, nn.BatchNorm2d(4), _Half(), *head).train()
    before, after = (gradients(network, clear=clear)[1:3] for clear in (False, True))
    for old, new in zip(before, after, strict=True):  # the convolution's weight, the normalisation's
        assert torch.equal(old[:2], new[:2])
        assert new[:2].any()
        assert not new[2:].any()
        assert old[2:].any()


def test_second_derivatives_are_not_changed() -> None:
    network = classifier("depthwise").train()
    for old, new in zip(*(gradients(network, clear=clear, create_graph=True) for clear in (False, True)), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize("space", ["transnas_micro", "transnas_macro"])
def test_networks_whose_sum_of_logits_is_constant_have_no_rounding(space: str) -> None:
    """They end in a batch normalisation, a global average and a linear layer."""
    architectures = SPACES[space].architectures()
    assert architectures is not None
    fidelity = SPACES[space].fidelities["reduced_narrow"]
    network = SPACES[space].build(architectures[-1], fidelity, 10)
    initialise(network, 0)
    programs = [
        f"max(sum_abs({place}_grad.{scenario}))" for place in ("conv_in", "weight") for scenario in ("data", "loss")
    ]
    threads = torch.get_num_threads()
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            scores = eznas.measure(network, sample_minibatch(4, fidelity.pixels), [*OF_IMAGES, *programs])
            assert not any(scores[name].ok for name in OF_IMAGES)
            assert [scores[program].value > 0 for program in programs] == [False, True, False, True]
    finally:
        torch.set_num_threads(threads)
