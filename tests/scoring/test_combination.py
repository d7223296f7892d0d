from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau

from eznas.errors import InputError
from eznas.measures import MEASURES
from eznas.scoring.combination import COMBINATIONS, METHODS, Combination
from eznas.status import Score

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = np.array([[1.0, 5, 3], [10, 20, 40], [3, 2, 1]])


def combination(method: str, weights: tuple[float, ...] | None = None) -> Combination:
    return Combination("test", method, ("snip", "synflow", "ntk_condition"), (1, 1, -1), weights)


def test_ranks_by_hand() -> None:
    # ranks 1 3 2, 1 2 3, and 1 2 3 of the negative
    assert combination("rank").scores(VALUES).tolist() == [3, 7, 8]
    assert combination("rank", (2, 0, 1)).scores(VALUES).tolist() == [3, 8, 7]
    expected = [math.log(1 / 27), math.log(12 / 27), math.log(18 / 27)]
    assert combination("log_rank").scores(VALUES) == pytest.approx(expected)


def test_scaled_sums_by_hand() -> None:
    expected = [0, 0.6 + 0.4 / 3 + 0.5, 0.3 + 0.4 + 1]
    assert combination("min_max", (0.6, 0.4, 1)).scores(VALUES) == pytest.approx(expected)


def test_constant_measures_add_nothing_or_their_distance_from_a_given_range() -> None:
    values = np.array([[2.0, 2], [5, 5]])
    two = Combination("test", "min_max", ("snip", "synflow"), (1, 1))
    assert two.scores(values).tolist() == [0, 0]
    assert replace(two, ranges=((2, 2), (1, 9))).scores(values + 3).tolist() == [3 + 7 / 8] * 2


def test_votes_by_hand() -> None:
    # the first loses all; two of three say that the third beats the second
    assert combination("vote").scores(VALUES).tolist() == [0, 0.5, 1]
    assert combination("vote", (3, 1, 1)).scores(VALUES).tolist() == [0, 1, 0.5]


def test_equal_values_share_ranks_and_votes() -> None:
    same = np.ones((3, 2))
    assert combination("rank").scores(same).tolist() == [4.5, 4.5]
    assert combination("vote").scores(same).tolist() == [0.5, 0.5]
    assert combination("min_max").scores(same).tolist() == [0, 0]


@pytest.mark.parametrize("method", METHODS)
def test_an_undefined_network_has_no_score_and_changes_no_other(method: str) -> None:
    wider = np.insert(VALUES, 1, [math.nan, 100, -100], axis=1)
    found = combination(method).scores(wider)
    assert math.isnan(found[1])
    assert np.delete(found, 1).tolist() == combination(method).scores(VALUES).tolist()
    assert np.isnan(combination(method).scores(np.full((3, 2), np.nan))).all()


@pytest.mark.parametrize("method", ["vote", "rank", "log_rank"])
@given(st.lists(st.integers(-50, 50), min_size=12, max_size=12))
@settings(max_examples=20, deadline=None)
def test_ranks_do_not_depend_on_the_scale(method: str, numbers: list[int]) -> None:
    values = np.array(numbers, dtype=np.float64).reshape(3, 4)
    stretched = np.sign(values) * np.abs(values) ** 3
    assert combination(method).scores(values).tolist() == combination(method).scores(stretched).tolist()


@pytest.mark.parametrize("method", ["rank", "log_rank", "min_max"])
def test_fitted_weights_find_the_measure_that_matters(method: str) -> None:
    random = np.random.default_rng(0)
    accuracies = random.normal(size=200)
    values = np.stack([random.normal(size=200), accuracies + random.normal(size=200) / 4, accuracies])
    training, other = slice(100), slice(100, 200)
    fitted = combination(method).fitted(values[:, training], accuracies[training])
    assert fitted.weights is not None
    assert sum(fitted.weights) == pytest.approx(1)
    assert fitted.weights[1] > 0.9
    assert fitted.weights[2] == 0  # it falls with the accuracy
    before = kendalltau(combination(method).scores(values[:, other]), accuracies[other]).statistic
    assert kendalltau(fitted.scores(values[:, other]), accuracies[other]).statistic > before + 0.2


def test_fitted_ranges_are_those_of_the_training_networks() -> None:
    fitted = combination("min_max").fitted(VALUES, np.array([1.0, 2, 3]))
    assert list(fitted.ranges or ()) == [(1, 5), (10, 40), (-3, -1)]
    one = fitted.scores(VALUES[:, 1:2])
    assert one.tolist() == fitted.scores(VALUES)[1:2].tolist()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: combination("median"), "method must be one of"),
        (lambda: combination("rank", (1, 2)), "weights must have one entry for each of 3 measures; got 2"),
        (lambda: combination("rank", (1, 2, -1)), "weights must be at least 0"),
        (lambda: combination("rank", (0, 0, 0)), "not all be 0"),
        (lambda: combination("rank").scores(VALUES[:2]), "values must be 3 measures x networks"),
        (lambda: combination("vote").fitted(VALUES, np.ones(3)), "cannot be fitted"),
        (lambda: combination("rank").fitted(VALUES[:, :2], np.ones(2)), "at least three training networks; got 2"),
        (lambda: combination("rank").fitted(-VALUES, np.array([1.0, 2, 3])), "must increase with the accuracy"),
    ],
)
def test_invalid_combinations_raise(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_published_combinations_read_registered_measures() -> None:
    assert set(COMBINATIONS) == {"vote", "te_nas", "az_nas", "naswot_synflow"}
    for one in COMBINATIONS.values():
        assert [MEASURES[name].direction for name in one.measures] == list(one.directions)


def test_scores_of_networks_are_combined() -> None:
    scores = [{"naswot": Score(float(one)), "synflow": Score(2.0 * one), "other": Score(0.0)} for one in range(3)]
    assert COMBINATIONS["naswot_synflow"].of(scores).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "vote(synflow, jacob_cov,snip)",
            Combination("", "vote", ("synflow", "jacob_cov", "snip"), (1, 1, 1), (1, 1, 1)),
        ),
        (
            " min_max( 0.6*naswot,-.4 * synflow ) ",
            Combination("", "min_max", ("naswot", "synflow"), (1, -1), (0.6, 0.4)),
        ),
        (
            "rank(mul(sum(mean(weight)), sum(mean(weight))), -params)",
            Combination("", "rank", ("mul(sum(mean(weight)), sum(mean(weight)))", "params"), (1, -1), (1, 1)),
        ),
    ],
)
def test_combinations_are_read_as_they_are_written(text: str, expected: Combination) -> None:
    found = Combination.parse(text)
    assert found == replace(expected, name=text)
    assert found is not None
    again = Combination.parse(str(found))
    assert again == replace(found, name=str(found))


def test_fitted_weights_are_written_in_full() -> None:
    weights = (1 / 3, 2 / 3, 1e-5 / 3, 1.0, 2.0)
    measures = ("naswot", "synflow", "params", "flops", "snip")
    found = Combination("fitted", "min_max", measures, (1, 1, 1, -1, 1), weights)
    again = Combination.parse(str(found))
    assert again is not None
    assert again.weights == weights


def test_other_texts_are_no_combinations() -> None:
    assert Combination.parse("synflow") is None
    assert Combination.parse("sum(mean(abs(norm_out.noise)))") is None
    assert Combination.parse("az_nas") is COMBINATIONS["az_nas"]
    assert str(COMBINATIONS["te_nas"]) == "rank(-ntk_condition, linear_regions)"
    for text in ("vote()", "vote(synflow,,snip)", "rank(0*synflow)"):
        with pytest.raises(InputError, match=r"must be written like vote|weights must be"):
            Combination.parse(text)


def test_many_networks_vote_in_parts() -> None:
    values = np.stack([np.arange(600.0), np.arange(600.0)])
    two = Combination("two", "vote", ("snip", "synflow"), (1, 1))
    assert two.scores(values) == pytest.approx(np.arange(600) / 599)
