from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eznas.errors import InputError
from eznas.primitives import Kind
from eznas.programs import Node, ProgramError, apply, leaf, literal, parse
from eznas.programs.parse import MAX_CHARACTERS
from eznas.testing.strategies import programs

EZNAS_A = "mean(frobenius_norm(sigmoid(logdet(sign(input_grad.data)))))"


def failure(text: str, kind: Kind = Kind.NETWORK) -> ProgramError:
    with pytest.raises(ProgramError) as caught:
        parse(text, kind)
    return caught.value


def test_reads_a_published_program() -> None:
    program = parse(EZNAS_A)
    assert program.text == EZNAS_A
    assert program.kind is Kind.NETWORK
    assert (program.size, program.height) == (6, 5)
    assert program is apply("mean", parse("frobenius_norm(sigmoid(logdet(sign(input_grad.data))))", Kind.UNIT))


def test_an_error_can_be_copied_and_so_sent_from_a_worker() -> None:
    error = failure("sum(weight,")
    assert str(copy.copy(error)) == str(error)


@settings(deadline=None)
@given(st.sampled_from(list(Kind)).filter(lambda kind: kind is not Kind.LITERAL).flatmap(programs))
def test_text_and_program_are_one_to_one(program: Node) -> None:
    assert parse(program.text, program.kind) is program
    spaced = program.text.replace("(", " ( ").replace(",", "\t,\n")
    assert parse(f" {spaced} ", program.kind) is program


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_kept_exactly(value: float) -> None:
    node = literal(value)
    assert float(node.text) == value
    assert parse(node.text, Kind.LITERAL) is node


@given(st.text(alphabet="abs()mean,. _weight0129-+\n", max_size=40))
def test_any_text_gives_a_program_or_an_error_with_its_place(text: str) -> None:
    try:
        parse(text)
    except ProgramError as caught:
        error = caught
    else:
        return
    assert 1 <= error.column <= len(text) + 1
    *_, line, caret = str(error).split("\n")
    assert caret.index("^") - 2 == error.column - 1 <= len(line) - 2 + 1


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "must not be empty"),
        (" \n ", 1, "must not be empty"),
        ("mean(frobenius_nrm(weight))", 6, "unknown primitive 'frobenius_nrm'; did you mean 'frobenius_norm'?"),
        ("mean(sum(wieght))", 10, "unknown statistic 'wieght'; did you mean 'weight'?"),
        ("mean(sum(input_grad.dat))", 10, "did you mean 'input_grad.data'?"),
        ("mean(weight(weight))", 6, "weight is a statistic and takes no arguments"),
        ("mean(sum)", 6, "sum is a primitive and needs its arguments in parentheses"),
        ("sum(weight)", 1, "one number for each unit; wrap it in an aggregation such as mean(...) or sum(...)"),
        ("abs(weight)", 1, "a tensor (weight) for each unit; wrap it in a reduction and an aggregation"),
        ("weight", 1, "a tensor (weight)"),
        (" 3.5", 2, "this gives 3.5, whatever the network"),
        ("mean(sum(add(weight, norm_out.data)))", 10, "add does not take (weight, output); it takes (weight, weight)"),
        ("mean(mean(mean(weight)))", 1, "mean does not take (network)"),
        ("mean(sum(weight)", 17, "')' is missing for mean(, opened at column 1"),
        ("mean(sum(weight)))", 18, "one ')' too many"),
        ("mean(sum(weight)) weight", 19, "nothing may follow the program, got 'weight'"),
        ("mean(sum(abs()))", 14, "must stand as argument 1 of abs, got ')'"),
        ("mean(sum(add(weight,)))", 21, "must stand as argument 2 of add, got ')'"),
        ("mean(sum(add(weight weight)))", 21, "',' or ')' must follow an argument of add("),
        ("mean(sum(abs(weight, weight)))", 10, "abs takes 1 argument, got 2"),
        ("mean(sum(mul(weight)))", 10, "mul takes 2 arguments, got 1"),
        ("(weight)", 1, "must stand here, got '('"),
        ("mean(sum(Weight))", 10, "a program is written with a-z"),
        ("mean(sum(power(weight, 9)))", 24, "exponent of power must lie between -8.0 and 8.0, got 9.0"),
        ("mean(sum(power(weight, 1e999)))", 24, "must be finite, got inf"),
        ("mean(sum(power(3, weight)))", 10, "power does not take (literal, weight)"),
    ],
)
def test_errors_say_what_and_where(text: str, column: int, message: str) -> None:
    error = failure(text)
    assert message in str(error)
    assert (error.column, error.text) == (column, text)
    assert isinstance(error, InputError)


def test_the_caret_stands_under_the_column() -> None:
    assert str(failure("mean(sum(wieght))")).split("\n")[1:] == ["  mean(sum(wieght))", "           ^"]


def test_a_long_program_is_shown_around_the_place() -> None:
    error = failure("mean(sum(" + "abs(" * 100 + "wieght" + ")" * 102)
    _, line, caret = str(error).split("\n")
    assert len(line) < 120
    assert line[caret.index("^") :].startswith("wieght")


def test_another_kind_may_be_asked_for() -> None:
    assert parse("sum(weight)", Kind.UNIT) is apply("sum", leaf("weight"))
    assert "this must give unit, it gives network" in str(failure("mean(sum(weight))", Kind.UNIT))


def test_too_long_a_text_is_refused() -> None:
    assert f"at most {MAX_CHARACTERS} characters" in str(failure(" " * (MAX_CHARACTERS + 1)))


def test_deep_programs_are_read_and_printed() -> None:
    text = "abs(" * 5000 + "mean(sum(weight))" + ")" * 5000
    program = parse(text)
    assert (program.height, program.text) == (5002, text)
    deepest = "neg(" * 19_000 + "mean(sum(weight))" + ")" * 19_000
    assert parse(deepest).size == 19_003


def test_shared_subtrees_cost_nothing() -> None:
    node = apply("mean", apply("sum", leaf("weight")))
    for _ in range(200):
        node = apply("add", node, node)
    assert node.size == 2**200 * 4 - 1


@given(programs(network_leaves=["measure.jacob_cov", "graf.n"]))
def test_copies_are_the_same_object(program: Node) -> None:
    assert pickle.loads(pickle.dumps(program)) is program  # noqa: S301 - our own bytes
    assert copy.deepcopy(program) is program
