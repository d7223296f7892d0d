from __future__ import annotations

import json

import pytest
import torch

from eznas.errors import InputError
from eznas.networks.tiny_nanobench import Cell, ChannelAttention, Expand
from eznas.spaces import SPACES, Fidelity
from eznas.spaces.tiny_nanobench import MOST_MULTIPLY_ADDS, TinyNanoBench
from eznas.testing.spaces import sampled

SPACE = TinyNanoBench()
FULL = SPACE.fidelities["full"]
CELL = "split>1,2|dwconv3x3>3|conv1x1>3|output"


def test_the_published_form_is_read() -> None:
    matrix = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]]
    operations = ["split", "dwconv3x3", "conv1x1", "output"]
    assert SPACE.parse(json.dumps({"adj_matrix": matrix, "operations": operations, "id": 3})) == CELL
    chain = {"adj_matrix": [[0, 1], [0, 0]], "operations": ["none", "output"]}
    assert SPACE.parse(json.dumps(chain)) == "identity>1|output"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("output", "2 to 7 nodes"),
        ("identity>1", "list its nodes"),
        ("identity>x|output", "list its nodes"),
        ("conv5x5>1|output", "unknown operation"),
        ("identity>1,2|identity>2|output", "1 targets"),
        ("split>1|output", "2 targets"),
        ("split>2,1|identity>2|output", "ascending"),
        ("identity>2|identity>2|output", "must have a source"),
        ("identity>1|identity>1|output", "later nodes"),
        ("identity>6|output", "later nodes"),
        ("|".join([f"identity>{node}" for node in range(1, 7)] + ["identity>7", "output"]), "list its nodes"),
        ("{", "in JSON"),
        ('{"operations": ["output"], "adj_matrix": [[0]]}', "2 to 7 nodes"),
        ('{"operations": ["none", "output"], "adj_matrix": [[0, 1], [1, 0]]}', "without targets"),
    ],
)
def test_faulty_cells_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SPACE.parse(text)


def test_multiply_adds_by_hand() -> None:
    stem = 3 * 9 * 64 * 32**2
    widening = 64 * 128 * 16**2 + 128 * 256 * 8**2  # the first cells of stages two and three end in a 1x1 unit
    assert SPACE.multiply_adds("identity>1|output") == stem + widening
    depthwise = 9 * 32**2 * 3 * 64 + 9 * 16**2 * (64 + 2 * 128) + 9 * 8**2 * (128 + 2 * 256)
    assert SPACE.multiply_adds("dwconv3x3>1|output") == stem + widening + depthwise


@pytest.mark.parametrize("architecture", [CELL, "expand>1|output", "atten>1|output", *sampled(SPACE, 2)])
def test_multiply_adds_are_those_of_the_network(architecture: str) -> None:
    total = 0

    def add(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(module, torch.nn.Conv2d)
        total += module.weight[0].numel() * output[0].numel()

    with torch.device("meta"):
        network = SPACE.build(architecture, FULL, 10)
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.register_forward_hook(add)
        network(torch.empty(1, 3, 32, 32))
    assert total == SPACE.multiply_adds(architecture)


def test_drawn_cells_and_their_neighbours_are_light() -> None:
    for architecture in sampled(SPACE, 20):
        assert SPACE.multiply_adds(architecture) <= MOST_MULTIPLY_ADDS
    assert all(SPACE.multiply_adds(each) <= MOST_MULTIPLY_ADDS for each in SPACE.neighbours("conv1x1>1|output"))


def test_identities_and_numbering_do_not_change_the_canonical_form() -> None:
    short = SPACE.canonical(CELL)
    assert SPACE.canonical("identity>1|split>2,3|dwconv3x3>4|conv1x1>5|identity>5|output") != short
    # The identity behind the depthwise convolution would exchange the terms of the concatenation.
    assert SPACE.canonical("identity>1|split>2,3|dwconv3x3>4|conv1x1>4|output") == short
    assert SPACE.canonical("split>1,2|dwconv3x3>3|conv1x1>4|identity>4|output") != short
    assert SPACE.canonical("split>1,3|dwconv3x3>2|identity>4|conv1x1>4|output") == short
    assert SPACE.canonical("split>1,2|conv1x1>3|dwconv3x3>3|output") != short


def test_canonical_forms_compute_the_same_function() -> None:
    fidelity = Fidelity("tiny", cells=1, channels=32, pixels=8)
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    drawn = [one for one in sampled(SPACE, 60) if SPACE.canonical(one) != one][:4]
    assert len(drawn) == 4
    for architecture in drawn:
        results = []
        for one in (architecture, SPACE.canonical(architecture)):
            network = SPACE.build(one, fidelity, 3)
            for parameter in network.parameters():  # equal weights whatever the numbering; channels still differ
                torch.nn.init.constant_(parameter, 0.05)
                parameter.data += torch.arange(len(parameter)).reshape(-1, *[1] * (parameter.dim() - 1)) / 500
            results.append(network(images))
        torch.testing.assert_close(*results)


def test_the_halves_of_a_split_and_the_residual() -> None:
    cell = Cell(["split", "identity", "identity"], [(1, 2), (3,), (3,)], 4, 4)
    x = torch.arange(4.0).reshape(1, 4, 1, 1)
    assert cell(x).flatten().tolist() == [0, 2, 4, 6]
    swapped = Cell(["split", "identity"], [(1, 2), (2,)], 4, 4)  # the second half arrives first
    assert swapped(x).flatten().tolist() == [0 + 2, 1 + 3, 2 + 0, 3 + 1]


def test_channel_attention_by_hand() -> None:
    attention = ChannelAttention(4)
    for parameter in attention.parameters():
        torch.nn.init.ones_(parameter)
    x = torch.tensor([1.0, -1.0, 2.0, 0.0]).reshape(1, 4, 1, 1)
    value = torch.nn.functional.mish(torch.tensor(2.0))  # the softmax over one value is 1
    weight = torch.clamp(value + 3, 0, 6) / 6
    torch.testing.assert_close(attention(x), x * weight)


def test_expand_chains_depthwise_units() -> None:
    expand = Expand(1).eval()
    for name, parameter in expand.named_parameters():
        torch.nn.init.ones_(parameter) if name.endswith("weight") else torch.nn.init.zeros_(parameter)
    scale = (1 + 1e-4) ** -0.5
    x = torch.ones(1, 1, 1, 1)
    expected, current = [], x
    for _ in range(3):
        current = torch.nn.functional.mish(current * scale) + x
        expected.append(current)
    torch.testing.assert_close(expand(x), torch.cat(expected, dim=1))


def test_the_least_channels() -> None:
    with pytest.raises(InputError, match="multiple of 32"):
        SPACE.build(CELL, Fidelity("odd", cells=1, channels=16, pixels=8), 3)


def test_features_ignore_identities() -> None:
    features = SPACE.features("identity>1|dwconv3x3>2|identity>3|output")
    assert features == SPACE.features("dwconv3x3>1|output")
    assert features["count_dwconv"] == features["min_path_any"] == 1
    assert SPACES["tiny_nanobench"].features(CELL)["in_degree_any"] == 2
