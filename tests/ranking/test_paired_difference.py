from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from eznas.ranking import correlate, paired_difference
from eznas.seeds import numpy_rng


def test_the_difference_of_hand_computed_taus() -> None:
    # Pairs: 4 - 2 of 6 and 6 of 6; nothing can be said about an interval from four architectures.
    found = paired_difference(
        np.array([2.0, 1.0, 4.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0]), np.array([10.0, 20.0, 30.0, 40.0])
    )
    assert (found.first, found.second, found.n) == (pytest.approx(2 / 6), 1.0, 4)
    assert found.difference == pytest.approx(-4 / 6)
    assert np.isnan([found.low, found.high]).all()


@settings(max_examples=30, deadline=None)
@given(
    st.integers(5, 12).flatmap(
        lambda n: st.tuples(*[st.lists(st.integers(-4, 4).map(float), min_size=n, max_size=n)] * 3)
    ),
    st.integers(0, 3),
)
def test_the_interval_equals_a_loop_over_resamples(columns: tuple[list[float], ...], seed: int) -> None:
    first, second, accuracies = map(np.array, columns)
    n = len(first)
    found = paired_difference(first, second, accuracies, seed=seed, resamples=40)
    if 0 in (np.ptp(first), np.ptp(second), np.ptp(accuracies)):
        assert np.isnan([found.difference, found.low, found.high]).all()
        return
    differences = []
    for row in numpy_rng(seed, "bootstrap").integers(0, n, (40, n)):
        a, b, accuracy = first[row], second[row], accuracies[row]
        if np.ptp(a) and np.ptp(b) and np.ptp(accuracy):
            differences.append(stats.kendalltau(a, accuracy).statistic - stats.kendalltau(b, accuracy).statistic)
    want = np.percentile(differences, [2.5, 97.5]) if differences else [np.nan, np.nan]
    assert [found.low, found.high] == pytest.approx(list(want), nan_ok=True, abs=1e-6)


def test_swapping_the_proxies_negates_the_interval() -> None:
    rng = np.random.default_rng(1)
    accuracies = rng.normal(size=60)
    first, second = (accuracies + scale * rng.normal(size=60) for scale in (0.5, 1.5))
    found, swapped = paired_difference(first, second, accuracies), paired_difference(second, first, accuracies)
    assert (found.difference, found.low) == (-swapped.difference, pytest.approx(-swapped.high))
    assert 0 < found.low < found.difference < found.high


def test_a_proxy_does_not_differ_from_an_increasing_function_of_it() -> None:
    rng = np.random.default_rng(2)
    scores, accuracies = rng.normal(size=(2, 30))
    found = paired_difference(scores, np.exp(scores), accuracies)
    assert (found.difference, found.low, found.high) == (0.0, 0.0, 0.0)


def test_paired_intervals_are_narrower_than_those_of_the_taus() -> None:
    rng = np.random.default_rng(3)
    accuracies = rng.normal(size=80)
    first = accuracies + rng.normal(size=80)
    second = first + 0.1 * rng.normal(size=80)
    found, alone = paired_difference(first, second, accuracies), correlate(first, accuracies)
    assert found.high - found.low < (alone.tau_high - alone.tau_low) / 3


def test_many_architectures_are_sorted(monkeypatch: pytest.MonkeyPatch) -> None:
    from eznas import ranking

    rng = np.random.default_rng(4)
    first, second, accuracies = rng.normal(size=(3, 20))
    by_pairs = paired_difference(first, second, accuracies, resamples=50)
    monkeypatch.setattr(ranking, "_PAIRS", 10)
    by_sorting = paired_difference(first, second, accuracies, resamples=50)
    assert (by_pairs.low, by_pairs.high) == pytest.approx((by_sorting.low, by_sorting.high), abs=1e-6)


def test_the_other_tau_is_known_where_one_is_not() -> None:
    accuracies = np.arange(6.0)
    found = paired_difference(np.ones(6), accuracies, accuracies)
    assert np.isnan([found.difference, found.low, found.first]).all()
    assert found.second == pytest.approx(1.0)


@pytest.mark.parametrize("second", [[1.0, np.nan, 2.0], [1.0, 2.0]])
def test_values_that_are_not_finite_or_do_not_match_are_refused(second: list[float]) -> None:
    with pytest.raises(ValueError, match="scores and accuracies must be"):
        paired_difference(np.arange(3.0), np.array(second), np.arange(3.0))
