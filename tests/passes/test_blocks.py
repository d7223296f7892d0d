from __future__ import annotations

import torch
from torch import Tensor, nn

from eznas.networks import construct
from eznas.networks.nasbench201 import Cell, CellNetwork, ResidualBlock
from eznas.passes.blocks import blocks_of, features_recorded, main_features
from eznas.scoring.score_many import measure
from eznas.testing.measures import sample_minibatch
from eznas.testing.networks import classifier


def test_the_blocks_of_a_network_of_cells() -> None:
    network = CellNetwork(["nor_conv_3x3"] * 6, cells=2, channels=4, classes=10)
    kinds = [type(module) for module in blocks_of(network)]
    cells = [Cell, Cell]
    assert kinds == [nn.Sequential, *cells, ResidualBlock, *cells, ResidualBlock, *cells, nn.Linear]


def test_cells_without_layers_are_blocks_too() -> None:
    network = CellNetwork(["skip_connect"] * 6, cells=1, channels=4, classes=10)
    kinds = [type(module) for module in blocks_of(network)]
    assert kinds == [nn.Sequential, Cell, ResidualBlock, Cell, ResidualBlock, Cell, nn.Linear]


def test_the_layers_of_an_encoder_are_blocks() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    network = nn.ModuleDict({"stack": nn.TransformerEncoder(layer, 3), "head": nn.Linear(8, 10)})
    kinds = [type(module) for module in blocks_of(network)]
    assert kinds == [nn.TransformerEncoderLayer] * 3 + [nn.Linear]


def test_features_are_of_one_kind_and_not_overwritten() -> None:
    network = classifier("transformer")
    with features_recorded(network) as features:
        network(torch.zeros(2, 3, 12, 12))
    assert [feature.tensor.dim() for feature in features] == [4, 3, 3, 2]
    assert [tuple(feature.tensor.shape) for feature in main_features(features)] == [(2, 10, 8)] * 2

    overwriting = nn.Sequential(nn.Sequential(nn.Conv2d(3, 2, 1)), nn.ReLU(inplace=True), nn.Conv2d(2, 2, 1))
    with features_recorded(overwriting) as features:
        overwriting(torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert bool((features[0].tensor < 0).any())
    assert len(nn.modules.module._global_forward_hooks) == 0


def convolutions() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))


def test_the_blocks_of_a_network_in_a_wrapper_are_its_own() -> None:
    def bare() -> nn.Sequential:
        return nn.Sequential(*convolutions(), nn.Flatten(), nn.Linear(4, 10))

    minibatch, names = sample_minibatch(4, 8), ["az_expressivity", "az_progressivity", "az_trainability"]
    expected = measure(construct(bare), minibatch, names)
    assert all(score.ok for score in expected.values())
    for depth in range(1, 3):
        network = construct(bare)
        for _ in range(depth):
            network = Wrapper(network)
        assert [type(block) for block in blocks_of(network)] == [nn.Conv2d, nn.Conv2d, nn.Linear]
        assert measure(network, minibatch, names) == expected


class Wrapper(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


def test_the_blocks_of_features_and_classifier_are_the_convolutions() -> None:
    classifier = nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 10))

    class Vgg(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features, self.classifier = convolutions(), classifier

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.classifier(self.features(x))
            return out

    assert [type(block) for block in blocks_of(Vgg())] == [nn.Conv2d, nn.Conv2d, nn.Sequential]
    assert all(score.ok for score in measure(Vgg(), sample_minibatch(4, 8), ["az_expressivity"]).values())


def test_the_body_of_two_blocks_is_the_one_with_most_layers() -> None:
    layers = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(4))
    encoder = nn.Module()
    encoder.layer = layers
    wrapped = nn.Module()
    wrapped.embedding, wrapped.encoder = nn.Sequential(nn.Conv2d(3, 8, 4), nn.Flatten(2)), encoder
    assert blocks_of(wrapped) == [wrapped.embedding, *layers]


def test_a_patch_embedding_beside_a_body_stays_a_block() -> None:
    embed, body = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.Flatten(2)), Wrapper(nn.Linear(4, 8))
    assert blocks_of(Wrapper(nn.ModuleDict({"embed": embed, "body": body}))) == [embed, body]
