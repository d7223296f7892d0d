from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eznas import primitives
from eznas.capture import Capture, ShapeGroup, Unit
from eznas.errors import InputError
from eznas.primitives import STATISTICS, Kind
from eznas.programs import (
    Node,
    Trace,
    evaluate_captures,
    evaluate_reductions,
    parse,
    postorder,
    preorder,
    reductions,
    statistics,
)
from eznas.programs.memory import capture_bytes
from eznas.programs.plan import Plan
from eznas.testing.strategies import programs

BATCH = 4
SHAPES = {
    "a": ((3, 2, 3, 3), (BATCH, 2, 5, 5), (BATCH, 3, 5, 5)),
    "b": ((2, 3, 1, 1), (BATCH, 3, 4, 2), (BATCH, 2, 4, 2)),
}
GROUPS = {"a": (0, 2, 3), "b": (1,)}
IMAGES = (BATCH, 3, 6, 6)


def random_tensor(name: str, unit: int, shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(name.encode()) * 10 + unit + 10**6 * seed))


def made_up_capture(seed: int = 0) -> Capture:
    units = {unit: Unit(unit, f"unit{unit}", *SHAPES[group]) for group, members in GROUPS.items() for unit in members}
    places = {Kind.WEIGHT: 0, Kind.INPUT: 1, Kind.OUTPUT: 2}
    groups = tuple(
        ShapeGroup(
            members,
            {
                name: [random_tensor(name, unit, SHAPES[group][places[statistic.kind]], seed) for unit in members]
                for name, statistic in STATISTICS.items()
                if statistic.kind in places
            },
        )
        for group, members in GROUPS.items()
    )
    images = {name: random_tensor(name, 0, (1, *IMAGES), seed) for name in STATISTICS if name.startswith("image")}
    return Capture(tuple(units[index] for index in sorted(units)), (), groups, images)


CAPTURE = made_up_capture()


def naive(node: Node, unit: int) -> Tensor | float:
    """Evaluate a node as it is written, on one unit."""
    if node.kind is Kind.LITERAL:
        return float(node.text)
    if node.kind is Kind.IMAGE and not node.args:
        return CAPTURE.images[node.name]
    if not node.args:
        group = next(group for group in CAPTURE.groups if unit in group.units)
        return group.tensors[node.name][group.units.index(unit)][None]
    record, _ = primitives.resolve(node.name, [arg.kind for arg in node.args])
    return record.function(*[naive(arg, unit) for arg in node.args])


def equal(left: Tensor, right: Tensor) -> bool:
    return torch.equal(left.isnan(), right.isnan()) and torch.equal(left.nan_to_num(), right.nan_to_num())


def all_reductions() -> st.SearchStrategy[Node]:
    return programs(Kind.UNIT, 3).map(lambda node: reductions([node])[0])


@settings(deadline=None, max_examples=60)
@given(st.lists(all_reductions(), min_size=1, max_size=6, unique=True))
def test_one_unit_at_a_time_equals_the_naive_evaluation_to_the_bit(nodes: list[Node]) -> None:
    found = evaluate_reductions(nodes, CAPTURE, chunk=1)
    assert list(found) == nodes
    for node in nodes:
        alone = torch.cat([torch.as_tensor(naive(node, unit)) for unit in range(4)]).double()
        assert found[node].dtype == torch.float64
        assert equal(found[node], alone), node


@settings(deadline=None, max_examples=60)
@given(st.lists(all_reductions(), min_size=2, max_size=6, unique=True))
def test_stacked_units_do_not_depend_on_the_programs_beside(nodes: list[Node]) -> None:
    together = evaluate_reductions(nodes, CAPTURE)
    for node in nodes:
        assert equal(together[node], evaluate_reductions([node], CAPTURE)[node])


@settings(deadline=None, max_examples=60)
@given(st.lists(all_reductions(), min_size=1, max_size=6, unique=True))
def test_a_unit_does_not_depend_on_those_that_are_stacked_with_it(nodes: list[Node]) -> None:
    """To the bit; so networks can be evaluated together, in any company, and give the same."""
    other = made_up_capture(seed=7)
    together = evaluate_captures(nodes, [CAPTURE, other, Capture((), (), (), {}), CAPTURE])
    assert [values.shape for values in together] == [(len(nodes), units) for units in (4, 4, 0, 4)]
    for captured, values in zip((CAPTURE, other, None, CAPTURE), together, strict=True):
        if captured is not None:
            alone = evaluate_reductions(nodes, captured, chunk=1)
            for node, vector in zip(nodes, values, strict=True):
                assert equal(vector, alone[node]), node


@pytest.mark.parametrize(
    "text",
    [
        "frobenius_norm(sigmoid(logdet(input_grad.data)))",
        "effective_rank(weight_grad.data)",
        "logdet_jitter(gram(normalize(norm_out.noise)), 0.001)",
        "std(matmul(weight, weight_grad.loss))",
        "mean(mul(gram(image.data), sign_kernel(conv_in.data)))",
        "entropy(mean_over_space(conv_out.data))",
        "dot(input.data, mean_over_samples(input.noise))",
        "lp_norm(power(abs(input.data), 0.3), 2.5)",
    ],
)
def test_stacked_units_equal_single_ones(text: str) -> None:
    node = parse(text, Kind.UNIT)
    stacked, single = evaluate_reductions([node], CAPTURE), evaluate_reductions([node], CAPTURE, chunk=1)
    assert equal(stacked[node], single[node])
    assert stacked[node].isfinite().any()


def test_values_worked_out_by_hand() -> None:
    groups = (
        ShapeGroup((1,), {"weight": [torch.tensor([[[[3.0]], [[4.0]]]])]}),
        ShapeGroup((0, 2), {"weight": [torch.tensor([[[[-1.0]]]]), torch.tensor([[[[2.0]]]])]}),
    )
    shapes = {0: (1, 1, 1, 1), 1: (1, 2, 1, 1), 2: (1, 1, 1, 1)}
    units = tuple(Unit(unit, f"unit{unit}", shape, (1, 1, 1, 1), (1, 1, 1, 1)) for unit, shape in shapes.items())
    captured = Capture(units, (), groups, {"image.data": torch.tensor([[[[[5.0]]]]])})
    texts = ("frobenius_norm(weight)", "sum(abs(weight))", "sum(image.data)", "sum(power(weight, 3))")
    nodes = [parse(text, Kind.UNIT) for text in texts]
    found = [vector.tolist() for vector in evaluate_reductions(nodes, captured).values()]
    assert found == [[1.0, 5.0, 2.0], [1.0, 7.0, 2.0], [5.0, 5.0, 5.0], [-1.0, 91.0, 8.0]]


def test_each_distinct_node_is_evaluated_once() -> None:
    texts = ("sum(abs(sign(weight)))", "mean(abs(sign(weight)))", "max(sign(weight))", "min(gram(image.data))")
    trace = Trace()
    evaluate_reductions([parse(text, Kind.UNIT) for text in texts], CAPTURE, trace=trace)
    assert trace.calls == 2 * 5 + 2  # five distinct primitives over two groups, two over the images
    assert trace.evaluations == 4 * 5 + 2
    evaluate_reductions([parse("sum(gram(image.data))", Kind.UNIT)], CAPTURE, chunk=1, trace=trace)
    assert trace.calls == 2 * 5 + 4


def test_the_chunk_bounds_the_units_that_are_stacked() -> None:
    trace = Trace()
    node = parse("sum(weight)", Kind.UNIT)
    of_a_unit = 4 * BATCH * 3 * 5 * 5
    evaluate_reductions([node], CAPTURE, chunk=2 * of_a_unit, trace=trace)
    assert trace.calls == 3  # units 0 and 2, unit 3, unit 1


@settings(deadline=None, max_examples=30)
@given(st.lists(all_reductions(), min_size=2, max_size=6, unique=True))
def test_little_memory_changes_no_value_and_holds_less_at_once(nodes: list[Node]) -> None:
    plenty = evaluate_reductions(nodes, CAPTURE)
    for node, vector in evaluate_reductions(nodes, CAPTURE, memory=1).items():
        assert equal(vector, plenty[node])


def test_the_bytes_that_a_plan_holds_are_known_beforehand() -> None:
    sizes = {Kind.WEIGHT: 10, Kind.UNIT: 1}
    add = parse("sum(add(abs(weight), weight))", Kind.UNIT)
    order = [node for node in postorder([add]) if node.kind in sizes]
    # at its worst: weight, abs and their sum, beside what the sum makes for itself
    assert Plan(order, {add}).bytes(sizes) == 3 * 10 + 8 * 10


def test_what_raises_is_undefined_on_the_units_where_it_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    record, _ = primitives.resolve("frobenius_norm", [Kind.WEIGHT])

    def picky(x: Tensor) -> Tensor:
        if (x > 1.5).any(dim=(1, 2, 3, 4)).any():
            raise torch.linalg.LinAlgError("too large")  # type: ignore[attr-defined]  # it is documented
        return x.sum((1, 2, 3, 4))

    groups = (ShapeGroup((0, 1, 2), {"weight": [torch.full((1, 1, 1, 1), value) for value in (1.0, 2.0, 0.5)]}),)
    units = tuple(Unit(unit, f"unit{unit}", (1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1)) for unit in range(3))
    captured = Capture(units, (), groups, {})
    monkeypatch.setitem(vars(record), "function", picky)
    nodes = [parse(text, Kind.UNIT) for text in ("frobenius_norm(abs(weight))", "sum(weight)")]
    trace = Trace()
    first, second = evaluate_reductions(nodes, captured, trace=trace).values()
    assert [first[0].item(), first[2].item()] == [1.0, 0.5]
    assert math.isnan(first[1])
    assert second.tolist() == [1.0, 2.0, 0.5]
    assert list(trace.failures) == [nodes[0]]
    assert trace.failures[nodes[0]].endswith("LinAlgError: too large")
    monkeypatch.setitem(vars(record), "function", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # a bug is not a missing value
        evaluate_reductions(nodes, captured)

    def greedy(_: Tensor) -> Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setitem(vars(record), "function", greedy)
    with pytest.raises(RuntimeError, match="can't allocate"):  # nor is a lack of memory
        evaluate_reductions(nodes, captured)


def test_what_raises_on_stacks_alone_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    record, _ = primitives.resolve("frobenius_norm", [Kind.WEIGHT])

    def narrow(x: Tensor) -> Tensor:
        if len(x) > 1:
            raise torch.linalg.LinAlgError("did not converge")  # type: ignore[attr-defined]  # it is documented
        return x.sum((1, 2, 3, 4))

    monkeypatch.setitem(vars(record), "function", narrow)
    node = parse("frobenius_norm(weight)", Kind.UNIT)
    trace = Trace()
    found = evaluate_reductions([node], CAPTURE, trace=trace)
    assert found[node].isfinite().all()
    assert not trace.failures


def test_a_statistic_that_was_not_captured_is_named() -> None:
    only = ShapeGroup((0,), {"weight": [torch.ones(1, 1, 1, 1)]})
    captured = Capture((Unit(0, "unit", (1, 1, 1, 1), (1, 1, 1, 1), (1, 1, 1, 1)),), (), (only,), {})
    with pytest.raises(InputError, match=r"lacks norm_out\.data, norm_out\.noise"):
        evaluate_reductions([parse("dot(norm_out.noise, norm_out.data)", Kind.UNIT)], captured)


def test_a_network_without_units_gives_empty_vectors() -> None:
    node = parse("sum(weight)", Kind.UNIT)
    assert evaluate_reductions([node], Capture((), (), (), {}))[node].shape == (0,)


@given(programs())
def test_reductions_and_statistics_are_what_the_tree_holds(program: Node) -> None:
    assert statistics([program]) == {node.name for node in preorder(program) if node.name in STATISTICS}
    found = reductions([program])
    assert len(set(found)) == len(found)
    for node in preorder(program):
        tensors = [arg for arg in node.args if arg.kind not in (Kind.UNIT, Kind.NETWORK, Kind.LITERAL)]
        assert (node in found) is (node.kind is Kind.UNIT and bool(tensors))


def test_reductions_stand_in_a_fixed_order() -> None:
    roots = [parse("add(sum(sum(weight)), max(mean(abs(weight))))"), parse("sum(sum(weight))")]
    assert [node.text for node in reductions(roots)] == ["sum(weight)", "mean(abs(weight))"]


def test_a_generation_costs_its_distinct_nodes_whatever_the_machine() -> None:
    """Two hundred offspring of few parents: nodes by the hundred, of which most are the same."""
    below = ["sign(norm_out.data)", "abs(norm_out.data)", "relu(neg(norm_out.data))", "sigmoid(abs(norm_out.data))"]
    texts = [f"{name}({one})" for name in ("sum", "mean", "max", "min", "std") for one in below]
    population = [parse(text, Kind.UNIT) for text in texts * 10]
    trace = Trace()
    evaluate_reductions(list(dict.fromkeys(population)), CAPTURE, trace)
    written = sum(1 for node in population for one in preorder(node) if one.args)
    assert written == 10 * 5 * (2 + 2 + 3 + 3)
    assert trace.evaluations == (20 + 5) * len(CAPTURE.units)
    assert trace.calls == (20 + 5) * len(CAPTURE.groups)


def test_capturing_is_cut_by_what_it_is_planned_to_take() -> None:
    sizes = {Kind.WEIGHT: 1, Kind.INPUT: 100, Kind.OUTPUT: 1000, Kind.IMAGE: 7}
    assert capture_bytes({"weight", "input.data"}, sizes) == 101
    assert capture_bytes({"weight_grad.data"}, sizes) == 1 + (6 * 1000 + 1)
    assert capture_bytes({"weight_grad.data", "input.noise", "norm_out.data"}, sizes) == 1 + 100 + (6 * 1000 + 1)
    assert capture_bytes({"input.perturbed"}, sizes) == 100 + 100 + 100
    assert capture_bytes({"input.perturbed", "input.data"}, sizes) == 100 + 100 + 100
