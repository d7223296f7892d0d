"""Random search with cross-validation, its ranges, OMNI, and measures as predictors."""

# ruff: noqa: ARG002

from __future__ import annotations

import math
import random
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from eznas.errors import InputError
from eznas.measures import MEASURES
from eznas.predictors import PREDICTORS, Curves, Predictor, make_predictor
from eznas.predictors.protocol import Prediction
from eznas.predictors.ranges import Choice, Span, draw_settings
from eznas.predictors.tuned import TunedPredictor
from eznas.spaces import SPACES
from eznas.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CELLS = list(SPACES["nasbench201"].architectures() or [])[:60]
ACCURACIES = np.array([90.0 + cell.count("3x3~") - cell.count("none") for cell in CELLS])
TRUTH = dict(zip(CELLS, ACCURACIES, strict=True))


class Scaled(Predictor):
    """Predicts ``factor`` times the accuracy; a factor of 0 fails, and None is constant."""

    def __init__(self, factor: float | None = -1.0) -> None:
        self.factor = factor

    def _fit(self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int) -> None:
        if self.factor == 0:
            raise ZeroDivisionError

    def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
        return Prediction.of(np.array([(self.factor or 0) * TRUTH[one] for one in architectures]))

    def score(self, *_: object) -> float:
        """Less is better, as in NGBoost up to 0.5.8; a search must not depend on it."""
        return -(self.factor or 0)


def tuned(*factors: float | None, draws: int = 12) -> TunedPredictor:
    return TunedPredictor("scaled", lambda settings: Scaled(**settings), {"factor": Choice(factors)}, draws)


def test_the_best_tau_is_chosen_whatever_the_sign_of_score() -> None:
    predictor = tuned(-2.0, 1.0, -3.0)
    assert predictor.fit(CELLS, ACCURACIES) is Status.OK
    assert predictor.settings == {"factor": 1.0}
    assert predictor.predict(CELLS[:2]).mean == pytest.approx(ACCURACIES[:2])


def test_the_first_draw_is_that_of_the_defaults() -> None:
    predictor = tuned(1.0, draws=1)
    predictor.fit(CELLS, ACCURACIES)
    assert predictor.settings == {}
    equal = tuned(-2.0)
    equal.fit(CELLS, ACCURACIES)
    assert equal.settings == {}  # of equal scores the first


def test_failures_and_constants_have_no_score() -> None:
    """They do not count as a tau of 0, which would beat the defaults' tau of -1."""
    for factors in ((0.0,), (None,), (0.0, None)):
        predictor = tuned(*factors)
        predictor.fit(CELLS, ACCURACIES)
        assert predictor.settings == {}


def test_few_architectures_have_the_defaults() -> None:
    predictor = tuned(1.0)
    predictor.fit(CELLS[:9], ACCURACIES[:9])
    assert predictor.settings == {}
    predictor.fit(CELLS[:20], ACCURACIES[:20])
    assert predictor.settings == {"factor": 1.0}


def test_a_search_is_seeded_and_its_fit_is_that_of_the_settings() -> None:
    made = [make_predictor("random_forest", "nasbench201", tune=4, n_estimators=10) for _ in range(2)]
    for predictor in made:
        predictor.fit(CELLS, ACCURACIES, seed=5)
    first: Any = made[0]
    again = made[1].predict(CELLS).mean
    assert np.array_equal(first.predict(CELLS).mean, again)
    plain = make_predictor("random_forest", "nasbench201", n_estimators=10, **first.settings)
    plain.fit(CELLS, ACCURACIES, seed=5)
    assert np.array_equal(plain.predict(CELLS).mean, again)


def test_given_settings_are_not_drawn() -> None:
    predictor: Any = make_predictor("random_forest", "nasbench201", tune=3, n_estimators=3)
    assert "n_estimators" not in predictor._ranges
    predictor.fit(CELLS, ACCURACIES)
    assert len(predictor._predictor.regressor.estimators_) == 3


def test_nothing_is_searched_where_every_setting_is_given() -> None:
    predictor = TunedPredictor("scaled", lambda settings: Scaled(**settings), {}, 3)
    predictor.fit(CELLS, ACCURACIES)
    assert predictor.settings == {}


def test_a_predictor_without_ranges_is_not_tuned() -> None:
    with pytest.raises(InputError, match="bayesian_ridge must have ranges"):
        make_predictor("bayesian_ridge", "nasbench201", tune=3)
    with pytest.raises(InputError, match="draws must be 1 or more"):
        tuned(1.0, draws=0)


def test_a_failed_last_fit_is_a_status() -> None:
    class Failing(Scaled):
        def _fit(
            self, architectures: list[str], accuracies: NDArray[np.float64], curves: Curves | None, seed: int
        ) -> None:
            raise ValueError("no pivot")

    predictor = TunedPredictor("failing", lambda _: Failing(), {"factor": Choice((1.0,))}, 2)
    assert predictor.fit(CELLS, ACCURACIES) is Status.EXCEPTION
    assert "no pivot" in predictor.detail


def test_a_bug_is_no_failure_of_a_library() -> None:
    class Wrong(Scaled):
        def _predict(self, architectures: list[str], curves: Curves | None) -> Prediction:
            return self.absent  # type: ignore[attr-defined,no-any-return]

    predictor = Wrong()
    predictor.fit(CELLS, ACCURACIES)
    with pytest.raises(AttributeError):
        predictor.predict(CELLS)


def test_spans_hold_their_draws() -> None:
    rng = random.Random(0)
    whole = [Span(2, 5, whole=True).draw(rng) for _ in range(200)]
    assert {*whole} == {2, 3, 4, 5}
    logarithmic = [float(Span(1e-3, 10, log=True).draw(rng)) for _ in range(400)]
    assert all(1e-3 <= value <= 10 for value in logarithmic)
    assert np.median(logarithmic) == pytest.approx(0.1, rel=0.5)
    assert {Span(16, 17, log=True, whole=True).draw(rng) for _ in range(100)} == {16, 17}
    for wrong in ((2.0, 1.0, False), (0.0, 1.0, True)):
        with pytest.raises(InputError, match="must ascend"):
            Span(wrong[0], wrong[1], log=wrong[2])


@pytest.mark.parametrize("name", [name for name, info in PREDICTORS.items() if info.ranges])
def test_every_range_is_of_a_setting(name: str) -> None:
    extra = PREDICTORS[name].extra
    if extra and find_spec(extra) is None:
        pytest.skip(f"the optional package {extra} is not installed")
    drawn = draw_settings(PREDICTORS[name].ranges, random.Random(1))
    make_predictor(name, "nasbench201", scores=SCORES, **drawn)


def test_published_ranges_of_graph_networks() -> None:
    learning_rate = Span(1e-5, 0.1, log=True)
    assert PREDICTORS["gcn"].ranges == {
        "hidden": Span(64, 200, whole=True),
        "batch": Span(5, 32, whole=True),
        "learning_rate": learning_rate,
        "weight_decay": learning_rate,
    }
    assert PREDICTORS["bonas"].ranges == {
        "hidden": Span(16, 128, whole=True),
        "batch": Span(32, 256, whole=True),
        "learning_rate": learning_rate,
    }


SCORES: Mapping[str, Mapping[str, float]] = {
    "synflow": {cell: math.exp(cell.count("3x3~")) for cell in CELLS},
    "zen": {cell: 3.0 * cell.count("none") for cell in CELLS},
}


def test_a_measure_ranks_by_its_score_alone() -> None:
    predictor = make_predictor("measure:synflow", scores=SCORES)
    assert repr(predictor) == "<predictor measure:synflow>"
    prediction = predictor.predict([*CELLS, "unscored"])
    assert prediction.mean[:-1] == pytest.approx([math.log1p(SCORES["synflow"][cell]) for cell in CELLS])
    assert prediction.statuses[-1] is Status.NON_FINITE


def test_the_sign_of_a_measure_is_that_of_its_record() -> None:
    """Not one for each space."""
    reversed_name = next(name for name, measure in MEASURES.items() if measure.direction < 0)
    scores = {reversed_name: SCORES["synflow"], "unknown": SCORES["synflow"]}
    means = [make_predictor(f"measure:{name}", scores=scores).predict(CELLS).mean for name in scores]
    assert np.array_equal(means[0], -means[1])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("measure", "must have one score, got measures.synflow, measures.zen"),
        ("measure:synflo", "unknown score 'synflo'; did you mean 'synflow'"),
        ("svr:synflow", "must follow measure alone"),
        ("svr@onehot:synflow", "must follow an encoding of scores"),
    ],
)
def test_scores_are_named_where_they_can_be(name: str, message: str) -> None:
    name, _, encoding = name.partition("@")
    with pytest.raises(InputError, match=message):
        make_predictor(name, "nasbench201", encoding=encoding or None, scores=SCORES)


def test_an_encoding_reads_the_scores_that_are_named() -> None:
    predictor: Any = make_predictor("bayesian_ridge", encoding="measures:zen", scores=SCORES)
    assert predictor.encoder.columns == ("measures.zen",)
    assert predictor.scores_read == ("zen",)


@pytest.mark.skipif(find_spec("ngboost") is None, reason="the optional package ngboost is not installed")
@pytest.mark.parametrize(
    ("encoding", "columns"),
    [
        (None, 33),
        ("measures:synflow+curve_end+onehot", 32),
        ("curve_end+onehot", 31),
        ("measures+onehot", 32),
        ("measures+curve_end", 3),
    ],
)
def test_omni_reads_its_parts(encoding: str | None, columns: int) -> None:
    """The last three are its ablations. Nothing is standardised by the architectures of the query."""
    curves = Curves((1, 2), {"train_loss": np.stack([5 - ACCURACIES / 25, 4 - ACCURACIES / 25], axis=1)})
    predictor: Any = make_predictor("omni", "nasbench201", encoding=encoding, scores=SCORES, draws=1, n_estimators=5)
    assert predictor.fit(CELLS, ACCURACIES, curves) is Status.OK
    assert predictor._predictor.encoder.rows(CELLS, curves).shape == (60, columns)
    alone = predictor.predict(CELLS[:1], curves.rows([0])).mean
    assert alone == pytest.approx(predictor.predict(CELLS, curves).mean[:1])


@pytest.mark.skipif(find_spec("ngboost") is None, reason="the optional package ngboost is not installed")
def test_ngboost_equals_the_package_to_the_bit() -> None:
    from ngboost import NGBRegressor
    from ngboost.distns import Normal
    from sklearn.tree import DecisionTreeRegressor

    from eznas.predictors.models.boosting import ngboost

    rng = np.random.default_rng(0)
    rows, labels, more = rng.random((30, 12)), rng.normal(size=30), rng.random((9, 12))
    ours = ngboost(3, n_estimators=20)
    settings = ours.get_params(deep=False)  # type: ignore[attr-defined]
    settings |= {"Dist": Normal, "Base": DecisionTreeRegressor(**settings["Base"].get_params() | {"random_state": 3})}
    theirs = NGBRegressor(**settings)
    for regressor in (ours, theirs):
        regressor.fit(rows, labels)
    assert np.array_equal(ours.predict(more), theirs.predict(more))
    assert np.array_equal(ours.pred_dist(more).params["scale"], theirs.pred_dist(more).params["scale"])  # type: ignore[attr-defined]
    for call in (ours.predict, lambda rows: ours.fit(rows, labels)):
        for large in (1e60, np.nan):
            with pytest.raises(ValueError, match="features must be finite in float32, got"):
                call(np.full((30, 12), large))


@pytest.mark.skipif(find_spec("ngboost") is None, reason="the optional package ngboost is not installed")
def test_ngboost_ends_where_its_search_for_a_step_would_not() -> None:
    from eznas.predictors.models.boosting import ngboost

    rows, labels = np.random.default_rng(0).random((9, 3)), np.arange(9.0)
    with pytest.raises(ValueError, match=r"must read at least one architecture, got minibatch_frac 0\.1 of 9"):
        ngboost(0, minibatch_frac=0.1).fit(rows, labels)
    with (
        pytest.raises(ValueError, match="gradients of ngboost must be finite; give accuracies that differ"),
        np.errstate(all="ignore"),
    ):
        ngboost(0).fit(rows, np.ones(9))


def test_omni_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ngboost", None)
    with pytest.raises(InputError, match=r"needs the package ngboost; run pip install 'eznas\[ngboost\]'"):
        make_predictor("omni", "nasbench201", scores=SCORES)
