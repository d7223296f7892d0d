from __future__ import annotations

import random

import pytest

from eznas.gp import variation
from eznas.gp.grammar import options, random_program, random_reduction, random_tensor
from eznas.gp.variation import is_reduction, upper_nodes
from eznas.minibatch import load_minibatch
from eznas.primitives import TENSOR_KINDS, Kind
from eznas.programs import Node, apply, evaluate, is_network_leaf, leaf, network_leaves, parse, preorder
from eznas.programs import reductions as reductions_of
from eznas.scoring import Condition
from eznas.spaces import Fidelity
from eznas.status import Status

SEEDS = range(200)
OPERATORS = (
    "mutate_subtree",
    "mutate_terminal",
    "insert",
    "mutate_point",
    "mutate_aggregation",
    "hoist",
    "shrink",
    "crossover",
)


def known() -> list[Node]:
    rng = random.Random(5)
    return [random_reduction(rng, rng.randint(0, 3)) for _ in range(20)]


@pytest.mark.parametrize("kind", [Kind.UNIT, Kind.NETWORK, *TENSOR_KINDS])
def test_every_kind_can_be_made(kind: Kind) -> None:
    assert options(kind)


@pytest.mark.parametrize("kind", TENSOR_KINDS)
def test_random_tensors_are_of_their_kind_and_bounded(kind: Kind) -> None:
    for seed in SEEDS:
        tree = random_tensor(random.Random(seed), kind, seed % 4)
        assert tree.kind is kind
        assert tree.height <= seed % 4 + 1


def test_random_programs_are_programs_over_the_given_reductions() -> None:
    reductions = known()
    for seed in SEEDS:
        program = random_program(random.Random(seed), seed % 4, reductions)
        assert program.kind is Kind.NETWORK
        assert set(reductions_of([program])) <= set(reductions)
        assert parse(program.text) is program


def test_upper_nodes_tell_the_right_index_and_stop_at_reductions() -> None:
    program = parse("add(sum(mul(frobenius_norm(weight), mean(norm_out.data))), power(max(mean(weight)), 2))")
    order = list(preorder(program))
    places = upper_nodes(program)
    assert all(order[index] is node for index, node in places)
    assert sorted(node.text for _, node in places if is_reduction(node)) == [
        "frobenius_norm(weight)",
        "mean(norm_out.data)",
        "mean(weight)",
    ]
    assert not any(node.kind in TENSOR_KINDS or node.kind is Kind.LITERAL for _, node in places)


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_gives_a_program_of_known_reductions(name: str) -> None:
    reductions = known()
    changed = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        first, second = (random_program(rng, rng.randint(0, 3), reductions) for _ in range(2))
        operator = getattr(variation, name)
        if name == "crossover":
            child = operator(rng, first, second)
        elif name in ("mutate_subtree", "mutate_terminal", "insert"):
            child = operator(rng, first, reductions)
        else:
            child = operator(rng, first)
        assert child.kind is Kind.NETWORK
        assert set(reductions_of([child])) <= set(reductions)
        if name in ("hoist", "shrink"):
            assert child.size <= first.size
        if name == "insert":
            assert child.size > first.size
        changed += child is not first
    assert changed > len(SEEDS) // 4


LEAVES = [leaf("measure.synflow"), leaf("graf.n"), leaf("score.a")]


@pytest.mark.parametrize("reductions", [[], known()], ids=["measures", "both"])
@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_takes_programs_that_read_leaves_of_the_network_floor(name: str, reductions: list[Node]) -> None:
    changed = 0
    for seed in SEEDS:
        rng = random.Random(seed)
        first, second = (random_program(rng, rng.randint(0, 3), reductions, LEAVES) for _ in range(2))
        operator = getattr(variation, name)
        if name == "crossover":
            child = operator(rng, first, second)
        elif name in ("mutate_subtree", "mutate_terminal", "insert"):
            child = operator(rng, first, reductions, LEAVES)
        else:
            child = operator(rng, first)
        assert child.kind is Kind.NETWORK
        assert parse(child.text) is child
        assert set(reductions_of([child])) <= set(reductions)
        assert set(network_leaves([child])) <= set(LEAVES)
        changed += child is not first
    assert (changed == 0) == (name == "mutate_aggregation" and not reductions)


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_takes_a_single_leaf_and_parents_of_different_floors(name: str) -> None:
    single, deep = leaf("measure.synflow"), parse("sum(mean(weight))")
    operator, rng = getattr(variation, name), random.Random(0)
    if name == "crossover":
        children = {operator(rng, *parents) for parents in [(single, deep), (deep, single)] for _ in range(20)}
        assert children == {single, deep}
    elif name in ("mutate_subtree", "insert"):
        assert operator(rng, single, [], LEAVES).kind is Kind.NETWORK
    elif name == "mutate_terminal":
        assert {operator(rng, single, [], LEAVES) for _ in range(50)} == set(LEAVES)
        assert operator(rng, single, reductions_of([deep])) is single  # no leaf is known
    else:
        assert operator(rng, single) is single


def test_both_terminals_end_about_as_many_branches() -> None:
    reductions = known()
    programs = [random_program(random.Random(seed), 3, reductions, LEAVES) for seed in range(400)]
    places = [node for program in programs for _, node in upper_nodes(program)]
    leaves = sum(is_network_leaf(node) for node in places)
    aggregations = sum(node.kind is Kind.NETWORK and Kind.UNIT in {arg.kind for arg in node.args} for node in places)
    assert 0.8 < leaves / aggregations < 1.25


def test_shrink_keeps_what_cannot_shrink() -> None:
    program = parse("sum(frobenius_norm(weight))")
    assert variation.shrink(random.Random(0), program) is program


def test_a_varied_reduction_is_a_reduction() -> None:
    reductions = known()
    rng = random.Random(1)
    varied = [variation.vary_reduction(rng, rng.choice(reductions), reductions) for _ in range(300)]
    assert all(is_reduction(node) for node in varied)
    assert len(set(varied) - set(reductions)) > 200


def test_no_generated_program_fails_on_shapes() -> None:
    rng = random.Random(9)
    fidelity = Fidelity("tiny", cells=1, channels=2, pixels=8, batch=3)
    condition = Condition.of("nasbench201", fidelity, 0, load_minibatch("digits", 3, pixels=8))
    network = condition.network("|nor_conv_3x3~0|+|nor_conv_1x1~0|none~1|+|avg_pool_3x3~0|skip_connect~1|none~2|")
    reductions = [random_reduction(rng, rng.randint(0, 3)) for _ in range(150)]
    reductions += [variation.vary_reduction(rng, rng.choice(reductions), reductions) for _ in range(150)]
    programs = [random_program(rng, 2, reductions) for _ in range(150)]
    singles = [apply("sum", reduction) for reduction in reductions]
    scores = evaluate([*singles, *programs], network, condition.minibatch)
    assert {score.status for score in scores} <= {Status.OK, Status.NON_FINITE}
    assert sum(score.ok for score in scores) > len(scores) / 2
