"""Predictors, acquisition functions and candidates of the algorithms with a model."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.linear_model import BayesianRidge, LinearRegression

from eznas.errors import InputError
from eznas.predictors import from_estimator
from eznas.search.acquisition import ACQUISITIONS
from eznas.search.candidates import CandidatePlan
from eznas.search.config import SearchConfig, SearcherConfig
from eznas.search.domain import Domain
from eznas.search.guide import Guide
from eznas.search.loop import Objective, Run, SearchBudget, search
from eznas.search.model_options import check_candidates
from eznas.search.problem import make_problem
from eznas.search.protocol import ALGORITHMS, SearchContext
from eznas.search.signals import TabularSignal
from eznas.seeds import python_rng
from eznas.spaces import SPACES
from eznas.testing.landscapes import Letters

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from eznas.predictors import Predictor

SPACE = Letters(places=4, letters=4)
HEIGHTS = {one: SPACE.height(one) for one in SPACE.architectures()}


def ridge() -> Predictor:
    return from_estimator(BayesianRidge(), "words")


class _Broken(LinearRegression):  # type: ignore[misc]
    def fit(self, X: Any, y: Any) -> Any:  # noqa: N803
        del X, y
        raise ZeroDivisionError("no pivot")


def searched(predictor: Callable[[], Predictor], queries: int, name: str = "bananas", **options: Any) -> Run:
    domain = Domain(SPACE, HEIGHTS)
    guide = Guide(domain, python_rng(0, "guide"))
    config = SearcherConfig(predictor="mine", **options)
    context = SearchContext(domain, python_rng(0, "algorithm"), guide, 1, config, predictor)
    objective = Objective([TabularSignal("height", HEIGHTS)], None, {})
    return search(ALGORITHMS[name].searcher(context), objective, SearchBudget(queries=queries), guide, domain.size)


def value(name: str, mean: float, deviation: float, best: float) -> float:
    return float(ACQUISITIONS[name].value(np.array([mean]), np.array([deviation]), best, random.Random(0))[0])


@pytest.mark.parametrize(
    ("name", "mean", "deviation", "best", "expected"),
    [
        ("ei", 2.0, 1.0, 2.0, 0.3989423),  # the density of the standard normal at 0
        ("ei", 3.0, 2.0, 2.0, 1.3955931),  # 1 * 0.6914625 + 2 * 0.3520653
        ("ei", 3.0, 0.0, 2.0, 1.0),
        ("ei", 1.0, 0.0, 2.0, 0.0),
        ("ucb", 1.0, 3.0, 9.0, 2.5),
        ("mean", 1.0, 3.0, 9.0, 1.0),
        ("its", 1.0, 3.0, 9.0, 1.0 + 3.0 * random.Random(0).gauss(0.0, 1.0)),
    ],
)
def test_values_of_acquisition_functions(
    name: str, mean: float, deviation: float, best: float, expected: float
) -> None:
    assert value(name, mean, deviation, best) == pytest.approx(expected, abs=1e-6)


def test_expected_improvement_is_the_mean_of_the_gains() -> None:
    draws = np.random.default_rng(0).normal(1.0, 0.7, 200_000)
    assert value("ei", 1.0, 0.7, 1.4) == pytest.approx(np.maximum(draws - 1.4, 0.0).mean(), abs=2e-3)


@pytest.mark.parametrize("name", ["bananas", "npenas"])
def test_the_whole_space_is_ranked_by_the_predictor(name: str) -> None:
    steps = searched(ridge, 20, name, acquisition="mean", candidates="all").steps
    first = [step.architecture for step in steps[:10]]
    predictor = ridge()
    predictor.fit(first, [HEIGHTS[one] for one in first])
    others = [one for one in HEIGHTS if one not in first]
    mean = predictor.predict(others).mean
    threshold = np.sort(mean)[-10]
    ranked = dict(zip(others, mean, strict=True))
    chosen = [ranked[step.architecture] for step in steps[10:]]
    assert min(chosen) >= threshold - 1e-9
    assert chosen == sorted(chosen, reverse=True)


def test_no_function_is_queried_twice_while_others_are_left() -> None:
    space, listed = SPACES["nasbench201"], SPACES["nasbench201"].architectures() or ()
    by_function: dict[str, list[str]] = {}
    for one in listed[:3000]:
        by_function.setdefault(space.canonical(one), []).append(one)
    copies = [one for group in by_function.values() if len(group) > 2 for one in group[:3]][:60]
    domain = Domain(space, copies)
    guide = Guide(domain, python_rng(0, "guide"))
    options = SearcherConfig(acquisition="mean", candidates="all")
    context = SearchContext(domain, python_rng(0, "algorithm"), guide, 1, options, ridge)
    values = {one: float(one.count("3x3~")) for one in copies}
    objective = Objective([TabularSignal("threes", values)], None, {})
    run = search(ALGORITHMS["bananas"].searcher(context), objective, SearchBudget(queries=60), guide, domain.size)
    functions = [space.canonical(step.architecture) for step in run.steps]
    initial = len(set(functions[:10]))
    assert len(set(functions[10 : 10 + 20 - initial]) | set(functions[:10])) == 20
    assert len({step.architecture for step in run.steps}) == 60  # then the copies


@pytest.mark.parametrize("acquisition", ACQUISITIONS)
def test_a_linear_landscape_is_solved_in_few_rounds(acquisition: str) -> None:
    run = searched(ridge, 60, acquisition=acquisition, candidates="all")
    assert run.steps[-1].best == SPACE.optimum()
    assert (run.model.fits, run.model.failed) == (5, 0)
    assert run.model.predictions == sum(256 - 10 * done for done in range(1, 6))
    assert run.record()["model_seconds"] > 0


def test_thompson_sampling_needs_no_deviation_and_differs_from_the_mean() -> None:
    plain: dict[str, list[str]] = {}
    for acquisition in ("mean", "thompson"):
        run = searched(lambda: from_estimator(LinearRegression(), "words"), 30, acquisition=acquisition)
        plain[acquisition] = [step.architecture for step in run.steps]
    assert plain["mean"][:10] == plain["thompson"][:10]
    assert plain["mean"] != plain["thompson"]


@pytest.mark.parametrize("acquisition", ["its", "ei", "ucb"])
def test_a_missing_deviation_is_a_sentence(acquisition: str) -> None:
    with pytest.raises(InputError, match=f"{acquisition} needs .* mine states none; choose one of mean, thompson"):
        searched(lambda: from_estimator(LinearRegression(), "words"), 0, acquisition=acquisition)  # before any query


@pytest.mark.parametrize("candidates", ["100", "random:20", "all"])
def test_a_search_goes_on_without_a_model_after_a_failed_fit(candidates: str) -> None:
    run = searched(lambda: from_estimator(_Broken(), "words"), 40, candidates=candidates, acquisition="mean")
    assert len({step.architecture for step in run.steps}) == 40
    assert (run.model.fits, run.model.failed, run.model.predictions) == (3, 3, 0)


def test_a_predictor_that_needs_more_labels_waits_for_them() -> None:
    run = searched(lambda: from_estimator(BayesianRidge(), "words", labels=25), 40, candidates="random:20")
    assert run.model.fits == 1


def test_candidates_are_read() -> None:
    plans = [CandidatePlan.parse(text) for text in ("50", "random:10", "all")]
    assert plans == [CandidatePlan("edits", 50), CandidatePlan("random", 10), CandidatePlan("all", 0)]
    for text in ("9", "random", "edits:50", "every", ""):
        with pytest.raises(InputError, match="candidates must be N, random:N or all, with N of 10 or more"):
            CandidatePlan.parse(text)


CELLS = list(SPACES["nasbench201"].architectures() or ())[:60]


def config(tmp_path: Path, **options: Any) -> SearchConfig:
    lines = [f"{one},{90 + one.count('3x3~')}" for one in CELLS]
    (tmp_path / "table.csv").write_text("\n".join(["architecture,accuracy", *lines, ""]), encoding="utf-8")
    scores = [f"{one},{'' if place == 7 else place},{place % 5}" for place, one in enumerate(CELLS[:50])]
    (tmp_path / "scores.csv").write_text("\n".join(["architecture,one,two", *scores, ""]), encoding="utf-8")
    return SearchConfig(**{"algorithm": "bananas", "table": str(tmp_path / "table.csv"), "queries": 20, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithm": "random", "predictor": "extra_trees"}, "predictor must come with bananas or npenas"),
        ({"algorithm": "random", "candidates": "all"}, "candidates must come with bananas or npenas"),
        ({"predictor": "extra_tree"}, "did you mean 'extra_trees'"),
        ({"predictor": "extra_trees@onehott"}, "did you mean 'onehot'"),
        ({"predictor": "sotl"}, "learns from accuracies alone, got sotl, which needs curves of train_loss"),
        ({"predictor": "lcsvr"}, "learns from accuracies alone"),
        ({"predictor": "extra_trees@measures"}, "scores must be given"),
        ({"predictor": "extra_trees", "surrogate": "ridge"}, "surrogate and encoding must not come with predictor"),
        ({"predictor": "extra_trees", "encoding": "path"}, "surrogate and encoding must not come with predictor"),
        ({"acquisition": "means"}, "did you mean 'mean'"),
        ({"candidates": "5"}, "N of 10 or more"),
        (
            {"candidates": "all", "move": 0.5, "signal": ("params",)},
            "move must come with candidates N, the edits that it guides, got all; choose N, or give warmup alone",
        ),
        ({"candidates": "random:20", "move": 0.5}, "move must come with candidates N, .* got random:20"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        make_problem(config(tmp_path, **options))


def test_a_space_that_cannot_be_listed_is_not_ranked_whole() -> None:
    options = SearchConfig(algorithm="bananas", candidates="all")
    with pytest.raises(InputError, match="candidates must be a number for darts"):
        check_candidates(options, Domain(SPACES["darts"]))


def test_scores_of_files_are_features(tmp_path: Path) -> None:
    problem = make_problem(
        config(tmp_path, predictor="extra_trees@onehot+measures", scores=str(tmp_path / "scores.csv"))
    )
    assert problem.domain.listed == tuple(one for one in CELLS[:50] if one != CELLS[7])
    assert problem.predictor is not None
    columns = problem.predictor().encoder.columns  # type: ignore[attr-defined]
    assert columns[-2:] == ("measures.one", "measures.two")
    assert problem.facts["label"] == "bananas (extra_trees@onehot+measures) on accuracy"
