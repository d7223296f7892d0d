"""BRP-NAS: the comparison and the order by hand, the sampling's budget, and a small fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from eznas.errors import InputError
from eznas.predictors import make_predictor
from eznas.predictors.brp.network import BrpNetwork, BrpSettings, BrpTrainer, with_global_node
from eznas.predictors.brp.sampling import BrpSearch
from eznas.predictors.encodings.base import EncodingInputs
from eznas.predictors.encodings.encoder import Encoder
from eznas.ranking import correlate
from eznas.spaces import SPACES
from eznas.testing.spaces import sampled

SPACE = SPACES["nasbench201"]
CELLS = list(dict.fromkeys(sampled(SPACE, 90)))[:80]
GRAPHS = Encoder("graph", EncodingInputs(SPACE)).graphs(CELLS)
TRUTH = np.array([60.0 + 3 * cell.count("3x3~") + 2 * cell.count("1x1") - 2 * cell.count("none") for cell in CELLS])
QUICK = BrpSettings(layers=2, width=16, epochs=10, batch=128, pairs=384, learning_rate=5e-3)


def test_a_reading_by_hand() -> None:
    """One layer of width 2: the global node adds itself and both nodes, then LayerNorm and ReLU."""
    network = BrpNetwork(1, BrpSettings(layers=1, width=2, dropout=0.0))
    network.layers[0].weight.data = torch.tensor([[1.0, 0.0], [0.0, 3.0]])  # columns: the type, the global node
    network.biases[0].data = torch.zeros(2)
    reading = network.read(*with_global_node(torch.zeros(1, 2, 2), torch.ones(1, 2, 1)))
    # (2, 3) around its mean 2.5, divided by the deviation 0.5
    torch.testing.assert_close(reading, torch.tensor([[0.0, 0.5 / (0.25 + 1e-5) ** 0.5]]))


def test_a_reading_follows_edges_to_the_vertices_that_read() -> None:
    """With two layers, the edge from 0 to 1 brings the type of vertex 1 to the reading of vertex 0, not the reverse."""
    network = BrpNetwork(2, BrpSettings(layers=2, width=3, dropout=0.0))
    edge = torch.tensor([[[0.0, 1.0], [0.0, 0.0]]])
    types = torch.eye(2)[None]
    layers = [
        (layer.weight.detach().T, bias.detach(), norm)
        for layer, bias, norm in zip(network.layers, network.biases, network.norms, strict=True)
    ]
    one_hot = torch.eye(3)  # the types of both vertices, and the global node
    (weight, bias, norm), (second, shift, after) = layers
    first = [torch.relu(norm(row @ weight + bias)) for row in (one_hot.sum(dim=0), one_hot[0] + one_hot[1], one_hot[1])]
    expected = torch.relu(after(torch.stack(first).sum(dim=0) @ second + shift))
    torch.testing.assert_close(network.read(*with_global_node(edge, types))[0], expected)
    reversed_edge = network.read(*with_global_node(edge.transpose(1, 2), types))[0]
    assert not torch.allclose(reversed_edge, expected)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_last_layer_computes_what_all_nodes_would_have(dropout: float) -> None:
    network = BrpNetwork(5, BrpSettings(layers=3, width=8, dropout=dropout))
    noise = torch.Generator().manual_seed(0)
    adjacency = (torch.rand(4, 6, 6, generator=noise) < 0.4).float().triu(1)
    nodes = torch.eye(5)[torch.randint(5, (4, 6), generator=noise)]
    edges, features = with_global_node(adjacency, nodes)
    reading = network.read(edges, features, torch.Generator().manual_seed(1))
    drops = torch.Generator().manual_seed(1)
    for layer, bias, norm in zip(network.layers, network.biases, network.norms, strict=True):
        features = torch.relu(norm(edges @ (features @ layer.weight.T) + bias))
        if dropout:
            read = 1 if layer is network.layers[-1] else 7  # of the last layer, the global node alone
            drawn = torch.rand(4, read, 8, generator=drops)
            features = features * (drawn >= dropout) / (1 - dropout)
    torch.testing.assert_close(reading, features[:, 0])


def test_columns_beside_the_graph_are_refused() -> None:
    scores = {"synflow": dict.fromkeys(CELLS, 1.0)}
    with pytest.raises(InputError, match=r"brp_nas reads a graph alone, and graph\+measures has columns beside it"):
        make_predictor("brp_nas", "nasbench201", encoding="graph+measures", scores=scores)


def test_accuracies_that_are_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="every accuracy must be finite, got nan"):
        BrpSearch(GRAPHS, budget=20, settings=QUICK).run(lambda _: math.nan)


def test_padding_is_not_among_the_types() -> None:
    network = BrpNetwork(2, BrpSettings(layers=1, width=4))
    assert network.layers[0].weight.shape == (4, 3)


def test_the_order_is_that_of_the_mean_comparison() -> None:
    network = BrpNetwork(2, BrpSettings(width=6))
    readings = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    order = network.order(readings)

    def margin(first: int, second: int) -> torch.Tensor:
        compared = network.compare(readings[[first]], readings[[second]])[0]
        return compared[0] - compared[1]

    for first in range(5):
        for second in range(5):
            mean = (margin(first, second) - margin(second, first)) / 2
            torch.testing.assert_close(mean, (order[first] - order[second]) / 2, atol=1e-5, rtol=1e-4)


def test_every_ordered_pair_is_trained_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = BrpTrainer(GRAPHS, 0, BrpSettings(layers=1, width=4, epochs=1, batch=5))
    compared: list[tuple[torch.Tensor, torch.Tensor]] = []
    compare = trainer.network.compare
    monkeypatch.setattr(
        trainer.network, "compare", lambda first, second: (compared.append((first, second)), compare(first, second))[1]
    )
    trainer.train([3, 5, 8, 9], [1.0, 2.0, 3.0, 4.0])
    assert [len(first) for first, _ in compared] == [5, 5, 2]


@pytest.mark.parametrize("budget", [10, 23])
def test_a_search_trains_exactly_its_budget(budget: int) -> None:
    trained: list[int] = []

    def train_one(place: int) -> float:
        trained.append(place)
        return float(TRUTH[place])

    search = BrpSearch(GRAPHS, budget=budget, settings=BrpSettings(layers=1, width=4, epochs=2, pairs=32))
    ranking = search.run(train_one)
    assert len(trained) == len(set(trained)) == budget
    assert sorted(ranking) == list(range(len(CELLS)))


def test_half_of_a_round_is_the_top_of_the_ranking() -> None:
    search = BrpSearch(GRAPHS, budget=20, settings=QUICK)
    search._trainer.order = lambda: -np.arange(80.0)  # type: ignore[method-assign]
    search.accuracies = {0: 1.0, 2: 1.0}
    assert search._round(1, 6)[:3] == [1, 3, 4]
    assert max(search._round(1, 6)) < 40  # the best half
    assert max(search._round(3, 6)) < 10  # the best eighth
    assert len(set(search._round(6, 6))) == 6  # more than the best part has


def test_a_search_depends_on_its_seed_alone() -> None:
    rankings = [BrpSearch(GRAPHS, budget=20, seed=seed, settings=QUICK).run(TRUTH.__getitem__) for seed in (1, 1, 2)]
    assert rankings[0] == rankings[1] != rankings[2]


def test_the_budget_has_two_architectures_a_round() -> None:
    with pytest.raises(InputError, match="budget must be 10 to 80"):
        BrpSearch(GRAPHS, budget=9)


def test_it_learns_an_order() -> None:
    trainer = BrpTrainer(GRAPHS, 0, QUICK)
    trainer.train(range(40), TRUTH[:40].tolist())
    assert correlate(trainer.order()[40:], TRUTH[40:], resamples=0).tau > 0.5
