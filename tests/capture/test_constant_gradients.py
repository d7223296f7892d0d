"""Gradients that are zero behind a batch normalisation are computed as zeros, and no others are changed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import eznas
from eznas.capture.constant_gradients import clear_constant_gradients
from eznas.networks import initialise
from eznas.passes.normalise import batch_norm
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


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("axes", [0, 1, 2, 3])
def test_inputs_of_every_kind(axes: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    images = torch.randn(4, 3, *[5] * axes).to(dtype).requires_grad_()
    kind = {0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[axes]
    norms = [kind(3), kind(3, affine=False), kind(3, track_running_stats=False), kind(3, affine=False, momentum=None)]
    if axes:
        norms.append({1: nn.InstanceNorm1d, 2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[axes](3, affine=True))
    for norm in norms:
        norm.to(dtype)
        for factor in (1.0, torch.linspace(1, 1.5, 4, dtype=dtype).view(4, *[1] * (1 + axes))):
            out = (factor * norm(images)).sum()
            [before] = torch.autograd.grad(out, images, retain_graph=True)
            clear_constant_gradients(out)
            for _ in range(2):  # as several backward passes of one graph
                [after] = torch.autograd.grad(out, images, retain_graph=True)
                constant = isinstance(factor, float) or isinstance(norm, nn.modules.instancenorm._InstanceNorm)
                assert torch.equal(after, torch.zeros_like(after) if constant else before)


class _Functional(nn.Module):
    """A batch normalisation with a bias and without a weight, or with neither."""

    def __init__(self, *, biased: bool) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(4)) if biased else None

    def forward(self, x: Tensor) -> Tensor:
        return functional.batch_norm(x, None, None, None, self.bias, training=True)


@pytest.mark.parametrize("biased", [True, False])
def test_normalisations_without_a_weight_beside_second_derivatives(biased: bool) -> None:
    torch.manual_seed(0)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)]
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 1), _Functional(biased=biased), *head)
    names = [*OF_IMAGES, "snip", "grad_norm"]
    alone, beside = eznas.measure(network, BATCH, names), eznas.measure(network, BATCH, [*names, "grasp"])
    assert beside["grasp"].ok
    for name in names:
        assert (alone[name].status, alone[name].detail) == (beside[name].status, beside[name].detail)
        assert alone[name].ok == (name not in OF_IMAGES)


def test_the_gradients_of_a_bias_are_left() -> None:
    weightless = _Functional(biased=True)
    images = BATCH.images.clone().requires_grad_()
    padded = torch.cat([images, images[:, :1]], 1)
    arguments = (padded, None, None, None, weightless.bias, True)
    for out in (functional.batch_norm(*arguments), batch_norm(*arguments)):
        clear_constant_gradients(out)
        of_images, of_bias = torch.autograd.grad(out.sum(), [images, weightless.bias], retain_graph=True)
        assert not of_images.any()
        assert torch.equal(of_bias, torch.full((4,), float(out[:, 0].numel())))


def test_a_graph_of_gradients_is_not_changed() -> None:
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
