"""Measures of the outputs of layers against values computed by hand, and their formulas written out."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from eznas.measures.meco import _least_eigenvalue
from eznas.measures.near import effective_rank
from eznas.measures.swap import pattern_count
from eznas.measures.zen import gaussian_parameters
from eznas.minibatch import Minibatch
from eznas.passes.layers import layers_of
from eznas.seeds import torch_generator
from eznas.testing.measures import sample_minibatch, value_of
from eznas.testing.networks import CLASSIFIERS, PIXELS, classifier

BATCH = sample_minibatch(6, PIXELS)


def value(name: str, network: nn.Module, minibatch: Minibatch = BATCH) -> float:
    return value_of(name, network, minibatch)


def relu_patterns(network: nn.Module, images: Tensor) -> list[Tensor]:
    found: list[Tensor] = []
    kinds = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU)
    handles = [
        module.register_forward_pre_hook(lambda _, args: found.append((args[0] > 0).flatten(1).clone()))
        for module in network.modules()
        if isinstance(module, kinds)
    ]
    network(images)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("kind", ["depthwise", "linear", "transformer", "without_norm"])
def test_swap_counts_different_columns(kind: str) -> None:
    columns = torch.cat(relu_patterns(classifier(kind).train(), BATCH.images), 1).T.tolist()
    count = len({tuple(column) for column in columns})
    assert value("swap", classifier(kind)) == count
    thousands = value("params", classifier(kind)) / 1000
    expected = count * math.exp(-((thousands - 1000) ** 2) / 1e6)
    assert value("swap_regularised", classifier(kind)) == pytest.approx(expected)


def test_patterns_of_more_images_than_a_word_has_bits() -> None:
    positive = torch.randint(2, (130, 50), generator=torch_generator(0, "test")).bool()
    positive = torch.cat([positive, positive[:, :20], ~positive[:, :5]], 1)
    assert pattern_count([positive[:, :30], positive[:, 30:]]) == 55


def test_linear_regions_by_hand() -> None:
    network = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(2, 2))
    images = torch.tensor([[1.0, 1], [2, 3], [-1, 1], [1, -1], [0.5, 0]]).reshape(5, 1, 1, 2)
    batch = Minibatch(images, torch.zeros(5, dtype=torch.int64), 2, "test")
    assert value("linear_regions", network, batch) == 3


def test_effective_rank_by_hand() -> None:
    assert effective_rank(torch.eye(3)) == pytest.approx(3)
    assert effective_rank(torch.ones(4, 3)) == pytest.approx(1)
    assert effective_rank(torch.zeros(4, 3)) == 0
    # singular values 3 and 1
    assert effective_rank(torch.diag(torch.tensor([3.0, 1]))) == pytest.approx(4 / 3**0.75)


def layer_outputs(network: nn.Module, images: Tensor) -> list[tuple[nn.Module, Tensor]]:
    found: list[tuple[nn.Module, Tensor]] = []
    kinds = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.LayerNorm, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU)
    handles = [
        module.register_forward_hook(lambda module, _, out: found.append((module, out.detach().double().clone())))
        for module in network.modules()
        if isinstance(module, kinds)
    ]
    network(images)
    for handle in handles:
        handle.remove()
    return found


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_near_by_its_formula(kind: str) -> None:
    total = 0.0
    for _, out in layer_outputs(classifier(kind).train(), BATCH.images):
        rows = out.permute(0, 2, 3, 1).flatten(0, 2) if out.dim() == 4 else out.flatten(0, -2)
        values = np.linalg.svd(rows.numpy(), compute_uv=False)
        share = values[values > values[0] * 1e-7] / values[values > values[0] * 1e-7].sum() if values[0] else []
        total += math.exp(-sum(one * math.log(one) for one in share)) if len(share) else 0.0
    assert value("near", classifier(kind)) == pytest.approx(total, rel=1e-3)


@pytest.mark.parametrize("kind", ["depthwise", "transformer", "without_norm"])
def test_meco_by_its_formula(kind: str) -> None:
    total = 0.0
    for _, out in layer_outputs(classifier(kind).train(), BATCH.noise[:2]):
        first = out[0]
        if first.dim() > 1:
            rows = (first.flatten(1) if first.dim() == 3 else first.T).numpy()
            with np.errstate(invalid="ignore", divide="ignore"):
                matrix = np.nan_to_num(np.corrcoef(rows))
            total += float(np.linalg.eigvalsh(np.atleast_2d(matrix))[0])
    assert value("meco", classifier(kind)) == pytest.approx(total, rel=0.02, abs=1e-3)


def test_the_least_eigenvalue_by_hand() -> None:
    # two channels with correlation 1/2 beside one that does not vary
    rows = torch.tensor([[1.0, -1, 0], [1, 0, -1], [2, 2, 2]])
    assert _least_eigenvalue(rows[:2]) == pytest.approx(0.5)
    assert _least_eigenvalue(rows) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("kind", ["cells", "depthwise", "without_norm"])
def test_zen_by_its_formula(kind: str) -> None:
    network = classifier(kind).double().train()
    state = gaussian_parameters(network, 0, layers_of(network, BATCH.images))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(state[name])
    kept: dict[str, Tensor] = {}
    deviations: list[float] = []

    def before_pool(_: nn.Module, args: tuple[Tensor]) -> None:
        kept["map"] = args[0]

    def at_norm(_: nn.Module, args: tuple[Tensor]) -> None:
        deviations.append(float(args[0].transpose(0, 1).flatten(1).var(1, correction=0).mean()) ** 0.5)

    for module in network.modules():
        if isinstance(module, nn.AdaptiveAvgPool2d):
            module.register_forward_pre_hook(before_pool)
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(at_norm)
    noise = BATCH.noise.double()
    step = torch.randn(noise.shape, generator=torch_generator(0, "zen", "step")).double()
    with torch.no_grad():
        network(noise)
        first, logs = kept["map"], [math.log(one) for one in deviations]
        network(noise + 0.01 * step)
    change = float((kept["map"] - first).abs().sum((1, 2, 3)).mean())
    assert value("zen", classifier(kind)) == pytest.approx(math.log(change) + sum(logs), rel=1e-9)


def test_zen_does_not_read_the_weights() -> None:
    network = classifier("cells")
    was = value("zen", network)
    for parameter in network.parameters():
        parameter.data.mul_(3)
    assert value("zen", network) == was


def entropy(rows: Any) -> float:
    values = np.linalg.eigvalsh(np.cov(rows.T, bias=True)).clip(0)
    share = values / values.sum()
    return float(-np.sum(share * np.log(share + 1e-8)))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_the_biases_of_recurrent_layers_are_0_in_zen(kind: type[nn.RNNBase]) -> None:
    network = kind(12, 4)
    parameters = gaussian_parameters(network, 0, layers_of(network, BATCH.images))
    for name, parameter in parameters.items():
        assert bool((parameter == 0).all()) == name.startswith("bias"), name


def test_az_nas_by_its_formulas() -> None:
    network: Any = classifier("depthwise").double().train()
    batch = Minibatch(BATCH.images.double(), BATCH.labels, 10, "test")
    features = [batch.images]
    for block in network[:4]:
        features.append(block(features[-1]))
    features = features[1:]
    entropies = [entropy(one.detach().permute(0, 2, 3, 1).flatten(0, 2).numpy()) for one in features]
    assert value("az_expressivity", network, batch) == pytest.approx(sum(entropies))
    assert value("az_progressivity", network, batch) == pytest.approx(min(np.diff(entropies)))
    scores = []
    for index, (earlier, later) in enumerate(pairwise(features)):
        signs = torch.randint(2, later.shape, generator=torch_generator(0, "az_nas", index)).double() * 2 - 1
        leaf = earlier.detach().clone().requires_grad_()
        network[index + 1](leaf).backward(signs)
        assert leaf.grad is not None
        gradient = leaf.grad
        if gradient.shape != signs.shape:
            gradient = functional.pixel_unshuffle(gradient, 2)
        matrix = torch.einsum("bihw,bohw->io", gradient, signs) / (len(signs) * signs[0, 0].numel())
        greatest = float(np.linalg.svd(matrix.numpy(), compute_uv=False)[0])
        scores.append(2 - greatest - 1 / (greatest + 1e-6))
    assert value("az_trainability", network, batch) == pytest.approx(sum(scores) / len(scores))
