from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from eznas.errors import InputError
from eznas.networks.nasnet import OPERATIONS, FactorizedReduce
from eznas.spaces import SPACES, Fidelity


def count(space: str, net: dict[str, Any], classes: int = 10) -> int:
    with torch.device("meta"):
        network = SPACES[space].build(json.dumps(net), SPACES[space].fidelities["full"], classes)
    return sum(parameter.numel() for parameter in network.parameters())


def unit(c_in: int, c_out: int, kernel: int = 1) -> int:
    return c_in * c_out * kernel * kernel + 2 * c_out


def separable(c: int, kernel: int, repeats: int) -> int:
    return repeats * (c * kernel * kernel + c * c + 2 * c)


BY_HAND = {
    "none": 0,
    "skip_connect": 0,
    "avg_pool_3x3": 0,
    "max_pool_7x7": 0,
    "conv_1x1": unit(8, 8),
    "conv_3x3": unit(8, 8, 3),
    "conv_7x1_1x7": 2 * 7 * 64 + 16,
    "sep_conv_5x5": separable(8, 5, 2),
    "dil_conv_5x5": separable(8, 5, 1),
    "dil_sep_conv_3x3": separable(8, 3, 2),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
def test_operations_keep_channels_and_divide_the_map(name: str, stride: int) -> None:
    operation = OPERATIONS[name](8, stride)
    assert operation(torch.randn(2, 8, 16, 16)).shape == (2, 8, 16 // stride, 16 // stride)
    if stride == 1 and name in BY_HAND:
        assert sum(parameter.numel() for parameter in operation.parameters()) == BY_HAND[name]


def test_factorized_reduce_sees_all_four_pixels_by_two() -> None:
    reduce = FactorizedReduce(1, 2).eval()
    for convolution in (reduce.conv_1, reduce.conv_2):
        torch.nn.init.ones_(convolution.weight)
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    out = reduce(x) * (1 + reduce.norm.eps) ** 0.5
    torch.testing.assert_close(out[0, 0], x[0, 0, ::2, ::2])
    torch.testing.assert_close(out[0, 1], x[0, 0, 1::2, 1::2])


def test_a_cell_network_has_the_parameters_by_hand() -> None:
    genotype = {
        "normal": [["sep_conv_3x3", 0], ["skip_connect", 1], ["dil_conv_3x3", 2], ["none", 0]],
        "normal_concat": [2, 3],
        "reduce": [["skip_connect", 0], ["max_pool_3x3", 1], ["sep_conv_5x5", 2], ["none", 1]],
        "reduce_concat": [3],
    }
    net = {"genotype": genotype, "width": 8, "depth": 3}

    def normal(older: int, newer: int, c: int) -> int:
        return unit(older, c) + unit(newer, c) + separable(c, 3, 2) + separable(c, 3, 1)

    def reduce(older: int, newer: int, c: int) -> int:  # a skip of stride 2 is a 1x1 unit, in two halves
        return unit(older, c) + unit(newer, c) + unit(c, c) + separable(c, 5, 2)

    cells = normal(24, 24, 8) + reduce(24, 16, 16) + reduce(16, 16, 32)
    assert count("nds_darts", net) == 27 * 24 + 48 + cells + 32 * 10 + 10


def test_stages_have_the_parameters_by_hand() -> None:
    plain = {"block_type": "double_plain_block", "ds": [2, 1], "ws": [16, 32], "ss": [1, 2]}
    body = 4 * unit(16, 16, 3) + unit(16, 32, 3) + unit(32, 32, 3)
    assert count("nds_vanilla", plain) == unit(3, 16, 3) + body + 32 * 10 + 10
    residual = plain | {"block_type": "res_basic_block"}
    assert count("nds_resnet", residual) == unit(3, 16, 3) + body + unit(16, 32) + 330
    grouped = plain | {"block_type": "res_bottleneck_block", "ds": [1, 1], "bot_muls": [0.5, 1.0], "num_gs": [2, 4]}
    body = unit(16, 8) + 8 * 8 * 9 // 2 + 16 + unit(8, 16)
    body += unit(16, 32) + 32 * 32 * 9 // 4 + 64 + unit(32, 32) + unit(16, 32)
    assert count("nds_resnext-a", grouped) == unit(3, 16, 3) + body + 330
    large = unit(3, 12, 7) + body + 330 + unit(12, 8) - unit(16, 8) + unit(12, 16)
    assert count("nds_resnext-a_in", grouped) == large


def test_the_published_resnet_56_is_built() -> None:
    fifty_six = {"block_type": "res_basic_block", "ds": [9, 9, 9], "ws": [16, 32, 64], "ss": [1, 2, 2]}
    assert count("nds_resnet", fifty_six) == 855_770  # 0.85 million, with projections where the shape changes


def test_images_must_be_divisible() -> None:
    space = SPACES["nds_darts"]
    architecture = '{"depth":4,"width":16,"genotype":{"normal":[["none",0],["none",1]],"normal_concat":[2],'
    architecture += '"reduce":[["none",0],["none",1]],"reduce_concat":[2]}}'
    with pytest.raises(InputError, match="multiple of 4 pixels, got 18"):
        space.build(architecture, Fidelity("odd", 20, 32, 18), 10)
