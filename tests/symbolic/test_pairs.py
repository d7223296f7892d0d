from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau, somersd

from eznas.symbolic.evaluation import task_ranks
from eznas.symbolic.pairs import PairTaus


@st.composite
def compared(draw: st.DrawFn) -> tuple[list[np.ndarray], np.ndarray]:
    """Draw the accuracies of up to three tasks, with ties, and the scores of up to four programs."""
    sizes = draw(st.lists(st.integers(2, 12), min_size=1, max_size=3))
    numbers = st.integers(-3, 3)
    accuracies = [
        np.array(draw(st.lists(numbers, min_size=size, max_size=size).filter(lambda values: len({*values}) > 1)), float)
        for size in sizes
    ]
    row = st.lists(numbers, min_size=sum(sizes), max_size=sum(sizes))
    return accuracies, np.array(draw(st.lists(row, min_size=1, max_size=4)), float)


def by_scipy(accuracies: list[np.ndarray], scores: np.ndarray) -> np.ndarray:
    ends = np.cumsum([len(task) for task in accuracies])[:-1]
    return np.array(
        [
            [
                kendalltau(own, task).statistic if np.ptp(own) else np.nan
                for own, task in zip(np.split(row, ends), accuracies, strict=True)
            ]
            for row in scores
        ]
    )


@given(compared())
@settings(max_examples=200, deadline=None)
def test_taus_are_those_of_scipy(case: tuple[list[np.ndarray], np.ndarray]) -> None:
    accuracies, scores = case
    pairs = PairTaus(accuracies)
    wanted = by_scipy(accuracies, scores)
    np.testing.assert_allclose(pairs.taus(scores), wanted, atol=1e-12)
    np.testing.assert_allclose(pairs.taus_of_ranks(task_ranks(scores, pairs.counts)), wanted, atol=1e-12)


@given(compared())
@settings(max_examples=100, deadline=None)
def test_somers_d_is_that_of_scipy(case: tuple[list[np.ndarray], np.ndarray]) -> None:
    accuracies, scores = case
    pairs = PairTaus(accuracies, somers=True)
    ends = np.cumsum(pairs.counts)[:-1]
    with np.errstate(invalid="ignore"):  # of the p-value, which is not looked at
        wanted = [
            [
                somersd(task, own).statistic if np.ptp(own) else np.nan
                for own, task in zip(np.split(row, ends), accuracies, strict=True)
            ]
            for row in scores
        ]
    np.testing.assert_allclose(pairs.taus(scores), wanted, atol=1e-12)
    np.testing.assert_allclose(pairs.taus_of_ranks(task_ranks(scores, pairs.counts)), wanted, atol=1e-12)


def test_equal_scores_gain_in_tau_b_alone() -> None:
    """Of four architectures, the two in the middle are ordered wrongly, or not at all."""
    accuracies, scores = [np.array([1.0, 2.0, 3.0, 4.0])], np.array([[1.0, 3.0, 2.0, 4.0], [1.0, 2.0, 2.0, 4.0]])
    np.testing.assert_allclose(PairTaus(accuracies).taus(scores)[:, 0], [4 / 6, 5 / np.sqrt(30)])
    np.testing.assert_allclose(PairTaus(accuracies, somers=True).taus(scores)[:, 0], [4 / 6, 5 / 6])


@pytest.mark.parametrize("ties", [7, 10**6])
def test_taus_of_many_architectures_are_those_of_scipy(ties: int) -> None:
    """More than 127 comparisons of an architecture, which 8 bits do not count, and more programs than one chunk."""
    rng = np.random.default_rng(0)
    accuracies = [rng.integers(0, ties, size).astype(float) for size in (300, 40)]
    scores = rng.integers(0, ties, (400, 340)).astype(float)
    scores[3] = np.concatenate(accuracies)
    scores[4] = -scores[3]
    pairs = PairTaus(accuracies)
    taus = pairs.taus(scores)
    np.testing.assert_allclose(taus[:20], by_scipy(accuracies, scores[:20]), atol=1e-12)
    np.testing.assert_allclose(pairs.taus_of_ranks(task_ranks(scores, pairs.counts)), taus, atol=1e-12)
    np.testing.assert_allclose(taus[3:5], [[1, 1], [-1, -1]])


@given(compared())
@settings(max_examples=50, deadline=None)
def test_relative_taus_are_differences_to_the_best_trivial_proxy(case: tuple[list[np.ndarray], np.ndarray]) -> None:
    accuracies, scores = case
    trivial = np.nan_to_num(PairTaus(accuracies).taus(scores[:2]), nan=0.0).max(axis=0)
    relative = PairTaus(accuracies, relative_to=scores[:2])
    wanted = PairTaus(accuracies).taus(scores) - trivial
    np.testing.assert_allclose(relative.taus(scores), wanted)
    np.testing.assert_allclose(relative.taus_of_ranks(task_ranks(scores, relative.counts)), wanted)
