from __future__ import annotations

import torch
from torch import nn

from eznas.capture.modules import buffers_of, modules_of, parameters_of


def shared_network() -> nn.Module:
    """A module, a parameter and a buffer occur twice; a child, a buffer and a parameter are None."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    network.add_module("again", network[2])
    network.add_module("inner", nn.ModuleDict({"norm": network[1], "linear": nn.Linear(4, 4, bias=False)}))
    network.register_module("nothing", None)
    network.register_buffer("empty", None)
    network.register_buffer("mean", network[1].get_buffer("running_mean"))
    network.get_submodule("inner.linear").register_parameter("weight", network[2].get_parameter("0.weight"))
    network[0].register_buffer("kept", torch.ones(2), persistent=False)
    return network


def test_the_lists_are_those_of_torch() -> None:
    network = shared_network()
    assert modules_of(network) == list(network.named_modules())
    found, expected = parameters_of(network), dict(network.named_parameters())
    assert list(found) == list(expected)
    assert all(found[name] is parameter for name, parameter in expected.items())
    assert list(map(id, buffers_of(network))) == list(map(id, network.buffers()))


def test_a_module_that_holds_itself_is_walked_once() -> None:
    network = nn.Sequential(nn.ReLU())
    network[0].add_module("parent", network)
    assert modules_of(network) == list(network.named_modules())
