from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from eznas.networks import construct, initialise


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, bias=True),
        nn.BatchNorm2d(64),
        nn.Conv2d(64, 128, 1, stride=2, groups=2),
        nn.Flatten(),
        nn.Linear(512, 100),
    )


def initialised(network: nn.Module, seed: int) -> dict[str, Tensor]:
    initialise(network, seed)
    return network.state_dict()


def test_weights_have_the_published_distributions() -> None:
    state = initialised(net(), 0)
    assert state["0.weight"].std().item() == pytest.approx(math.sqrt(2 / (64 * 9)), rel=0.05)
    assert state["2.weight"].std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.05)
    assert state["4.weight"].std().item() == pytest.approx(0.01, rel=0.02)
    assert abs(state["4.weight"].mean().item()) < 2e-4
    for zero in ("0.bias", "1.bias", "1.running_mean", "1.num_batches_tracked", "2.bias", "4.bias"):
        assert not state[zero].any()
    assert (state["1.weight"] == 1).all()
    assert (state["1.running_var"] == 1).all()


def test_a_used_network_becomes_a_fresh_one() -> None:
    used = net()
    used(torch.randn(4, 3, 6, 6)).sum().backward()
    for parameter in used.parameters():
        parameter.data.uniform_()
    again = initialised(used, 5)
    for name, value in initialised(net(), 5).items():
        assert torch.equal(value, again[name])


def test_the_seed_decides() -> None:
    left, right = initialised(net(), 1), initialised(net(), 2)
    for name in ("0.weight", "2.weight", "4.weight"):
        assert not torch.equal(left[name], right[name])


def test_a_weight_depends_on_its_path_only() -> None:
    alone = nn.Sequential(nn.Identity(), nn.Identity(), nn.Conv2d(64, 128, 1, groups=2, bias=False))
    assert torch.equal(initialised(alone, 3)["2.weight"], initialised(net(), 3)["2.weight"])
    repeated = initialised(nn.Sequential(nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3)), 3)
    assert not torch.equal(repeated["0.weight"], repeated["1.weight"])


def test_precision_does_not_change_the_draw() -> None:
    single, double = initialised(net(), 3), initialised(net().double(), 3)
    assert torch.equal(single["0.weight"].double(), double["0.weight"])


def test_gradients_can_still_be_taken() -> None:
    network = net()
    initialise(network, 0)
    network(torch.randn(4, 3, 6, 6)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_global_random_state_stays() -> None:
    before = torch.random.get_rng_state()
    initialise(construct(net), 7)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_is_not_initialised_does_not_depend_on_the_ambient_random_state() -> None:
    made = []
    with torch.random.fork_rng():
        for ambient in (1, 2):
            torch.manual_seed(ambient)
            made.append(construct(lambda: nn.ConvTranspose2d(3, 4, 2)).get_parameter("weight"))
    assert torch.equal(*made)


def test_constructed_networks_have_real_buffers() -> None:
    network = construct(net)
    assert all(value.device.type == "cpu" for value in network.state_dict().values())
    assert (network.state_dict()["1.running_var"] == 1).all()
    assert network(torch.randn(2, 3, 6, 6)).isfinite().all()


def test_the_network_is_built_where_it_is_wanted() -> None:
    assert all(value.device.type == "meta" for value in construct(net, "meta").state_dict().values())
