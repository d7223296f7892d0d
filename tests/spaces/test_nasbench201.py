from __future__ import annotations

import itertools
import subprocess
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eznas.errors import InputError
from eznas.seeds import python_rng
from eznas.spaces import SPACES
from eznas.spaces.nasbench201 import EDGES, OPERATIONS, from_operations, to_operations

if TYPE_CHECKING:
    from collections.abc import Callable

SPACE = SPACES["nasbench201"]
FIRST = "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
NONE, SKIP, CONV1, CONV3, POOL = OPERATIONS

operations = st.tuples(*[st.sampled_from(OPERATIONS)] * 6)
cells = operations.map(from_operations)
checked = settings(max_examples=60, deadline=None)


def cell(**edges: str) -> str:
    """A cell by its edges, such as ``e01``; the others are none."""
    return from_operations([edges.get(f"e{source}{target}", NONE) for source, target in EDGES])


@checked
@given(operations)
def test_operations_and_string_are_inverse(named: tuple[str, ...]) -> None:
    assert to_operations(from_operations(named)) == named
    assert SPACE.parse(f" {from_operations(named)}\n") == from_operations(named)


def test_edges_stand_node_by_node() -> None:
    assert to_operations(FIRST) == (POOL, CONV1, SKIP, CONV1, SKIP, SKIP)
    assert cell(e03=CONV3) == "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must read"),
        ("433000", "must read"),
        (FIRST.replace("~2", "~1"), "must read"),
        (FIRST + "+|none~0|none~1|none~2|none~3|", "must read"),
        (FIRST.replace("avg_pool_3x3", "avg_pool_5x5"), "did you mean 'avg_pool_3x3'"),
    ],
)
def test_parse_refuses_what_is_no_cell(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        SPACE.parse(text)


def test_architectures_have_the_official_order() -> None:
    listed = SPACE.architectures()
    assert listed is not None
    assert len(listed) == len(set(listed)) == 5**6
    assert listed[0] == FIRST


def test_architectures_agree_with_the_real_table(real: Callable[[str], Any]) -> None:
    table = real("nasbench201")
    order = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))
    listed = []
    for digits in table["cell"]:
        named = {edge: table["ops"][int(digit)] for edge, digit in zip(order, digits, strict=True)}
        listed.append(from_operations([named[edge] for edge in EDGES]))
    assert tuple(listed) == SPACE.architectures()


@checked
@given(cells)
def test_neighbours_are_all_cells_one_edit_away(architecture: str) -> None:
    neighbours = SPACE.neighbours(architecture)
    assert len(neighbours) == len(set(neighbours)) == 24
    for neighbour in neighbours:
        pairs = zip(to_operations(architecture), to_operations(neighbour), strict=True)
        assert sum(mine != other for mine, other in pairs) == 1


def test_sampling_reaches_every_operation_on_every_edge_alike() -> None:
    rng = python_rng(0)
    drawn = [to_operations(SPACE.sample(rng)) for _ in range(2000)]
    for edge, operation in itertools.product(range(6), OPERATIONS):
        share = sum(named[edge] == operation for named in drawn) / len(drawn)
        assert share == pytest.approx(0.2, abs=0.04)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(cell(e03=CONV3, e01=CONV1), cell(e03=CONV3), id="no path to the output"),
        pytest.param(cell(e03=CONV3, e13=CONV1), cell(e03=CONV3), id="no path from the input"),
        pytest.param(cell(e01=CONV3, e13=POOL), cell(e02=CONV3, e23=POOL), id="nodes 1 and 2 swapped"),
        pytest.param(cell(e01=SKIP, e13=CONV3), cell(e03=CONV3), id="skip, then convolution"),
        pytest.param(cell(e01=CONV3, e13=SKIP), cell(e03=CONV3), id="convolution, then skip"),
        pytest.param(
            cell(e01=CONV3, e02=SKIP, e12=SKIP, e23=SKIP),
            cell(e01=CONV3, e13=SKIP, e03=SKIP),
            id="skip of a sum adds its terms",
        ),
        pytest.param(cell(e01=CONV3), cell(), id="nothing reaches the output"),
    ],
)
def test_canonical_identifies_equal_functions(left: str, right: str) -> None:
    assert left != right
    assert SPACE.canonical(left) == SPACE.canonical(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(cell(e01=SKIP, e03=SKIP, e13=SKIP), cell(e03=SKIP), id="twice the input"),
        pytest.param(cell(e01=CONV1, e13=CONV3), cell(e01=CONV3, e13=CONV1), id="order of operations"),
        pytest.param(
            cell(e01=CONV3, e12=SKIP, e13=CONV1, e23=CONV1),
            cell(e01=CONV3, e02=CONV3, e13=CONV1, e23=CONV1),
            id="one convolution used twice, and two convolutions",
        ),
    ],
)
def test_canonical_tells_different_functions_apart(left: str, right: str) -> None:
    assert SPACE.canonical(left) != SPACE.canonical(right)


def pruned(named: tuple[str, ...]) -> tuple[str, ...]:
    """The operations on edges of paths from node 0 to node 3, found by listing the four paths."""
    kept = set()
    for path in ((0, 3), (0, 1, 3), (0, 2, 3), (0, 1, 2, 3)):
        steps = [EDGES.index(step) for step in itertools.pairwise(path)]
        if all(named[step] != NONE for step in steps):
            kept.update(steps)
    return tuple(operation if edge in kept else NONE for edge, operation in enumerate(named))


def labelled(named: tuple[str, ...]) -> object:
    """What a cell computes with named convolutions, smallest over all ways to number them."""

    def formula(numbers: dict[int, int]) -> tuple[Any, ...]:
        nodes: list[tuple[Any, ...]] = [((),)]
        for node in (1, 2, 3):
            terms: list[Any] = []
            for edge, (source, target) in enumerate(EDGES):
                if target == node and named[edge] == SKIP:
                    terms += nodes[source]
                elif target == node and named[edge] != NONE:
                    terms.append((named[edge], numbers.get(edge, 0), nodes[source]))
            nodes.append(tuple(sorted(terms)))
        return nodes[3]

    convolutions = [edge for edge, operation in enumerate(named) if operation in (CONV1, CONV3)]
    orders = itertools.permutations(range(len(convolutions)))
    return min(formula(dict(zip(convolutions, order, strict=True))) for order in orders)


def test_canonical_classes_are_those_of_an_exhaustive_comparison() -> None:
    listed = SPACE.architectures()
    assert listed is not None
    classes = defaultdict(set)
    without_dead_ends = {from_operations(pruned(to_operations(architecture))) for architecture in listed}
    assert len(without_dead_ends) == 9445  # as published
    for architecture in listed:
        live = from_operations(pruned(to_operations(architecture)))
        assert SPACE.canonical(architecture) == SPACE.canonical(live)
    for live in without_dead_ends:
        classes[labelled(to_operations(live))].add(SPACE.canonical(live))
    assert len(classes) == 5260
    assert all(len(representatives) == 1 for representatives in classes.values())
    representatives = {representative for found in classes.values() for representative in found}
    assert len(representatives) == 5260
    assert representatives <= without_dead_ends
    assert all(SPACE.canonical(representative) == representative for representative in representatives)


def test_pruned_cells_are_the_published_distinct_ones(real: Callable[[str], Any]) -> None:
    published = real("published_scores_nb201_cifar10")["net_str"]
    assert {SPACE.parse(text) for text in published} == {
        from_operations(pruned(named)) for named in itertools.product(OPERATIONS, repeat=6)
    }


def test_spaces_do_not_import_torch() -> None:
    code = "import sys, eznas.spaces; list(eznas.spaces.SPACES); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
