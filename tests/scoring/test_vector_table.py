from __future__ import annotations

import numpy as np
import pytest

from eznas.primitives import Kind
from eznas.programs import leaf, parse
from eznas.scoring.evaluate_networks import Vectors
from eznas.scoring.vector_table import VectorTable

SIZE = parse("sum(weight)", Kind.UNIT)
MEASURE, GRAF = leaf("measure.synflow"), leaf("graf.n")


def learned() -> VectorTable:
    table = VectorTable()
    table.learn_leaves({MEASURE: np.array([1.0, np.nan, 3.0]), GRAF: np.array([7.0, 8.0, 9.0])})
    return table


def test_leaves_alone_score_programs_without_a_reduction() -> None:
    table = learned()
    assert table.units is None
    assert table.leaves == [MEASURE, GRAF]
    assert [flags.tolist() for flags in table.finite([GRAF, MEASURE])] == [[True] * 3, [True, False, True]]
    scores = table.scores([GRAF, parse("mul(measure.synflow, graf.n)")])
    assert np.nan_to_num(scores, nan=-1).tolist() == [[7.0, 8.0, 9.0], [7.0, -1.0, 27.0]]


def test_reductions_learned_later_bring_an_order_of_their_own() -> None:
    table = learned()
    program = parse("add(sum(sum(weight)), graf.n)")
    before = table.scores([GRAF])
    table.learn([SIZE], [Vectors(2, np.array([[1.0, 2.0]])), Vectors(0, np.empty((1, 0))), Vectors(1, np.ones((1, 1)))])
    assert table.units == [2, 0, 1]
    scores = table.scores([program, GRAF])
    assert np.nan_to_num(scores, nan=-1).tolist() == [[10.0, -1.0, 10.0], before[0].tolist()]


def test_a_leaf_can_be_learned_anew_and_forgotten() -> None:
    table = learned()
    program = parse("neg(graf.n)")
    assert table.scores([program]).tolist() == [[-7.0, -8.0, -9.0]]
    table.learn_leaves({GRAF: np.array([1.0, 2.0, 3.0])})
    assert table.scores([program]).tolist() == [[-1.0, -2.0, -3.0]]
    table.forget([GRAF])
    assert table.leaves == [MEASURE]
    with pytest.raises(KeyError, match=r"leaves must hold the values of graf\.n"):
        table.scores([program])
