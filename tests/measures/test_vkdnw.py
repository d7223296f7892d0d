"""VKDNW against values computed by hand, and the Fisher information against its definition."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from eznas.measures import vkdnw
from eznas.measures.vkdnw import fisher_information
from eznas.minibatch import Minibatch
from eznas.testing.measures import value_of
from eznas.testing.networks import PIXELS, classifier

BATCH = Minibatch(torch.zeros(4, 1, 1, 1), torch.tensor([0, 1, 0, 1]), 2, "test", seed=3)


def even_line(*, bias: bool) -> nn.Sequential:
    """Logits that are equal, so both classes have a probability of 1/2."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=bias))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.5)
    return network


def test_one_number_has_equal_deciles() -> None:
    assert value_of("vkdnw", even_line(bias=False), BATCH) == pytest.approx(1 + math.log(9))


def test_two_numbers_by_hand() -> None:
    # d log p_0 is -+(x, 1) / 2 in the first weight and the first bias: the information is E[(x, 1) (x, 1)^T] / 4
    x = BATCH.noise.flatten().double().numpy()
    information = np.array([[np.mean(x * x), np.mean(x)], [np.mean(x), 1]]) / 4
    network = even_line(bias=True)
    assert fisher_information(network, BATCH.noise).numpy() == pytest.approx(information, rel=1e-6)
    root = math.sqrt((information[0, 0] - information[1, 1]) ** 2 + 4 * information[0, 1] ** 2)
    least, greatest = (np.trace(information) - root) / 2, (np.trace(information) + root) / 2
    deciles = [least + k / 10 * (greatest - least) for k in range(1, 10)]
    shares = np.array(deciles) / sum(deciles)
    assert value_of("vkdnw", network, BATCH) == pytest.approx(2 - float(np.sum(shares * np.log(shares))), rel=1e-6)


def test_the_information_is_the_expected_square_of_the_score() -> None:
    expect_information(classifier("cells").eval())


@pytest.mark.parametrize("act", [nn.ReLU(), nn.GELU()])
def test_many_classes_take_a_pass_for_each_tensor(act: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2), act, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 50), nn.BatchNorm1d(50)
    ).eval()
    expect_information(network)
    calls: list[int] = []
    counted = vkdnw.differentiate
    monkeypatch.setattr(vkdnw, "differentiate", lambda *args, **more: [calls.append(1), counted(*args, **more)][1])
    fisher_information(network, torch.zeros(1, 3, PIXELS, PIXELS))
    assert len(calls) == 1 + len(list(network.parameters()))
    network[1] = nn.Hardsigmoid()  # which has no second derivative
    expect_information(network)


def expect_information(network: Any) -> None:
    images = torch.randn((2, 3, PIXELS, PIXELS), generator=torch.Generator().manual_seed(0))
    parameters = list(network.parameters())
    expected = np.zeros((len(parameters), len(parameters)))
    for image in images:
        logs = network(image[None])[0].log_softmax(0)
        for log in logs:
            found = torch.autograd.grad(log, parameters, retain_graph=True, allow_unused=True)
            firsts = np.array([0.0 if one is None else float(one.flatten()[0]) for one in found])
            expected += float(log.detach().exp()) / len(images) * np.outer(firsts, firsts)
    least = min(len(parameters), 128)
    assert fisher_information(network, images).numpy() == pytest.approx(expected[:least, :least], rel=1e-3, abs=1e-7)
