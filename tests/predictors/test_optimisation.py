"""The optimiser and the gradients by hand, against torch's."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from eznas.predictors.nets.adam import Adam
from eznas.predictors.nets.perceptrons import train_perceptrons
from eznas.predictors.nets.training import Training, cosine_factor, descend
from eznas.seeds import torch_generator


def perceptron(seed: int, widths: tuple[int, ...], activation: type[nn.Module]) -> nn.Sequential:
    torch.manual_seed(seed)
    layers = [layer for pair in itertools.pairwise(widths) for layer in (nn.Linear(*pair), activation())]
    return nn.Sequential(*layers[:-1])


@pytest.mark.parametrize(
    ("make", "settings"),
    [(torch.optim.Adam, {}), (torch.optim.Adam, {"weight_decay": 0.1}), (torch.optim.AdamW, {"weight_decay": 0.1})],
)
def test_adam_equals_torchs_to_the_bit(make: type[torch.optim.Adam], settings: dict[str, float]) -> None:
    ours, theirs = (perceptron(0, (3, 7, 7, 1), nn.Tanh) for _ in range(2))
    optimiser = Adam(
        ours.parameters(), 0.01, (0.9, 0.99), epsilon=1e-7, decoupled=make is torch.optim.AdamW, **settings
    )
    reference = make(theirs.parameters(), 0.01, (0.9, 0.99), eps=1e-7, **settings)
    x = torch.randn(5, 3, generator=torch_generator(0, "x"))
    descend(optimiser, ((ours(x) ** 2).sum() for _ in range(20)))
    for _ in range(20):
        reference.zero_grad()
        (theirs(x) ** 2).sum().backward()
        reference.step()
    for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_adam_leaves_tensors_alone_that_require_no_gradient() -> None:
    network = perceptron(0, (2, 3, 1), nn.ReLU)
    network[0].weight.requires_grad_(False)
    before = [parameter.detach().clone() for parameter in network.parameters()]
    descend(Adam(network.parameters(), 0.1), [network(torch.ones(1, 2)).sum()])
    unchanged = [torch.equal(*pair) for pair in zip(before, network.parameters(), strict=True)]
    assert unchanged == [True, False, False, False]


@pytest.mark.parametrize("epochs", [1, 2, 7])
def test_the_learning_rate_is_that_of_torchs_schedule(epochs: int) -> None:
    optimiser = torch.optim.Adam([torch.ones(1, requires_grad=True)], 0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    rate = 0.3
    for epoch in range(epochs):
        optimiser.step()
        schedule.step()
        rate *= cosine_factor(epoch, epochs)
        assert [rate] == schedule.get_last_lr()


@pytest.mark.parametrize(("activation", "squared", "penalty"), [(nn.ReLU, False, 0.2), (nn.Tanh, True, 0.0)])
@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("count", [1, 9, 33])
def test_perceptrons_equal_each_trained_alone_by_autograd(
    activation: type[nn.Module], squared: bool, penalty: float, members: int, count: int
) -> None:
    widths, training = (6, 20, 20, 1), Training(5, 8, 0.01, cosine=False, betas=(0.9, 0.99))
    noise = torch_generator(0, "noise")
    x, y = torch.randn(count, 6, generator=noise), torch.randn(count, generator=noise)
    networks = [perceptron(member, widths, activation) for member in range(members)]
    train_perceptrons(networks, x, y, training, range(10, 10 + members), squared=squared, penalty=penalty)
    for member, network in enumerate(networks):
        alone = perceptron(member, widths, activation)
        optimiser = torch.optim.Adam(alone.parameters(), 0.01, (0.9, 0.99))
        generator = torch_generator(10 + member, "batches")
        for _ in range(5):
            for chosen in torch.split(torch.randperm(count, generator=generator), 8):
                error = alone(x[chosen])[:, 0] - y[chosen]
                loss = (error**2 if squared else error.abs()).mean() + penalty * alone[-1].weight.abs().mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        for mine, its in zip(network.parameters(), alone.parameters(), strict=True):
            assert torch.allclose(mine, its, rtol=0, atol=1e-6)
