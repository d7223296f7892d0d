from __future__ import annotations

import numpy as np
import pytest
import torch

from eznas.primitives import Kind
from eznas.programs import Layout, Node, evaluate_upper, parse, preorder, replace
from eznas.symbolic.graph import Graph
from eznas.symbolic.operators import Language
from eznas.symbolic.variation import children, random_places, replaced

COLUMNS = ("synflow", "nwot", "grad_norm")


def leaves(count: int = 30, seed: int = 0) -> np.ndarray:
    """Return scores of which some are negative, zero, equal and large."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.normal(size=count), np.exp(8 * rng.normal(size=count)), rng.integers(-1, 2, count)])


def naive(graph: Graph, trees: list[Node], values: np.ndarray) -> np.ndarray:
    """Evaluate trees one by one on the network floor."""
    layout = Layout([1] * values.shape[1])
    memo = {leaf: torch.from_numpy(row.copy()) for leaf, row in zip(graph.language.leaves, values, strict=True)}
    return np.stack([evaluate_upper([tree], {}, layout, dict(memo)).numpy()[0] for tree in trees])


@pytest.fixture
def bred() -> tuple[Graph, np.ndarray]:
    """A graph after some generations of variation without selection, and a thousand of its programs."""
    graph, rng = Graph(Language(COLUMNS), leaves()), np.random.default_rng(1)
    programs = np.arange(len(COLUMNS))
    for _ in range(8):
        programs = np.union1d(programs, children(graph, *rng.choice(programs, (2, 400)), rng, 24))
    return graph, rng.choice(programs, 1000, replace=False)


def test_values_are_those_of_the_trees(bred: tuple[Graph, np.ndarray]) -> None:
    graph, programs = bred
    trees = [graph.tree(int(program)) for program in programs]
    assert len({*trees}) == len(programs)
    assert max(tree.height for tree in trees) > 6
    assert {node.name for tree in trees for node in preorder(tree) if node.args} == {
        operator.name
        for operator in graph.language.operators
        if operator.weight  # the others are of weighted sums alone
    }
    np.testing.assert_array_equal(graph.values(programs), naive(graph, trees, leaves()))


def test_values_on_other_architectures_are_those_of_the_trees(bred: tuple[Graph, np.ndarray]) -> None:
    graph, programs = bred
    others = leaves(11, seed=5)
    trees = [graph.tree(int(program)) for program in programs[:100]]
    np.testing.assert_array_equal(graph.evaluated(programs[:100], others), naive(graph, trees, others))


def test_sizes_are_those_of_the_trees(bred: tuple[Graph, np.ndarray]) -> None:
    graph, programs = bred
    for program in programs.tolist():
        tree = graph.tree(program)
        assert graph.size[program] == tree.size <= 24
        assert graph.places[program] == sum(node.kind is not Kind.LITERAL for node in preorder(tree))


def test_trees_come_back_as_the_same_nodes(bred: tuple[Graph, np.ndarray]) -> None:
    graph, programs = bred
    before = len(graph)
    trees = [graph.tree(int(program)) for program in programs]
    np.testing.assert_array_equal(graph.add_trees([parse(tree.text) for tree in trees]), programs)
    assert len(graph) == before


def test_kept_programs_keep_their_values(bred: tuple[Graph, np.ndarray]) -> None:
    graph, programs = bred
    chosen, before = programs[:50], len(graph)
    values, texts = graph.values(chosen), [graph.tree(int(program)).text for program in chosen]
    kept = graph.keep(chosen)
    assert len(graph) < before
    np.testing.assert_array_equal(graph.values(kept), values)
    assert [graph.tree(int(program)).text for program in kept] == texts
    again = graph.add_trees([parse(text) for text in texts])
    np.testing.assert_array_equal(again, kept)


def test_commutative_operators_are_one_node() -> None:
    graph = Graph(Language(COLUMNS), leaves())
    trees = [parse(f"{name}(score.{first}, score.{second})") for name in ("add", "sub") for first, second in
             (("nwot", "synflow"), ("synflow", "nwot"))]  # fmt: skip
    first, second, third, fourth = graph.add_trees(trees)
    assert first == second
    assert third != fourth


def test_every_place_is_drawn_equally_often() -> None:
    graph = Graph(Language(COLUMNS), leaves())
    tree = parse("add(power(score.nwot, 3), mul(log(score.synflow), score.grad_norm))")
    program = graph.add_trees([tree])[0]
    places = random_places(graph, np.full(14_000, program), np.random.default_rng(0))
    drawn, counts = np.unique(places.target, return_counts=True)
    assert len(drawn) == graph.places[program] == 7
    assert counts.min() > 1850  # 2000 expected, 44 the standard deviation
    assert counts.max() < 2150


def test_replaced_places_are_those_of_the_trees(bred: tuple[Graph, np.ndarray]) -> None:
    graph, programs = bred
    rng = np.random.default_rng(3)
    places, new = random_places(graph, programs, rng), rng.permutation(programs)
    index = np.zeros(len(programs), int)  # of the place in preorder
    for path, right in zip(places.path, places.right, strict=True):
        stepped = path >= 0
        index[stepped] += 1 + np.where(right, graph.size[graph.left[path]], 0)[stepped]
    for program, place, old, other, result in zip(
        programs, index.tolist(), places.target, new, replaced(graph, places, new), strict=True
    ):
        tree = graph.tree(int(program))
        assert [*preorder(tree)][place].text == graph.tree(int(old)).text
        wanted = replace(tree, place, graph.tree(int(other)))
        assert graph.add_trees([wanted])[0] == result
