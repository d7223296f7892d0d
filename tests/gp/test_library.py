from __future__ import annotations

import random

import numpy as np
import pytest

from eznas.gp.fitness import FitnessCase, FitnessEvaluator
from eznas.gp.library import Library
from eznas.minibatch import load_minibatch
from eznas.primitives import Kind
from eznas.programs import Node, parse
from eznas.scoring import Condition, Panel
from eznas.spaces import SPACES, Fidelity

ARCHITECTURES = tuple("|{}~0|+|none~0|none~1|+|{}~0|none~1|none~2|".format(*pair) for pair in (
    ("nor_conv_1x1", "none"), ("nor_conv_1x1", "nor_conv_1x1"), ("nor_conv_1x1", "nor_conv_3x3"),
    ("nor_conv_3x3", "nor_conv_3x3"),
))  # fmt: skip


@pytest.fixture
def screening() -> FitnessEvaluator:
    """Four networks, better with more weights."""
    minibatch = load_minibatch("digits", 4, pixels=8)
    condition = Condition.of("nasbench201", Fidelity("full", cells=1, channels=4, pixels=8), 0, minibatch, "cpu")
    return FitnessEvaluator([FitnessCase(Panel(condition, ARCHITECTURES), np.arange(4.0), np.ones(4, bool))])


def unit(text: str) -> Node:
    return parse(text, Kind.UNIT)


def test_screening_returns_the_best_first_and_one_of_equal_ones(screening: FitnessEvaluator) -> None:
    assert set(ARCHITECTURES) <= set(SPACES["nasbench201"].architectures() or ())
    library = Library(FitnessEvaluator([]), 9)
    good, twin, poor, undefined = map(
        unit, ("numel(weight)", "numel(weight_grad.data)", "mean(image.data)", "mean(reciprocal(zeros_like(weight)))")
    )
    chosen = library.screen(screening, [undefined, poor, twin, good], 3)
    assert chosen[0] == good
    assert undefined not in chosen
    assert twin not in chosen
    assert set(library.state()["tried"]) == {node.text for node in (undefined, poor, twin, good) if node not in chosen}
    assert not library.entries


def test_screening_returns_the_first_where_none_ranks_the_networks(screening: FitnessEvaluator) -> None:
    library = Library(FitnessEvaluator([]), 9)
    nobody = [unit("mean(reciprocal(zeros_like(weight)))"), unit("max(reciprocal(zeros_like(norm_out.data)))")]
    assert library.screen(screening, nobody, 1) == nobody[:1]
    assert set(library.state()["tried"]) == {nobody[1].text}


def test_what_is_given_is_not_proposed_again() -> None:
    library = Library(FitnessEvaluator([]), 9)
    parent = unit("effective_rank(weight_grad.data)")
    assert parent not in library.propose(random.Random(0), 50, [parent])
