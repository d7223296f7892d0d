"""Attention and token mixing against plain formulas."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import fft
from torch import Tensor, nn

from eznas.networks.attention import RelativePositions, SelfAttention
from eznas.networks.autoformer import AutoFormerNetwork
from eznas.networks.encoder import EncoderLayer
from eznas.networks.pit import PitNetwork, PoolingStage
from eznas.networks.token_mixing import DotProductAttention, DynamicConvolution, LinearTransform, cosines


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def attended(attention: SelfAttention, x: Tensor) -> Tensor:
    """The formula of attention, head by head and token by token."""
    images, tokens, _ = x.shape
    query, key, value = attention.qkv(x).chunk(3, -1)
    size = query.shape[-1] // attention.heads
    keys = values = torch.zeros(tokens, tokens, size)
    if attention.keys is not None and attention.values is not None:
        keys, values = attention.keys(tokens), attention.values(tokens)
    rows = torch.zeros_like(query)
    for image in range(images):
        for head in range(attention.heads):
            part = slice(head * size, (head + 1) * size)
            q, k, v = (tensor[image, :, part] for tensor in (query, key, value))
            for token in range(tokens):
                weights = ((k + keys[token]) @ q[token] / math.sqrt(size)).softmax(0)
                rows[image, token, part] = weights @ (v + values[token])
    projected: Tensor = attention.projection(rows)
    return projected


def test_normalisations_of_pit_have_the_epsilon_of_the_released_code() -> None:
    network = PitNetwork([(1, 2), (1, 2), (1, 4)], head_channels=4, ratio=2, pixels=64, classes=3)
    norms = [module for module in network.modules() if isinstance(module, nn.LayerNorm)]
    assert [norm.eps for norm in norms] == [1e-6] * 7


@pytest.mark.parametrize(("head_channels", "epsilon"), [(4, 1e-5), (0, 1e-6)])
def test_normalisations_of_autoformer_have_the_epsilon_of_the_released_code(head_channels: int, epsilon: float) -> None:
    network = AutoFormerNetwork([(2, 8)], channels=8, head_channels=head_channels, pixels=32, classes=3)
    norms = [module for module in network.modules() if isinstance(module, nn.LayerNorm)]
    assert [norm.eps for norm in norms] == [epsilon] * 3


@pytest.mark.parametrize("distance", [0, 1, 2])
def test_attention_is_its_formula(distance: int) -> None:
    attention = SelfAttention(6, 2, 4, distance)
    x = drawn(2, 5, 6)
    torch.testing.assert_close(attention(x), attended(attention, x))


def test_attention_without_positions_is_that_of_torch() -> None:
    attention, reference = SelfAttention(8, 2, 4), nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        reference.in_proj_weight.copy_(attention.qkv.weight)
        reference.in_proj_bias.copy_(attention.qkv.bias)
        reference.out_proj.weight.copy_(attention.projection.weight)
        reference.out_proj.bias.copy_(attention.projection.bias)
    x = drawn(3, 5, 8)
    torch.testing.assert_close(attention(x), reference(x, x, x)[0])


def test_relative_positions_by_hand() -> None:
    positions = RelativePositions(1, 1)
    with torch.no_grad():  # rows: class token, distances -1, 0 and 1
        positions.vertical.copy_(torch.tensor([[0.0], [1], [2], [3]]))
        positions.horizontal.copy_(torch.tensor([[0.0], [10], [20], [30]]))
    grid = positions(1 + 4)[..., 0]  # a class token and a grid of 2 x 2
    assert grid.tolist() == [
        [0, 0, 0, 0, 0],
        [0, 22, 32, 23, 33],
        [0, 12, 22, 13, 23],
        [0, 21, 31, 22, 32],
        [0, 11, 21, 12, 22],
    ]
    clipped = positions(1 + 9)[1, 1:, 0].tolist()  # from the first of 3 x 3: distances of 2 are clipped
    assert clipped == [22, 32, 32, 23, 33, 33, 23, 33, 33]


def test_cosine_and_fourier_transforms_are_those_of_scipy() -> None:
    x = drawn(2, 5, 8)
    for cosine in (True, False):
        transform = LinearTransform(8, 2, cosine=cosine)
        maps = transform.input(x).unflatten(-1, (2, 4)).transpose(1, 2).detach().numpy()
        expected = fft.dctn(maps, 2, axes=(-2, -1)) if cosine else fft.fftn(maps, axes=(-2, -1)).real
        torch.testing.assert_close(transform(x), torch.tensor(expected).transpose(1, 2).flatten(2))
    assert cosines(1, x).item() == 2


def test_weighted_attention_multiplies_the_queries() -> None:
    plain, weighted = DotProductAttention(6, 6, 2), DotProductAttention(6, 6, 2, weighted=True)
    weighted.load_state_dict({**plain.state_dict(), "weight.weight": 2 * torch.eye(6)})
    x = drawn(2, 4, 6)
    query = plain.query(x)
    torch.testing.assert_close(weighted(x), plain.attended(x, 2 * query))


def test_dynamic_convolution_is_its_formula() -> None:
    convolution = DynamicConvolution(8, 4, 3)
    x = drawn(2, 5, 8)
    query = convolution.attention.query(x)
    spans = convolution.pointwise(convolution.depthwise(x.transpose(1, 2))).transpose(1, 2)
    kernels = convolution.kernels(spans * query).reshape(2, 5, 2, 3).softmax(-1)
    values = convolution.values(x).reshape(2, 5, 2, 2)
    convolved = torch.zeros(2, 5, 2, 2)
    for token in range(5):
        for step in range(3):
            if 0 <= token + step - 1 < 5:
                convolved[:, token] += kernels[:, token, :, step, None] * values[:, token + step - 1]
    expected = torch.cat([convolution.attention(x), convolved.flatten(2)], -1)
    torch.testing.assert_close(convolution(x), expected)


def test_an_encoder_layer_has_two_residuals() -> None:
    layer = EncoderLayer(SelfAttention(4, 1, 4), 4, 6)
    nn.init.zeros_(layer.attention.projection.weight)
    nn.init.zeros_(layer.attention.projection.bias)
    nn.init.zeros_(layer.perceptron[2].weight)
    nn.init.ones_(layer.perceptron[2].bias)
    x = drawn(1, 3, 4)
    torch.testing.assert_close(layer(x), x + 1)


def test_autoformer_reads_the_mean_of_the_patches() -> None:
    network = AutoFormerNetwork([], channels=4, head_channels=2, pixels=32, classes=3)
    images = drawn(2, 3, 32, 32)
    patches = network.patches(images).flatten(2).transpose(1, 2) + network.positions[:, 1:]
    expected = network.classifier(network.norm(patches).mean(1))
    torch.testing.assert_close(network(images), expected)


def test_a_pooling_stage_halves_the_map() -> None:
    stage = PoolingStage(4, 8, 0, 2, 8)
    image, token = stage(drawn(2, 4, 5, 5), drawn(2, 1, 4))
    torch.testing.assert_close(image, stage.pool(drawn(2, 4, 5, 5)))
    assert image.shape == (2, 8, 3, 3)
    torch.testing.assert_close(token, stage.widen(drawn(2, 1, 4)))


def test_the_classifier_of_pit_reads_the_class_token() -> None:
    network = PitNetwork([(0, 2), (0, 2), (0, 4)], head_channels=4, ratio=2, pixels=32, classes=3)
    token = network.class_token[:, 0]
    for stage in (network.stages[1], network.stages[2]):
        token = stage.widen(token)
    torch.testing.assert_close(network(drawn(2, 3, 32, 32)), network.classifier(network.norm(token)).expand(2, -1))
