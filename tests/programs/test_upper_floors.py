from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eznas import primitives
from eznas.primitives import Kind, Primitive, Signature
from eznas.programs import (
    Layout,
    Node,
    Ragged,
    apply,
    evaluate_upper,
    is_network_leaf,
    leaf,
    literal,
    parse,
    postorder,
    reductions,
    upper_floors,
)
from eznas.testing.strategies import programs

COUNTS = (3, 1, 7, 3, 7, 7, 2)
AGGREGATIONS = [
    record
    for record in primitives.all_primitives()
    for signature in record.signatures
    if signature.args[0] is Kind.UNIT and signature.result is Kind.NETWORK
]


def pattern(record: Primitive) -> tuple[float | None, ...]:
    """The literals of a primitive's arguments, None for the others."""
    kinds = record.signatures[0].args
    return tuple(record.parameter.choices[0] if kind is Kind.LITERAL and record.parameter else None for kind in kinds)


def vector(node: Node, network: int, units: int) -> Tensor:
    seed = sum(node.text.encode()) * 100 + network
    return torch.randn(units, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def known(roots: list[Node], layout: Layout) -> dict[Node, Ragged]:
    return {
        node: layout.ragged([vector(node, place, units) for place, units in enumerate(layout.counts)])
        for node in reductions(roots)
    }


NETWORK_LEAVES = ("measure.synflow", "graf.n", "score.a")


def numbers(node: Node) -> Tensor:
    """The values of a leaf of the network floor on the networks."""
    return vector(node, 0, len(COUNTS))


def naive(root: Node, network: int, units: int) -> Tensor:
    """Evaluate node by node, as written, on one network."""
    found = set(reductions([root]))

    def value(node: Node) -> Tensor | float:
        if node in found:
            return vector(node, network, units)
        if node.kind is Kind.LITERAL:
            return float(node.text)
        if is_network_leaf(node):
            return numbers(node)[network]
        return node.primitive.function(*[value(arg) for arg in node.args])

    result = value(root)
    assert isinstance(result, Tensor)
    return result


def same(left: Tensor, right: Tensor) -> bool:
    return torch.allclose(left, right, rtol=1e-9, atol=1e-12, equal_nan=True)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.one_of(programs(), programs(network_leaves=NETWORK_LEAVES)), min_size=1, max_size=40))
def test_many_networks_at_once_equal_each_by_itself(roots: list[Node]) -> None:
    layout = Layout(COUNTS)
    leaves = {leaf(name): numbers(leaf(name)) for name in NETWORK_LEAVES}
    scores = evaluate_upper(roots, known(roots, layout), layout, leaves=leaves)
    assert scores.shape == (len(roots), len(COUNTS))
    assert scores.dtype == torch.float64
    for row, root in zip(scores, roots, strict=True):
        alone = torch.stack([naive(root, place, units) for place, units in enumerate(COUNTS)])
        assert same(row, alone), root


@settings(deadline=None, max_examples=30)
@given(st.lists(programs(), min_size=2, max_size=50))
def test_the_population_around_a_program_does_not_change_a_bit_of_it(roots: list[Node]) -> None:
    layout = Layout(COUNTS)
    vectors = known(roots, layout)
    together = evaluate_upper(roots, vectors, layout)
    memo: dict[Node, Tensor] = {}
    for row, root in zip(together, roots, strict=True):
        assert torch.equal(evaluate_upper([root], vectors, layout).nan_to_num(), row[None].nan_to_num())
        assert torch.equal(evaluate_upper([root], vectors, layout, memo).nan_to_num(), row[None].nan_to_num())


@settings(deadline=None, max_examples=30)
@given(st.lists(programs(), min_size=2, max_size=30))
def test_the_bound_on_memory_does_not_change_a_bit(roots: list[Node]) -> None:
    layout = Layout(COUNTS)
    vectors = known(roots, layout)
    whole = evaluate_upper(roots, vectors, layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upper_floors, "_CHUNK", 1)
        patch.setattr(upper_floors, "_MOST_BYTES", 1)
        parts = evaluate_upper(roots, vectors, layout)
        patch.setattr(upper_floors, "_LARGE", 1)
        without_batches = evaluate_upper(roots, vectors, layout)
    assert torch.equal(bits(whole), bits(parts))
    assert torch.equal(bits(whole), bits(without_batches))


def bits(values: Tensor) -> Tensor:
    """Return the bits of numbers, with one pattern for all NaN, which has several."""
    return torch.where(values.isnan(), math.nan, values).view(torch.int64)


@pytest.mark.parametrize("record", AGGREGATIONS, ids=lambda record: record.name)
def test_batches_of_an_aggregation_do_not_change_a_bit(record: Primitive) -> None:
    layout = Layout([units for units in (1, 2, 3, 5, 8, 13, 40, 70) for _ in range(3)])
    literals = [literal(one) for one in pattern(record) if one is not None]
    roots = [
        apply(record.name, *[apply("sum", leaf(name))] * (record.arity - len(literals)), *literals)
        for name in ("weight", "norm_out.data", "input.data", "norm_out.noise")
    ]
    vectors = known(roots, layout)
    together = evaluate_upper(roots, vectors, layout)
    alone = torch.cat([evaluate_upper([root], vectors, layout) for root in roots])
    assert torch.equal(together.nan_to_num(), alone.nan_to_num())


def test_values_worked_out_by_hand() -> None:
    node = parse("sum(weight)", Kind.UNIT)
    layout = Layout([2, 1, 2])
    vectors = {node: layout.ragged([torch.tensor([1.0, 2.0]), torch.tensor([5.0]), torch.tensor([3.0, 5.0])])}
    roots = [
        parse(text)
        for text in (
            "sum(sum(weight))",
            "max(square(sum(weight)))",
            "sub(last(sum(weight)), first(sum(weight)))",
            "power(sum(cumulative_sum(sum(weight))), 3)",
            "sum(sum(weight))",
        )
    ]
    expected = [[3.0, 5.0, 8.0], [4.0, 25.0, 25.0], [1.0, 0.0, 2.0], [64.0, 125.0, 1331.0], [3.0, 5.0, 8.0]]
    assert evaluate_upper(roots, vectors, layout).tolist() == expected


def test_ragged_holds_a_matrix_for_each_number_of_units() -> None:
    layout = Layout([2, 1, 2])
    assert layout.shapes == ((1, 1), (2, 2))
    assert layout.networks == ((1,), (0, 2))
    ragged = layout.ragged([torch.tensor([1.0, 2.0]), torch.tensor([5.0]), torch.tensor([3.0, 4.0])])
    assert [block.tolist() for block in ragged.blocks] == [[[5.0]], [[1.0, 2.0], [3.0, 4.0]]]
    assert ragged.flat.dtype == torch.float64
    with pytest.raises(ValueError, match=r"as long as the networks have units, \(2, 1, 2\), got \(2, 2, 1\)"):
        layout.ragged([torch.zeros(2), torch.zeros(2), torch.zeros(1)])


def test_networks_without_units_have_no_score() -> None:
    node = parse("sum(weight)", Kind.UNIT)
    root = parse("neg(max(depth_difference(sum(weight))))")
    layout = Layout([0, 2, 0])
    vectors = {node: layout.ragged([torch.zeros(0), torch.tensor([1.0, 4.0]), torch.zeros(0)])}
    first, second, third = evaluate_upper([root], vectors, layout)[0].tolist()
    assert second == -3.0
    assert math.isnan(first)
    assert math.isnan(third)
    empty = Layout([0])
    assert evaluate_upper([root], {node: empty.ragged([torch.zeros(0)])}, empty).isnan().all()
    assert evaluate_upper([], vectors, layout).shape == (0, 3)


def test_the_memo_holds_the_network_floor_and_is_read() -> None:
    layout = Layout(COUNTS)
    inner = parse("log(sum(abs(mean(weight))))")
    root = apply("exp", inner)
    memo: dict[Node, Tensor] = {}
    evaluate_upper([root], known([root], layout), layout, memo)
    assert set(memo) == {node for node in postorder([root]) if node.kind is Kind.NETWORK}
    memo[inner] = torch.zeros(len(COUNTS), dtype=torch.float64)
    del memo[root]
    assert evaluate_upper([root], {}, layout, memo).tolist() == [[1.0] * len(COUNTS)]


def test_a_missing_reduction_is_named() -> None:
    with pytest.raises(KeyError, match=r"must hold every reduction of the programs; one that reads norm_out\.data"):
        evaluate_upper([parse("sum(mean(norm_out.data))")], {}, Layout([2]))


def test_the_scores_are_an_ordinary_tensor() -> None:
    layout = Layout(COUNTS)
    root = parse("sum(mean(weight))")
    scores = evaluate_upper([root], known([root], layout), layout)
    scores[0, 0] = 1.0  # an inference tensor would refuse
    assert scores.numpy()[0, 0] == 1.0


def test_programs_of_five_thousand_levels_are_evaluated() -> None:
    layout = Layout(COUNTS)
    text = "neg(" * 5000 + "mean(" + "neg(" * 5000 + "sum(weight)" + ")" * 10_001
    root = parse(text)
    scores = evaluate_upper([root], known([root], layout), layout)
    assert torch.equal(scores, evaluate_upper([parse("mean(sum(weight))")], known([root], layout), layout))


def test_what_reads_other_units_is_not_entrywise() -> None:
    signature = Signature((Kind.UNIT,), Kind.UNIT)
    among_units = [record for record in primitives.all_primitives() if signature in record.signatures]
    across = {record.name for record in among_units if not record.entrywise}
    assert across == {"normalize", "softmax", "depth_difference", "cumulative_sum"}


def test_what_may_read_other_units_runs_network_by_network(monkeypatch: pytest.MonkeyPatch) -> None:
    record, _ = primitives.resolve("neg", [Kind.UNIT])
    shapes: list[tuple[int, ...]] = []

    def watched(x: Tensor) -> Tensor:
        shapes.append(tuple(x.shape))
        return -x

    monkeypatch.setitem(vars(record), "function", watched)
    root, layout = parse("sum(neg(sum(weight)))"), Layout(COUNTS)
    evaluate_upper([root], known([root], layout), layout)
    assert shapes == [(1, sum(COUNTS))]
    monkeypatch.setitem(vars(record), "entrywise", False)
    evaluate_upper([root], known([root], layout), layout)
    assert shapes[1:] == [(1, *shape) for shape in layout.shapes]


def leaves_of(**columns: list[float]) -> dict[Node, Tensor]:
    return {leaf(f"score.{name}"): torch.tensor(column, dtype=torch.float64) for name, column in columns.items()}


def test_leaves_are_numbers_of_the_networks_beside_those_of_units() -> None:
    node = parse("sum(weight)", Kind.UNIT)
    layout = Layout([2, 1, 0, 2])
    sizes = [[1.0, 2.0], [5.0], [], [3.0, 5.0]]
    vectors = {node: layout.ragged([torch.tensor(row) for row in sizes])}
    leaves = leaves_of(a=[10.0, 20.0, 30.0, 40.0])
    roots = [parse(text) for text in ("score.a", "add(sum(sum(weight)), score.a)", "neg(score.a)", "sum(sum(weight))")]
    scores = evaluate_upper(roots, vectors, layout, {}, leaves)
    assert scores.nan_to_num(-1).tolist() == [
        [10.0, 20.0, 30.0, 40.0],
        [13.0, 25.0, -1.0, 48.0],
        [-10.0, -20.0, -30.0, -40.0],
        [3.0, 5.0, -1.0, 8.0],
    ]


def test_programs_of_leaves_alone_need_no_reduction() -> None:
    layout, leaves = Layout([0, 0, 0]), leaves_of(a=[1.0, 4.0, 9.0], b=[1.0, 1.0, 2.0])
    memo: dict[Node, Tensor] = {}
    for _ in range(2):  # the second time from the memo
        roots = [parse("sub(sqrt(score.a), score.b)"), parse("score.b")]
        assert evaluate_upper(roots, {}, layout, memo, leaves).tolist() == [[0.0, 1.0, 1.0], [1.0, 1.0, 2.0]]
    assert evaluate_upper([parse("score.a")], {}, Layout([]), {}, leaves_of(a=[])).shape == (1, 0)
    with pytest.raises(KeyError, match=r"leaves must hold the values of score\.c"):
        evaluate_upper([parse("add(score.a, score.c)")], {}, layout, {}, leaves)
    with pytest.raises(KeyError, match="one that reads weight is missing"):
        evaluate_upper([parse("add(score.a, sum(mean(weight)))")], {}, layout, {}, leaves)


def test_a_network_without_a_value_of_a_leaf_has_no_score() -> None:
    node = parse("sum(weight)", Kind.UNIT)
    layout = Layout([1, 0, 1])
    vectors = {node: layout.ragged([torch.tensor([1.0]), torch.zeros(0), torch.tensor([math.nan])])}
    leaves = leaves_of(a=[math.nan, 2.0, math.inf], b=[1.0, 2.0, 3.0])
    texts = ("power(score.a, 0)", "reciprocal(score.a)", "power(sum(sum(weight)), 0)", "power(score.b, 0)", "score.a")
    scores = evaluate_upper([parse(text) for text in texts], vectors, layout, {}, leaves)
    assert scores.nan_to_num(-1).tolist() == [
        [-1.0, 1.0, -1.0],
        [-1.0, 0.5, -1.0],
        [1.0, -1.0, 1.0],  # as a reduction that is NaN on a unit
        [1.0, 1.0, 1.0],
        [-1.0, 2.0, -1.0],
    ]


def test_shared_subtrees_cost_nothing() -> None:
    root = leaf("score.a")
    for _ in range(100):
        root = apply("maximum", root, root)
    leaves = leaves_of(a=[1.0, math.nan])
    assert evaluate_upper([root], {}, Layout([0, 0]), {}, leaves).nan_to_num(-1).tolist() == [[1.0, -1.0]]
