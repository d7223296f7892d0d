from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import networkx as nx
import pytest
from hypothesis import given, settings

from eznas.errors import InputError
from eznas.programs import Node, draw, parse, to_networkx
from eznas.programs.draw import boxes, label
from eznas.programs.graph_layout import layered_layout
from eznas.testing.strategies import programs

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "sub(sum(power(frobenius_norm(abs(weight)), 3)), max(dot(abs(weight), mul(weight, weight_grad.data))))"


def test_the_graph_merges_what_is_shared() -> None:
    graph = to_networkx(parse(PROGRAM))
    labels = [graph.nodes[node]["label"] for node in sorted(graph)]
    assert labels == [
        "weight",
        "abs",
        "frobenius_norm",
        "power 3",
        "sum",
        "weight_grad.data",
        "mul",
        "dot",
        "max",
        "sub",
    ]
    assert [graph.nodes[node]["floor"] for node in (0, 3, 9)] == ["tensor", "unit", "network"]
    assert graph.nodes[1]["text"] == "abs(weight)"
    assert graph.nodes[1]["kind"] == "weight"
    assert set(graph.successors(1)) == {2, 7}
    assert graph.edges[8, 9]["places"] == (1,)


def test_the_same_argument_twice_is_one_edge_with_both_places() -> None:
    graph = to_networkx(parse("add(sum(sum(weight)), sum(sum(weight)))"))
    assert graph.edges[2, 3]["places"] == (0, 1)


@settings(deadline=None, max_examples=40)
@given(programs(network_leaves=["measure.jacob_cov", "graf.n"]))
def test_the_graph_is_acyclic_with_one_root(program: Node) -> None:
    graph = to_networkx(program)
    assert nx.is_directed_acyclic_graph(graph)
    assert [node for node in graph if not graph.out_degree(node)] == [len(graph) - 1]


def random_graph(seed: int, size: int) -> tuple[list[list[int]], list[int], list[float]]:
    rng = random.Random(seed)
    bands = sorted(rng.choices((0, 1, 2), k=size))
    below = [sorted(rng.sample(range(box), k=min(box, rng.randint(0, 3)))) for box in range(size)]
    return below, bands, [rng.uniform(0.5, 3) for _ in range(size)]


@pytest.mark.parametrize("seed", range(20))
def test_boxes_do_not_overlap_and_arrows_go_up(seed: int) -> None:
    below, bands, widths = random_graph(seed, 40)
    layout = layered_layout(below, bands, widths)
    for left, right in itertools.combinations(range(40), 2):
        if layout.layer[left] == layout.layer[right]:
            assert abs(layout.x[left] - layout.x[right]) >= (widths[left] + widths[right]) / 2 - 1e-9
            assert bands[left] == bands[right]
        assert (bands[left] < bands[right]) <= (layout.layer[left] < layout.layer[right])
    for above, boxes_below in enumerate(below):
        for box in boxes_below:
            route = layout.routes[above, box]
            assert [layer for _, layer in route] == list(range(layout.layer[above], layout.layer[box] - 1, -1))
            assert (route[0][0], route[-1][0]) == (layout.x[above], layout.x[box])


def test_a_chain_is_drawn_as_a_straight_line() -> None:
    layout = layered_layout([[], [0], [1], [2]], [0, 0, 1, 2], [3.0, 1.0, 2.0, 1.0])
    assert layout.layer == (0, 1, 2, 3)
    assert layout.x == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_picture_is_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"program{suffix}"
    draw(parse(PROGRAM), path)
    start = path.read_bytes()[:200]
    assert start.startswith(b"\x89PNG") if suffix == ".png" else b"<?xml" in start


def test_too_large_a_picture_is_refused(tmp_path: Path) -> None:
    deep = parse("neg(" * 500 + "sum(sum(weight))" + ")" * 500)
    with pytest.raises(InputError, match="at most 400 distinct nodes, got 503; use to_dot instead"):
        draw(deep, tmp_path / "deep.png")


def test_literals_are_written_into_what_uses_them() -> None:
    shown = boxes(parse("sum(quantile(weight, 0.5))"))
    assert [label(node) for node in shown] == ["weight", "quantile 0.5", "sum"]
