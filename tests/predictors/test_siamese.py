"""Siamese-NAS: layers by hand, the mask of the attention, the second head's own layers, and the search's budget."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.nn import functional

from eznas.errors import InputError
from eznas.minibatch import load_minibatch
from eznas.predictors import Curves, make_predictor
from eznas.predictors.encodings.base import EncodingInputs
from eznas.predictors.encodings.encoder import Encoder
from eznas.predictors.siamese.code import CodeTraining, estimation_code, estimation_codes
from eznas.predictors.siamese.network import CodeFusion, GraphGroup, NodeAttention, SiameseNetwork, edge_attention
from eznas.predictors.siamese.sampling import SiameseSearch, SiameseSettings
from eznas.predictors.siamese.training import huber
from eznas.ranking import correlate
from eznas.scoring import Condition
from eznas.spaces import SPACES, Fidelity
from eznas.testing.spaces import sampled

if TYPE_CHECKING:
    from collections.abc import Sequence

SPACE = SPACES["nasbench201"]
CELLS = list(dict.fromkeys(sampled(SPACE, 130)))[:120]
GRAPHS = Encoder("graph_nodes", EncodingInputs(SPACE)).graphs(CELLS)
TRUTH = np.array([60.0 + 3 * cell.count("3x3~") + 2 * cell.count("1x1") - 2 * cell.count("none") for cell in CELLS])
QUICK = SiameseSettings(width=4, epochs=11, stages=3)
EDGE = torch.tensor([[[1.0, 1.0], [0.0, 1.0]]])  # two nodes with themselves, and the edge from the first to the second


def test_a_group_by_hand() -> None:
    group = GraphGroup(1, 1).eval()
    group.linear.weight.data = torch.tensor([[2.0], [-1.0]])  # along the edges, and against them
    group.bias.data = torch.tensor([0.5, 0.0])
    nodes = torch.tensor([[[1.0], [3.0]]])
    scale = 1 / math.sqrt(1 + 1e-4)
    along = torch.tensor([2 * (1 + 3) + 0.5, 2 * 3 + 0.5]) * scale
    against = torch.tensor([-1.0 * 1, -1.0 * (1 + 3)]) * scale
    expected = (functional.mish(along) + functional.mish(against)) / 2
    torch.testing.assert_close(group(EDGE, nodes)[0, :, 0], expected)


def test_joined_groups_are_groups_with_layers_of_their_own() -> None:
    joined = GraphGroup(3, 2, parts=2).eval()
    nodes = torch.randn(1, 2, 3, generator=torch.Generator().manual_seed(0))
    for part in range(2):
        one = GraphGroup(3, 2).eval()
        rows = [2 * part, 2 * part + 1, 4 + 2 * part, 5 + 2 * part]
        one.linear.weight.data = joined.linear.weight[rows].data
        torch.testing.assert_close(joined(EDGE, nodes)[..., 2 * part : 2 * part + 2], one(EDGE, nodes))


def test_masked_places_are_0_before_the_softmax() -> None:
    query = key = torch.tensor([[[1.0], [2.0]]])
    value = torch.tensor([[[1.0], [10.0]]])
    scores = [[1.0, 2.0], [0.0, 4.0]], [[1.0, 0.0], [2.0, 4.0]]  # Q K' on the edges, and on those reversed
    expected = [0.0, 0.0]
    for masked in scores:
        for node, row in enumerate(masked):
            weights = [math.exp(score) for score in row]
            expected[node] += (weights[0] * 1 + weights[1] * 10) / sum(weights)
    attended = edge_attention(EDGE, query, key, value)[0, :, 0]
    torch.testing.assert_close(attended, torch.tensor(expected))
    # A pair without an edge keeps the weight exp(0): the value behind it reaches the second node.
    moved = edge_attention(EDGE, query, key, value + torch.tensor([[[1.0], [0.0]]]))[0, 1, 0]
    weights = 1 / (1 + math.exp(4)) + math.exp(2) / (math.exp(2) + math.exp(4))
    assert float(moved - attended[1]) == pytest.approx(weights, abs=1e-5)


def test_node_attention_adds_the_attended_values_to_the_features() -> None:
    attention = NodeAttention(4).eval()
    nodes = torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(1))
    query, key, value = attention.query_key_value(EDGE, nodes).split(4, dim=2)
    expected = attention.output(EDGE, nodes + edge_attention(EDGE, query, key, value))
    torch.testing.assert_close(attention(EDGE, nodes), expected)


def test_the_values_of_the_fusion_have_a_layer_of_their_own() -> None:
    """The released code computes them with the layer of the queries."""
    fusion = CodeFusion(2, 3, width=4).eval()
    nodes = torch.randn(1, 2, 4, generator=torch.Generator().manual_seed(2))
    query, value = fusion.query_value(EDGE, nodes).split(4, dim=2)
    assert not torch.allclose(query, value)
    fusion.query_value.linear.weight.data[4:8] += 1  # the values along the edges
    changed_query, changed_value = fusion.query_value(EDGE, nodes).split(4, dim=2)
    torch.testing.assert_close(changed_query, query)
    assert not torch.allclose(changed_value, value)


def test_the_heads_share_their_layer_and_the_first_ignores_the_code() -> None:
    torch.manual_seed(0)
    network = SiameseNetwork(2, 3, code=3, width=4).eval()
    nodes = torch.eye(3)[[0, 2]][None]
    plain, fused = network(EDGE, nodes, torch.zeros(1, 3))
    other, moved = network(EDGE, nodes, torch.ones(1, 3))
    assert fused is not None
    assert moved is not None
    assert plain == other
    assert fused != moved
    network.head.weight.data.zero_()
    network.head.bias.data.fill_(1.0)
    for predicted in network(EDGE, nodes, torch.ones(1, 3)):
        torch.testing.assert_close(predicted, torch.tensor([1.0]).sigmoid())


def test_the_loss_is_quadratic_below_a_half() -> None:
    assert float(huber(torch.tensor([0.2]), torch.tensor([0.6]))) == pytest.approx(0.5 * 0.4**2)
    assert float(huber(torch.tensor([0.0]), torch.tensor([0.9]))) == pytest.approx(0.5 * (0.9 - 0.25))


def codes(places: Sequence[int]) -> np.ndarray:
    return TRUTH[list(places), None] / 10


@pytest.mark.parametrize("budget", [5, 20, 43])
@pytest.mark.parametrize("sampling", [True, False])
def test_a_search_trains_no_architecture_twice_and_keeps_its_budget(budget: int, sampling: bool) -> None:
    trained: list[int] = []

    def train_one(place: int) -> float:
        trained.append(place)
        return float(TRUTH[place])

    settings = SiameseSettings(width=4, epochs=3, sampling=sampling)
    search = SiameseSearch(GRAPHS, codes, budget=budget, settings=settings)
    ranking = search.run(train_one)
    assert sorted(ranking) == list(range(len(CELLS)))
    assert len(trained) == len(set(trained))
    assert [*search.accuracies] == trained
    assert budget - 3 <= len(trained) <= budget  # the last three may have been trained before
    assert set(ranking[:60]) <= search.coded.keys()


def test_the_stages_share_the_budget() -> None:
    """Of 43, 3 are kept; 12 of 40 come first, and 28 in ten stages, the first eight of which have one more."""
    search = SiameseSearch(GRAPHS, budget=43, settings=SiameseSettings(width=4, epochs=22))
    steps: list[int] = []
    search._learn = lambda count, *_, **__: steps.append(count)  # type: ignore[method-assign]
    before: list[int] = []

    def train_one(place: int) -> float:
        before.append(sum(step > 0 for step in steps))
        return float(TRUTH[place])

    search.run(train_one)
    counts = [before.count(moment) for moment in sorted(set(before))]
    assert counts[:11] == [12, 3, 3, 3, 3, 3, 3, 3, 3, 2, 2]
    assert sum(counts[11:]) <= 3


def test_a_search_depends_on_its_seed_alone() -> None:
    rankings = [
        SiameseSearch(GRAPHS, codes, budget=12, seed=seed, settings=QUICK).run(TRUTH.__getitem__) for seed in (1, 1, 2)
    ]
    assert rankings[0] == rankings[1] != rankings[2]


def test_a_search_needs_a_budget_within_the_space() -> None:
    for budget in (4, len(CELLS) + 1):
        with pytest.raises(InputError, match="budget must be 5 to"):
            SiameseSearch(GRAPHS, budget=budget)


def test_codes_are_computed_only_for_architectures_that_are_trained_or_sorted_again() -> None:
    settings = SiameseSettings(width=4, epochs=3, stage_rerank=1, rerank=1)
    computed: list[int] = []

    def counted(places: Sequence[int]) -> np.ndarray:
        computed.extend(places)
        return codes(places)

    search = SiameseSearch(GRAPHS, counted, budget=20, settings=settings)
    assert computed == []
    search.run(TRUTH.__getitem__)
    assert len(computed) == len(search.coded)
    assert search.accuracies.keys() <= search.coded.keys()
    assert len(search.coded) <= len(search.accuracies) + settings.stages + settings.checkpoints + 1


def test_accuracies_and_codes_that_are_not_finite_are_refused() -> None:
    for wrong in (math.nan, -1.0, 100.5):
        with pytest.raises(InputError, match="every accuracy must be in 0 to 100, the scale, got"):
            SiameseSearch(GRAPHS, budget=12, settings=QUICK).run(lambda _, wrong=wrong: wrong)  # type: ignore[misc]
    with pytest.raises(InputError, match="estimation codes must be finite"):
        SiameseSearch(GRAPHS, lambda places: np.full((len(places), 3), np.nan), budget=12, settings=QUICK).run(
            TRUTH.__getitem__
        )


def test_a_search_learns_without_codes() -> None:
    settings = SiameseSettings(width=16, epochs=60)
    ranking = SiameseSearch(GRAPHS, budget=50, settings=settings).run(TRUTH.__getitem__)
    assert TRUTH[ranking[:10]].mean() > np.quantile(TRUTH, 0.85)


def test_estimation_codes_are_training_losses_of_three_epochs() -> None:
    """The accuracies are permuted, so that only the codes tell them."""
    predictor = make_predictor("siamese_nas", "nasbench201", encoding="graph+estimation_code", epochs=150, width=8)
    assert (predictor.needs.curve, predictor.needs.epochs) == ("train_loss", 3)
    truth = np.random.default_rng(0).permutation(TRUTH)
    losses = np.stack([3 - truth / 50, 2 - truth / 50, 1.5 - truth / 50], axis=1)
    curves = Curves((1, 2, 3), {"train_loss": losses})
    predictor.fit(CELLS[:60], truth[:60], curves.rows(range(60)))
    predicted = predictor.predict(CELLS[60:], curves.rows(range(60, 120))).mean
    assert correlate(predicted, truth[60:], resamples=0).tau > 0.5
    with pytest.raises(InputError, match="curves must be given"):
        predictor.predict(CELLS[60:])
    with pytest.raises(InputError, match="one metric"):
        make_predictor("siamese_nas", "nasbench201", encoding="graph+estimation_code+curve")


def test_a_short_training_by_hand() -> None:
    """With one image and no learning, every mixture is the image, and the loss is its smoothed cross-entropy."""
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 2))
    images, labels = torch.ones(1, 3, 1, 1), torch.tensor([1])
    expected = functional.cross_entropy(network(images), labels, label_smoothing=0.01).item()
    code = estimation_code(network, images, labels, training=CodeTraining(batch=1, learning_rate=0.0))
    assert code == pytest.approx([expected] * 3, rel=1e-6)
    with pytest.raises(InputError, match="16 images or more"):
        estimation_code(network, images, labels)


def test_a_failed_training_is_nan_and_a_bug_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    condition = Condition.of("nasbench201", Fidelity("tiny", 1, 4, 8), 0, load_minibatch("digits", 64, pixels=8))
    for error, raised in ((torch.OutOfMemoryError, False), (RuntimeError, True)):

        def fail(*_: object, error: type[Exception] = error) -> None:
            raise error

        monkeypatch.setattr("eznas.predictors.siamese.code.estimation_code", fail)
        with pytest.raises(RuntimeError) if raised else contextlib.nullcontext():
            assert np.isnan(estimation_codes(condition, CELLS[:1])).all()


def test_codes_of_architectures() -> None:
    condition = Condition.of("nasbench201", Fidelity("tiny", 1, 4, 8), 0, load_minibatch("digits", 64, pixels=8))
    convolution = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    none = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    first = estimation_codes(condition, [convolution, none])
    assert np.array_equal(first, estimation_codes(condition, [convolution, none]))
    assert first.shape == (2, 3)
    assert first[0, 2] < first[0, 0]  # it learns
    assert first[0, 2] < first[1, 2]  # and a network without features does not
