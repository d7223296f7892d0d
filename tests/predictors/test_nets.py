"""Networks that predict accuracies, against values worked out by hand, and without the defects of published code."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn

from eznas.errors import InputError
from eznas.predictors import make_predictor
from eznas.predictors.encodings.base import EncodingInputs
from eznas.predictors.encodings.encoder import Encoder
from eznas.predictors.nets.bonas import GlobalVertexNetwork, with_global_vertex
from eznas.predictors.nets.gates import FlowNetwork, longest_paths, pairwise_hinge
from eznas.predictors.nets.gcn import NeuralPredictor, TwoWayConvolution
from eznas.predictors.nets.graph_regressor import GraphBatch, GraphRegressor
from eznas.predictors.nets.ta_gates import TrainingFlowNetwork
from eznas.predictors.nets.training import Training, descend, train
from eznas.predictors.structured import GraphInputs
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

CHAIN = torch.tensor([[[0.0, 1, 0], [0, 0, 1], [0, 0, 0]]])
SMALL: dict[str, dict[str, Any]] = {
    "gcn": {"layers": 2, "hidden": 8, "head": 8, "dropout": 0.0, "epochs": 3, "learning_rate": 0.01},
    "bonas": {"layers": 2, "hidden": 8, "epochs": 3, "learning_rate": 0.01},
    "gates": {"hidden": 8, "embedding": 4, "head": (8,), "dropout": 0.0, "epochs": 3, "learning_rate": 0.01},
    "ta_gates": {"hidden": 8, "embedding": 4, "head": (8,), "dropout": 0.0, "epochs": 3, "learning_rate": 0.01},
}
REGRESSORS: dict[str, type[GraphRegressor]] = {
    "gcn": NeuralPredictor, "bonas": GlobalVertexNetwork, "gates": FlowNetwork, "ta_gates": TrainingFlowNetwork,
}  # fmt: skip


def drawn(space: str, count: int) -> list[str]:
    rng = random.Random(0)
    return [SPACES[space].sample(rng) for _ in range(count)]


def inputs(space: str, count: int) -> GraphInputs:
    graphs = Encoder("graph", EncodingInputs(SPACES[space])).graphs(drawn(space, count))
    return GraphInputs(graphs, np.empty((count, 0)))


def padded(made: GraphInputs, vertices: int) -> GraphInputs:
    more = ((0, 0), (0, vertices))
    graphs = replace(
        made.graphs, adjacency=np.pad(made.graphs.adjacency, (*more, more[1])), types=np.pad(made.graphs.types, more)
    )
    return replace(made, graphs=graphs)


def test_each_step_has_its_own_gradient() -> None:
    """Published code of GCN and BONAS adds the gradients of all batches before; Adam is repeated by hand here."""
    x, y = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([1.0, 3.0, 2.0])
    network = nn.Linear(1, 1)
    with torch.no_grad():
        network.weight.fill_(0.5)
        network.bias.fill_(0.0)

    def loss(places: torch.Tensor) -> torch.Tensor:
        return nn.functional.mse_loss(network(x[places])[:, 0], y[places])

    train(network, loss, 3, Training(4, 3, 0.1), 0)
    weights, first, second = np.array([0.5, 0.0]), np.zeros(2), np.zeros(2)
    for step in range(4):
        error = weights[0] * np.array([1, 2, 3]) + weights[1] - np.array([1, 3, 2])
        gradient = 2 * np.array([(error * [1, 2, 3]).mean(), error.mean()])
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        rate = 0.1 * (1 + np.cos(np.pi * step / 4)) / 2
        moved = first / (1 - 0.9 ** (step + 1)) / (np.sqrt(second / (1 - 0.999 ** (step + 1))) + 1e-8)
        weights = weights - rate * moved
    assert [network.weight.item(), network.bias.item()] == pytest.approx(weights.tolist(), abs=1e-5)


def test_a_loss_is_computed_after_the_step_before_it() -> None:
    """``w^2`` from 1 by steps of 0.25: 1 - 0.5, then 0.5 - 0.25; a clipped gradient has norm 1."""
    for clip, expected in ((0.0, 0.25), (1.0, 0.5)):
        weight = torch.ones(1, requires_grad=True)
        optimiser: Any = torch.optim.SGD([weight], 0.25)
        optimiser.tensors = [weight]
        descend(optimiser, ((weight**2).sum() for _ in range(2)), clip)
        assert weight.item() == pytest.approx(expected)


def test_every_epoch_has_every_architecture_once() -> None:
    """Published code drops the last batch, and trains nothing below one batch."""
    network, seen = nn.Linear(1, 1), []

    def loss(places: torch.Tensor) -> torch.Tensor:
        seen.append(places.tolist())
        return network(torch.ones(len(places), 1)).mean()

    train(network, loss, 10, Training(2, 7, 0.1), 3)
    assert [len(batch) for batch in seen] == [7, 3, 7, 3]
    assert sorted(seen[0] + seen[1]) == sorted(seen[2] + seen[3]) == [*range(10)]
    assert not network.training


@pytest.mark.parametrize("name", [*SMALL])
def test_three_architectures_are_enough_to_learn_from(name: str) -> None:
    few, labels = inputs("nasbench201", 3), np.array([-1.0, 0.0, 1.0])
    regressor = REGRESSORS[name](0, **SMALL[name] | {"epochs": 60, "learning_rate": 0.02})  # type: ignore[arg-type]
    regressor.fit(few, labels)
    assert np.argsort(regressor.predict(few)).tolist() == [0, 1, 2]


def test_a_graph_convolution_by_hand() -> None:
    """Vertices 1, 2 and 4 of a chain: means with the reader, and with the vertex that is read."""
    convolution = TwoWayConvolution(1, 1, 0.1).eval()
    adjacency = CHAIN + torch.eye(3)
    both = [edges / edges.sum(dim=2, keepdim=True) for edges in (adjacency, adjacency.transpose(1, 2))]
    values = torch.tensor([[[1.0], [2.0], [4.0]]])
    for weights, expected in (((1.0, -1.0), [0.75, 1.5, 2]), ((0.0, 1.0), [0.5, 0.75, 1.5])):
        with torch.no_grad():
            convolution.to_readers.fill_(weights[0])
            convolution.to_read.fill_(weights[1])
        assert convolution(values, *both).flatten().tolist() == expected


def test_the_global_vertex_reads_every_vertex_but_the_padding() -> None:
    batch = GraphBatch(torch.eye(3)[None], CHAIN, torch.tensor([[True, True, False]]), torch.empty(1, 0))
    types, reads, mask = with_global_vertex(batch)
    assert types[0].tolist() == [[0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert reads[0].tolist() == [[1, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]
    assert mask.tolist() == [[True, True, True, False]]


@pytest.mark.parametrize("name", [*SMALL])
def test_padding_does_not_matter(name: str) -> None:
    """Neither for the gradients, with batch normalisation in training mode, nor for predictions after a fit."""
    made, labels = inputs("nasbench101", 9), np.linspace(-1, 1, 9)
    regressor = REGRESSORS[name](0, **SMALL[name])
    regressor.fit(made, labels)
    assert regressor.predict(padded(made, 2)) == pytest.approx(regressor.predict(made), abs=1e-5)
    regressor.network.double().train()
    gradients = []
    for each in (made, padded(made, 3)):
        batch = regressor._batch(each)
        wide = GraphBatch(batch.types.double(), batch.adjacency.double(), batch.mask, batch.columns.double())
        loss = regressor._loss(regressor.network(wide), torch.tensor(labels))
        gradients.append(torch.autograd.grad(loss, [*regressor.network.parameters()]))
    for plain, of_padded in zip(*gradients, strict=True):
        assert torch.allclose(plain, of_padded, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", [*SMALL])
def test_the_numbering_of_vertices_does_not_matter(name: str) -> None:
    predictor = make_predictor(name, "nasbench101", **SMALL[name])
    predictor.fit(drawn("nasbench101", 8), np.arange(8.0))
    operations = ("conv3x3-bn-relu", "maxpool3x3")
    pair = [f"0110/0001/0001/0000 input,{','.join(order)},output" for order in (operations, operations[::-1])]
    first, second = predictor.predict(pair).mean
    assert first == pytest.approx(second, abs=1e-4)


@pytest.mark.parametrize("name", [*SMALL])
def test_types_and_edges_matter(name: str) -> None:
    """After forty epochs, the differences are above 0.01; after three, some are nearly as small as rounding errors."""
    predictor = make_predictor(name, "nasbench101", **SMALL[name] | {"layers": 3, "epochs": 40})
    predictor.fit(drawn("nasbench101", 8), np.arange(8.0))
    cells = [
        "0110/0001/0001/0000 input,conv3x3-bn-relu,maxpool3x3,output",
        "0110/0001/0001/0000 input,conv3x3-bn-relu,conv3x3-bn-relu,output",
        "0100/0010/0001/0000 input,conv3x3-bn-relu,maxpool3x3,output",
        "0111/0001/0001/0000 input,conv3x3-bn-relu,maxpool3x3,output",
    ]
    assert len(set(predictor.predict(cells).mean.round(3).tolist())) == 4


def test_the_longest_path_counts_edges() -> None:
    assert longest_paths(inputs("nasbench201", 2).graphs).tolist() == [4, 4]
    assert longest_paths(inputs("nats_sss", 1).graphs).tolist() == [6]
    for space, steps in (("nasbench201", 5), ("nats_sss", 6), ("nasbench_macro", 9)):
        regressor = FlowNetwork(0, **SMALL["gates"])
        regressor.fit(inputs(space, 4), np.arange(4.0))
        assert len(regressor.network.flow.flows) == steps  # type: ignore[arg-type]


def test_the_first_layer_of_a_long_chain_reaches_the_score() -> None:
    """Each vertex passes half of what it reads, and those of operation ``1`` three quarters.

    The weights are set by hand: with trained ones, the difference at the end of the chain may be a rounding error.
    """
    regressor, space = FlowNetwork(0, **SMALL["gates"]), SPACES["nasbench_macro"]
    graphs = Encoder("graph", EncodingInputs(space)).graphs(["01201221", "11201221"])
    few = GraphInputs(graphs, np.empty((2, 0)))
    regressor.fit(few, np.arange(2.0))
    network: Any = regressor.network
    with torch.no_grad():
        network.start.fill_(1)
        network.operations.weight.zero_()[0, graphs.vocabulary.index("1")] = math.log(3)
        for flow, gate in zip(network.flow.flows, network.flow.gates, strict=True):
            nn.init.eye_(flow.weight)
            gate.weight.zero_()[:, 0] = 1
            gate.bias.zero_()
            flow.bias.zero_()
        network.head = nn.Linear(8, 1, bias=False)
        network.head.weight.fill_(1 / 8)
    assert regressor.predict(few) == pytest.approx([0.5**6 * 0.75**3, 0.5**5 * 0.75**4])


def test_nothing_passes_none() -> None:
    """The operation on edge 0>2 is read by that on 2>3 alone."""
    predictor = make_predictor("gates", "nasbench201", **SMALL["gates"])
    predictor.fit(drawn("nasbench201", 8), np.arange(8.0))
    form = "|none~0|+|{}~0|none~1|+|nor_conv_1x1~0|none~1|{}~2|"
    for last, same in (("none", True), ("skip_connect", False)):
        first, second = predictor.predict([form.format(held, last) for held in ("nor_conv_3x3", "skip_connect")]).mean
        assert (abs(first - second) < 1e-6) == same


def changed_by(shift: float, time_steps: int) -> tuple[TrainingFlowNetwork, NDArray[np.float64]]:
    """Fit, let every change be ``shift`` in all directions, and predict."""
    few = inputs("nasbench201", 9)
    settings = SMALL["ta_gates"] | {"hidden": 32}
    regressor = TrainingFlowNetwork(0, **settings, time_steps=time_steps, scale=0.5)
    regressor.fit(few, np.linspace(-1, 1, 9))
    network: Any = regressor.network
    with torch.no_grad():
        network.change[-1].weight.zero_()
        network.change[-1].bias.fill_(shift)
    return regressor, regressor.predict(few)


def test_operations_with_weights_change_in_each_time_step() -> None:
    regressor, changed = changed_by(0.3, 3)
    network: Any = regressor.network
    vocabulary = inputs("nasbench201", 1).graphs.vocabulary
    network.time_steps = 1
    with torch.no_grad():  # twice 0.5 * 0.3
        network.operations.weight[:, [name.startswith("nor_conv") for name in vocabulary]] += 0.3
    assert regressor.predict(inputs("nasbench201", 9)) == pytest.approx(changed, abs=1e-5)
    assert np.ptp(changed) > 0


def test_a_change_sees_what_comes_after_an_operation() -> None:
    """The cells differ in the operation on 2>3, which reads that on 0>2."""
    regressor, _ = changed_by(0.0, 2)
    network: Any = regressor.network
    seen: list[torch.Tensor] = []
    network.change.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    form = "|nor_conv_1x1~0|+|nor_conv_3x3~0|skip_connect~1|+|none~0|none~1|{}~2|"
    encoder = Encoder("graph", EncodingInputs(SPACES["nasbench201"]))
    graphs = encoder.graphs([form.format(last) for last in ("skip_connect", "nor_conv_1x1")])
    regressor.predict(GraphInputs(graphs, np.empty((2, 0))))
    [known] = seen
    place = graphs.types[0].tolist().index(graphs.vocabulary.index("nor_conv_3x3"))
    forward, backward = known[:, place, : 4 + 32], known[:, place, 4 + 32 :]
    assert torch.equal(forward[0], forward[1])
    assert not torch.allclose(backward[0], backward[1])


def test_the_hinge_loss_of_pairs() -> None:
    """Better minus worse is 0.3, -0.05 and 0.25 for three pairs; two equal accuracies make none."""
    scores = torch.tensor([0.0, 0.3, 0.25, 0.25])
    loss = pairwise_hinge(scores, torch.tensor([1.0, 2, 3, 3]), margin=0.1)
    short = [0, 0, 0, 0.15, 0.15]  # (1, 0), (2, 0), (3, 0), (2, 1), (3, 1)
    assert loss.item() == pytest.approx(sum(short) / 5)
    assert pairwise_hinge(scores, torch.ones(4), margin=0.1).item() == 0


def test_gates_only_ranks() -> None:
    cells = drawn("nasbench201", 12)
    accuracies = np.arange(12.0)
    first, second = (make_predictor("gates", "nasbench201", **SMALL["gates"]) for _ in range(2))
    first.fit(cells, accuracies)
    second.fit(cells, 50 + 3 * accuracies)
    assert not first.in_unit
    assert np.argsort(first.predict(cells).mean).tolist() == np.argsort(second.predict(cells).mean).tolist()


def test_a_drawn_width_is_the_width_of_the_network() -> None:
    """Published code of GCN draws a width and builds the default one; a default stays what it was."""
    made = inputs("nasbench201", 4)
    for settings, width in (({"hidden": 24}, 24), ({}, 144)):
        regressor = NeuralPredictor(0, epochs=1, **settings)
        regressor.fit(made, np.arange(4.0))
        assert [layer.to_read.shape[1] for layer in regressor.network.convolutions] == [width] * 4  # type: ignore[union-attr]


@pytest.mark.parametrize("name", [*SMALL])
def test_columns_beside_the_graph_are_read(name: str) -> None:
    """The accuracies depend on a score alone, which comes in a large unit; the other score is constant."""
    cells = [*dict.fromkeys(drawn("nasbench201", 60))]
    score = dict(zip(cells, np.random.default_rng(0).normal(1e3, 50, len(cells)).tolist(), strict=True))
    scores = {"size": score, "constant": dict.fromkeys(cells, 1.0)}
    settings = SMALL[name] | {"epochs": 40, "batch": 40, "learning_rate": 0.02}
    made = make_predictor(name, "nasbench201", encoding="graph+measures", scores=scores, **settings)
    accuracies = np.array([score[cell] for cell in cells])
    made.fit(cells[:40], accuracies[:40])
    assert np.corrcoef(made.predict(cells[40:]).mean, accuracies[40:])[0, 1] > 0.7


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_predictor("gcn", "nasbench201", encoding="onehot"), "gcn reads a graph, and onehot has none"),
        (lambda: make_predictor("nao", "nasbench201", encoding="graph"), "nao reads sequences of tokens, and graph"),
        (lambda: make_predictor("seminas", "nasbench201", encoding="tokens+onehot"), "choose tokens"),
        (lambda: make_predictor("gcn", "nds_amoeba"), "has no graph for nds_amoeba"),
        (lambda: make_predictor("gcn", "nasbench201", width=3), "gcn does not have these settings"),
    ],
)
def test_an_encoding_that_cannot_be_read_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("name", ["gcn", "bonas", "gates", "nao", "seminas"])
@pytest.mark.parametrize("space", ["nasbench101", "darts", "transnas_macro", "nats_sss"])
def test_they_read_other_spaces(name: str, space: str) -> None:
    cells = drawn(space, 6)
    settings = SMALL.get(name, {"hidden": 4})
    predictor = make_predictor(name, space, **settings | {"epochs": 1})
    predictor.fit(cells[:4], [1.0, 2.0, 3.0, 4.0])
    assert not predictor.detail
    assert np.isfinite(predictor.predict(cells).mean).all()


def test_the_number_of_threads_neither_matters_nor_changes() -> None:
    made, labels = inputs("nasbench201", 8), np.arange(8.0)
    before = torch.get_num_threads()
    try:
        predicted = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            regressor = NeuralPredictor(0, **SMALL["gcn"])
            regressor.fit(made, labels)
            predicted.append(regressor.predict(made))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*predicted)
