"""Graphs of architectures, against graphs worked out by hand."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from eznas.errors import InputError
from eznas.predictors import ENCODINGS, make_predictor
from eznas.predictors.encodings.base import EncodingInputs
from eznas.predictors.encodings.encoder import Encoder
from eznas.spaces import SPACES

if TYPE_CHECKING:
    from eznas.predictors.encodings.graphs import Graphs

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"
SMALL = "0110/0001/0001/0000 input,conv3x3-bn-relu,maxpool3x3,output"
SPACES_WITH_GRAPHS = (
    "nasbench201", "nasbench101", "darts", "transnas_micro", "transnas_macro", "nats_sss", "nasbench_macro",
    "tiny_nanobench",
)  # fmt: skip


def graphs(space: str, *architectures: str, encoding: str = "graph") -> Graphs:
    return Encoder(encoding, EncodingInputs(SPACES[space])).graphs(architectures)


def words(made: Graphs, index: int = 0) -> list[str]:
    return [made.vocabulary[kind] for kind in made.types[index, : made.sizes[index]]]


def edges(made: Graphs, index: int = 0) -> set[tuple[int, int]]:
    return {(source, target) for source, target in np.argwhere(made.adjacency[index]).tolist()}


def test_a_cell_of_nasbench201_is_the_line_graph() -> None:
    """Vertices 1 to 6 are the edges 0>1, 0>2, 1>2, 0>3, 1>3 and 2>3 of the cell."""
    made = graphs("nasbench201", CELL)
    assert words(made) == [
        "input", "nor_conv_3x3", "none", "skip_connect", "avg_pool_3x3", "none", "nor_conv_1x1", "output",
    ]  # fmt: skip
    assert edges(made) == {(0, 1), (0, 2), (0, 4), (1, 3), (1, 5), (2, 6), (3, 6), (4, 7), (5, 7), (6, 7)}
    assert made.one_hot.shape == (1, 8, 7)
    assert made.one_hot[0].sum(axis=0).tolist() == [1, 2, 1, 1, 1, 1, 1]  # input, the five operations, output


def test_a_cell_of_nasbench201_with_its_nodes_has_ten_vertices() -> None:
    """The published list of edges of Siamese-NAS."""
    made = graphs("nasbench201", CELL, encoding="graph_nodes")
    assert words(made) == [
        "split_3", "nor_conv_3x3", "split_2", "none", "skip_connect", "node", "avg_pool_3x3", "none", "nor_conv_1x1",
        "output",
    ]  # fmt: skip
    assert edges(made) == {
        (0, 1), (0, 3), (0, 6), (1, 2), (2, 4), (2, 7), (3, 5), (4, 5), (5, 8), (6, 9), (7, 9), (8, 9),
    }  # fmt: skip
    assert len(made.vocabulary) == 9


def test_a_small_cell_of_nasbench101_is_padded_at_the_end() -> None:
    made = graphs("nasbench101", SMALL)
    assert words(made) == ["input", "conv3x3-bn-relu", "maxpool3x3", "output"]
    assert edges(made) == {(0, 1), (0, 2), (1, 3), (2, 3)}
    assert made.adjacency.shape == (1, 7, 7)
    assert made.mask.tolist() == [[True] * 4 + [False] * 3]
    assert not made.one_hot[0, 4:].any()


def test_layers_are_a_chain() -> None:
    made = graphs("transnas_macro", "64-1423-basic", "64-111144-basic")
    assert words(made) == ["input", "1", "4", "2", "3", "output"]
    assert edges(made) == {(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)}
    assert made.sizes.tolist() == [6, 8]
    assert words(graphs("nats_sss", "8:16:64:8:24")) == ["input", "8", "16", "64", "8", "24", "output"]


def test_the_reduction_cell_reads_the_normal_cell() -> None:
    """Node 2 adds two operations; node 3 reads node 2 and input 0; the output of the normal cell is only node 5."""
    normal = [["sep_conv_3x3", 0], ["skip_connect", 1], ["dil_conv_5x5", 2], ["max_pool_3x3", 0]]
    normal += [["sep_conv_3x3", 0], ["skip_connect", 1]] * 2
    genotype = {"normal": normal, "normal_concat": [5], "reduce": normal, "reduce_concat": [2, 3, 4, 5]}
    made = graphs("darts", json.dumps(genotype))
    named = words(made)
    assert named[:5] == ["input_0", "input_1", "normal_sep_conv_3x3", "normal_skip_connect", "normal_dil_conv_5x5"]
    assert named[10:14] == ["normal_output", "input_0", "input_1", "reduce_sep_conv_3x3"]
    assert named[-1] == "reduce_output"
    found = edges(made)
    assert {source for source, target in found if target == 4} == {2, 3}
    assert {source for source, target in found if target == 5} == {0}
    assert {source for source, target in found if target == 10} == {8, 9}
    assert {target for source, target in found if source == 10} == {11, 12}
    assert {source for source, target in found if target == 21} == set(range(13, 21))


@pytest.mark.parametrize("space", SPACES_WITH_GRAPHS)
def test_edges_lead_to_later_vertices_of_the_graph(space: str) -> None:
    rng = random.Random(0)
    drawn = [SPACES[space].sample(rng) for _ in range(20)]
    made = graphs(space, *drawn)
    assert not np.tril(made.adjacency).any()
    assert not (made.adjacency & ~made.mask[:, None, :]).any()
    assert (made.one_hot.sum(axis=2) == made.mask).all()
    assert (made.sizes <= made.types.shape[1]).all()
    some = made[np.arange(20) % 2 == 1]
    assert len(some) == 10
    assert np.array_equal(some.adjacency, graphs(space, *drawn[1::2]).adjacency)


def test_graphs_tell_all_cells_apart() -> None:
    cells = (SPACES["nasbench201"].architectures() or [])[:3000]
    assert len(np.unique(graphs("nasbench201", *cells).types, axis=0)) == 3000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_predictor("random_forest", "nasbench201", encoding="graph"), "random_forest reads rows"),
        (lambda: graphs("nds_amoeba"), "has no graph for nds_amoeba"),
        (lambda: graphs("nats_sss", encoding="graph_nodes"), "graph_nodes has no graph for nats_sss"),
        (lambda: graphs("nasbench201", encoding="graph+graph_nodes"), "one graph at most"),
        (lambda: graphs("nasbench201", CELL, encoding="graf"), "must have a graph, got 'graf'"),
    ],
)
def test_what_cannot_be_read_is_refused(call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()  # type: ignore[operator]


def test_columns_stand_beside_a_graph() -> None:
    made = Encoder("graph+onehot", EncodingInputs(SPACES["nasbench201"]))
    alone = Encoder("onehot", EncodingInputs(SPACES["nasbench201"]))
    assert np.array_equal(made.rows([CELL]), alone.rows([CELL]))
    assert made.columns == alone.columns
    assert Encoder("graph", EncodingInputs(SPACES["nasbench201"])).rows([CELL, CELL]).shape == (2, 0)
    assert "graph" in ENCODINGS
