from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from eznas import ranking
from eznas.ranking import TauTarget, correlate, dense_ranks

few = st.integers(-4, 4).map(float)  # few values: many ties


def test_tau_of_a_hand_computed_order() -> None:
    # Pairs: 5 concordant, 1 discordant of 6, no ties.
    found = correlate(np.array([1.0, 2.0, 4.0, 3.0]), np.array([10.0, 20.0, 30.0, 40.0]))
    assert found.tau == pytest.approx(4 / 6)
    assert found.rho == pytest.approx(0.8)  # 1 - 6 * (1 + 1) / (4 * 15)
    assert found.n == 4


def test_tau_b_of_hand_computed_ties() -> None:
    # Scores tie in one of three pairs; the others agree: 2 / sqrt(3 * 2).
    target = TauTarget(np.array([1.0, 2.0, 3.0]))
    assert target.taus(np.array([[1.0, 1.0, 2.0]]))[0] == pytest.approx(2 / np.sqrt(6))


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 12).flatmap(lambda n: st.tuples(*[st.lists(few, min_size=n, max_size=n)] * 2)))
def test_tau_equals_scipy(pair: tuple[list[float], list[float]]) -> None:
    scores, accuracies = map(np.array, pair)
    got = TauTarget(accuracies).taus(scores[None])[0]
    want = np.nan
    if np.ptp(scores) and np.ptp(accuracies):
        want = stats.kendalltau(scores, accuracies).statistic
    assert got == pytest.approx(want, nan_ok=True)


def test_a_row_that_is_not_finite_or_constant_has_no_tau() -> None:
    taus = TauTarget(np.array([1.0, 2.0, 3.0])).taus(
        np.array([[1.0, np.nan, 2.0], [np.inf, 1.0, 2.0], [5.0, 5.0, 5.0], [1.0, 2.0, 3.0]])
    )
    assert np.isnan(taus[:3]).all()
    assert taus[3] == 1.0


def test_dense_ranks_are_places_among_distinct_values() -> None:
    ranks = dense_ranks(np.array([[3.5, -1.0, 3.5, 0.0], [2.0, 2.0, 2.0, 2.0], [0.0, -0.0, 1e-300, -5.0]]))
    assert ranks.tolist() == [[2, 0, 2, 1], [0, 0, 0, 0], [1, 1, 2, 0]]
    assert dense_ranks(np.empty((2, 0))).shape == (2, 0)


def test_correlations_are_undefined_for_constants_and_single_networks() -> None:
    for scores, accuracies in (([1.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [3.0, 3.0]), ([1.0], [1.0]), ([], [])):
        found = correlate(np.array(scores), np.array(accuracies))
        assert np.isnan([found.tau, found.tau_low, found.tau_high, found.rho, found.pearson]).all()


def test_huge_scores_do_not_overflow_pearson() -> None:
    found = correlate(np.array([1e300, 2e300, 3e300]), np.array([1.0, 2.0, 3.0]))
    assert found.pearson == pytest.approx(1.0)


def test_the_interval_holds_the_estimate_and_repeats() -> None:
    rng = np.random.default_rng(0)
    accuracies = rng.normal(size=80)
    scores = accuracies + rng.normal(size=80)
    first, second = correlate(scores, accuracies, seed=3), correlate(scores, accuracies, seed=3)
    assert first == second
    assert first.tau_low < first.tau < first.tau_high


@pytest.mark.parametrize("scores", [[1.0, np.nan], [1.0, 2.0, 3.0]])
def test_values_that_are_not_finite_or_do_not_match_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="scores and accuracies must be"):
        correlate(np.array(scores), np.array([1.0, 2.0]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 300), st.integers(1, 400), st.integers(1, 400))
def test_tau_of_many_rows_equals_scipy(seed: int, n: int, values: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    accuracies = rng.integers(0, levels, n).astype(float)
    scores = rng.integers(0, values, (3, n)) + accuracies * rng.choice([0, 1])
    for row, got in zip(scores, TauTarget(accuracies).taus(scores.astype(float)), strict=True):
        varied = np.ptp(row) and np.ptp(accuracies)
        want = stats.kendalltau(row, accuracies).statistic if varied else np.nan
        assert got == pytest.approx(want, nan_ok=True, abs=1e-12)


@pytest.mark.parametrize("n", [100, 127, 128, 700, 3000])
def test_tau_of_scores_that_differ_in_the_last_bits_alone(n: int) -> None:
    rng = np.random.default_rng(n)
    accuracies = rng.normal(size=n)
    steps = np.finfo(float).eps * rng.integers(-3, 4, n)
    rows = np.stack([1 + steps, -1 - steps, np.where(steps > 0, 0.0, -0.0) + 1e-300 * rng.integers(-2, 3, n)])
    for row, got, ranks in zip(rows, TauTarget(accuracies).taus(rows), dense_ranks(rows), strict=True):
        assert got == pytest.approx(stats.kendalltau(row, accuracies).statistic, abs=1e-12)
        assert ranks.tolist() == np.unique(row, return_inverse=True)[1].tolist()


def test_tau_of_more_rows_than_are_compared_at_once() -> None:
    rng = np.random.default_rng(0)
    accuracies, scores = rng.normal(size=200), rng.normal(size=(100, 200))
    target = TauTarget(accuracies)
    whole = target.taus(scores)
    assert whole.tolist() == [target.taus(row[None])[0] for row in scores]


@pytest.mark.parametrize("values", [3, 1000])
def test_both_bootstraps_give_the_same_taus(values: int) -> None:
    rng = np.random.default_rng(1)
    scores, accuracies = rng.integers(0, values, (2, 30)).astype(float)
    drawn = rng.integers(0, 30, (40, 30))
    drawn[0] = 7  # one architecture alone has no tau
    by_pairs = ranking._taus_by_pairs(scores, accuracies, drawn)
    np.testing.assert_allclose(by_pairs, ranking._taus_by_sorting(scores, accuracies, drawn), atol=1e-12)
    assert np.isnan(by_pairs[0])
