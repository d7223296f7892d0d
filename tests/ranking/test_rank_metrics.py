from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import ndcg_score

from eznas.rank_metrics import ndcg, precision_at_top, tau_equal_size

few = st.integers(-3, 3).map(float)  # few values: many ties


def columns(least: int, most: int, count: int = 2) -> st.SearchStrategy[tuple[list[float], ...]]:
    return st.integers(least, most).flatmap(lambda n: st.tuples(*[st.lists(few, min_size=n, max_size=n)] * count))


def test_only_pairs_of_equal_size_count() -> None:
    sizes = np.array([100.0, 110.0, 111.0, 500.0])
    accuracies = np.array([1.0, 2.0, 3.0, 0.0])
    # Pairs: 100 and 110 (concordant), 110 and 111 (discordant). 100 and 111 differ by 11 %.
    assert tau_equal_size(np.array([1.0, 5.0, 4.0, 9.0]), accuracies, sizes) == 0.0
    assert tau_equal_size(np.array([1.0, 5.0, 6.0, 9.0]), accuracies, sizes) == 1.0
    assert tau_equal_size(np.array([1.0, 5.0, 4.0, 9.0]), accuracies, sizes, tolerance=0.11) == pytest.approx(1 / 3)


def test_ties_scale_the_tau_of_equal_sizes() -> None:
    # One of three pairs is tied in score, the others agree: 2 / sqrt(2 * 3).
    found = tau_equal_size(np.array([1.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]), np.ones(3))
    assert found == pytest.approx(2 / math.sqrt(6))


def test_there_is_no_tau_without_a_pair() -> None:
    assert math.isnan(tau_equal_size(np.arange(2.0), np.arange(2.0), np.array([1.0, 2.0])))
    assert math.isnan(tau_equal_size(np.arange(2.0), np.arange(2.0), np.array([1.0, np.nan])))
    assert math.isnan(tau_equal_size(np.ones(2), np.arange(2.0), np.ones(2)))
    assert math.isnan(tau_equal_size(np.empty(0), np.empty(0), np.empty(0)))


@settings(max_examples=100, deadline=None)
@given(columns(2, 9), st.lists(st.sampled_from([1.0, 1.05, 1.1, 1.2, 1.3, math.nan]), min_size=9, max_size=9))
def test_the_tau_of_equal_sizes_equals_a_loop_over_pairs(pair: tuple[list[float], ...], drawn: list[float]) -> None:
    scores, accuracies = map(np.array, pair)
    sizes = np.array(drawn[: len(scores)])
    signs = [
        (np.sign(scores[i] - scores[j]), np.sign(accuracies[i] - accuracies[j]))
        for i, j in itertools.combinations(range(len(scores)), 2)
        if np.maximum(sizes[i], sizes[j]) <= 1.1 * np.minimum(sizes[i], sizes[j])  # never of NaN
    ]
    scale = math.sqrt(sum(a != 0 for a, _ in signs) * sum(b != 0 for _, b in signs))
    want = sum(a * b for a, b in signs) / scale if scale else math.nan
    assert tau_equal_size(scores, accuracies, sizes) == pytest.approx(want, nan_ok=True)


def test_equal_sizes_alone_give_tau_b() -> None:
    rng = np.random.default_rng(0)
    scores, accuracies = rng.integers(0, 9, (2, 40)).astype(float)
    want = stats.kendalltau(scores, accuracies).statistic
    assert tau_equal_size(scores, accuracies, np.full(40, 7.0)) == pytest.approx(want)


def test_precision_of_the_top_by_hand() -> None:
    accuracies = np.arange(20.0)  # the top two are the last two
    scores = accuracies.copy()
    scores[[0, 18]] = [18, 0]
    assert precision_at_top(scores, accuracies) == 0.5
    scores[0] = 19.0  # tied with the last one; both are in the group
    assert precision_at_top(scores, accuracies) == 0.5
    scores[5] = 19.0  # three for two places, of which one is right: 2 * 1/3 of 2
    assert precision_at_top(scores, accuracies) == pytest.approx(1 / 3)


def test_the_size_of_the_top_is_rounded_up() -> None:
    accuracies = np.arange(11.0)
    assert precision_at_top(np.roll(accuracies, 1), accuracies) == 0.5  # 2 of 11: best scores at 0 and 10
    assert precision_at_top(np.arange(30.0), np.arange(30.0)[::-1]) == 0.0


@settings(max_examples=60, deadline=None)
@given(columns(2, 6), st.sampled_from([0.1, 0.34, 0.5]))
def test_precision_equals_the_mean_over_orders_of_ties(pair: tuple[list[float], ...], share: float) -> None:
    scores, accuracies = map(np.array, pair)
    found = precision_at_top(scores, accuracies, share=share)
    if not np.ptp(scores) or not np.ptp(accuracies):
        assert math.isnan(found)
        return
    count = math.ceil(share * len(scores))
    accurate = accuracies >= sorted(accuracies)[-count]
    precisions = [
        accurate[list(order[:count])].mean()
        for order in itertools.permutations(range(len(scores)))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    assert found == pytest.approx(np.mean(precisions))


def test_ndcg_by_hand() -> None:
    # Gains in the order of the scores: 0.5, 1, 0. Ideal: 1, 0.5, 0.
    found = ndcg(np.array([3.0, 2.0, 1.0]), np.array([80.0, 90.0, 70.0]))
    assert found == pytest.approx((0.5 + 1 / math.log2(3)) / (1 + 0.5 / math.log2(3)))


@settings(max_examples=100, deadline=None)
@given(columns(2, 12))
def test_ndcg_equals_scikit_learn(pair: tuple[list[float], ...]) -> None:
    scores, accuracies = map(np.array, pair)
    found = ndcg(scores, accuracies)
    if not np.ptp(scores) or not np.ptp(accuracies):
        assert math.isnan(found)
        return
    gains = (accuracies - accuracies.min()) / np.ptp(accuracies)
    assert found == pytest.approx(ndcg_score(gains[None], scores[None]))


@given(columns(2, 12))
def test_metrics_do_not_depend_on_the_order_of_the_networks(pair: tuple[list[float], ...]) -> None:
    scores, accuracies = map(np.array, pair)
    for metric in (ndcg, precision_at_top):
        assert metric(scores, accuracies) == pytest.approx(metric(scores[::-1], accuracies[::-1]), nan_ok=True)


def test_one_network_has_no_metrics() -> None:
    assert math.isnan(ndcg(np.ones(1), np.ones(1)))
    assert math.isnan(precision_at_top(np.ones(1), np.ones(1)))
