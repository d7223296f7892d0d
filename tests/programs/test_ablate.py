from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eznas.primitives import Kind
from eznas.programs import parse, simplify_exact
from eznas.programs.ablate import ablations
from eznas.programs.sums import weighted_sum


def texts(program: str) -> dict[str, str]:
    found = ablations(parse(program))
    assert len({ablation.without for ablation in found}) == len(found)
    return {ablation.without: ablation.program.text for ablation in found}


A, B = "frobenius_norm(weight)", "nuclear_norm(weight)"


def test_terms_and_functions_are_left_out_in_the_order_of_the_program() -> None:
    found = texts(f"add(log(min({A})), max({B}))")
    assert list(found.items()) == [
        (f"log(min({A}))", f"max({B})"),
        (f"max({B})", f"log(min({A}))"),
        (f"log of min({A})", f"add(max({B}), min({A}))"),
    ]


def test_a_reduction_of_a_tensor_is_a_leaf() -> None:
    assert texts(f"sum({A})") == {}


def test_the_unit_floor_is_ablated_too() -> None:
    assert texts(f"sum(mul(exp({A}), {B}))") == {
        f"exp({A})": f"sum({B})",
        B: f"sum(exp({A}))",
        f"exp of {A}": simplify_exact(parse(f"sum(mul({A}, {B}))")).text,
    }


def test_a_difference_and_a_quotient_keep_their_direction() -> None:
    found = texts(f"sub(sum({A}), max({B}))")
    assert found == {f"sum({A})": f"neg(max({B}))", f"max({B})": f"sum({A})"}
    assert texts(f"div(sum({A}), max({B}))")[f"sum({A})"] == f"reciprocal(max({B}))"


def test_a_number_leaves_with_its_function() -> None:
    assert texts(f"power(sum({A}), 3)") == {f"power of sum({A})": f"sum({A})"}


def test_an_aggregation_is_never_left_out_where_a_number_of_the_network_is_needed() -> None:
    assert texts(f"sum(exp({A}))") == {f"exp of {A}": f"sum({A})"}


def test_equal_rests_stand_once() -> None:
    found = ablations(parse(f"mul(exp(sum({A})), exp(sum({A})))"))
    programs = [ablation.program for ablation in found]
    assert len(set(programs)) == len(programs)


PROGRAMS = [
    f"std(div(mul(cumulative_sum({A}), {B}), exp({A})))",
    f"add(mul(sum({A}), max({B})), sub(log(sum({A})), sqrt(abs(min({B})))))",
    f"minimum(sum(maximum({A}, {B})), neg(neg(sum({A}))))",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_rests_are_distinct_simplified_smaller_programs(program: str) -> None:
    whole = simplify_exact(parse(program))
    found = ablations(whole)
    assert found
    assert found == ablations(parse(program))
    for ablation in found:
        assert ablation.program.kind is Kind.NETWORK
        assert ablation.program.size <= whole.size
        assert ablation.program is not whole
        assert simplify_exact(ablation.program) is ablation.program
        assert parse(ablation.program.text) is ablation.program
    assert len({ablation.program for ablation in found}) == len(found)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6))
def test_programs_of_binary_functions_lose_each_term_once(seed: int) -> None:
    """A sum of n different terms has n programs without one."""
    rng = random.Random(seed)
    names = rng.sample(["mean", "sum", "max", "min", "median", "std", "first", "last"], 5)
    terms = [f"{name}({A})" for name in names]
    text = terms[0]
    for term in terms[1:]:
        text = f"add({text}, {term})" if rng.random() < 0.5 else f"add({term}, {text})"
    found = texts(text)
    assert set(terms) <= set(found)
    for term in terms:
        rest = parse(found[term]).text
        assert term not in rest
        assert all(other in rest for other in terms if other != term)


@pytest.mark.parametrize(("count", "parts"), [(8, 14 + 8), (9, 9)])
def test_of_a_long_sum_whole_terms_are_left_out(count: int, parts: int) -> None:
    """A short sum has also sums of some terms, and terms without their weight."""
    program = weighted_sum(
        [parse(f"log(sum(lp_norm(weight, {power})))") for power in range(1, count + 1)], [2.0] * count
    )
    found = ablations(program)
    assert len(found) == parts
    without = [part.without for part in found if part.program.text.count("lp_norm(") == count - 1]
    assert len(without) == count
