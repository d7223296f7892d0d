from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import kendalltau

import eznas
from eznas.api.evolve import ScoresRun
from eznas.primitives import Kind
from eznas.programs import parse
from eznas.symbolic.config import ScoresConfig
from eznas.symbolic.problem import ScoresProblem
from eznas.symbolic.report import program_scores
from eznas.symbolic.split import Split
from eznas.symbolic.table import TaskScores
from eznas.symbolic.task import SplitTask
from eznas.symbolic.weighted_sum import WeightedSums

from .conftest import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from eznas.programs import Node


RIDGE = 1e-3
_FUNCTIONS: dict[str, Callable[..., NDArray[np.float64]]] = {
    "add": np.add,
    "relu": lambda x: np.maximum(x, 0.0),
    "scale": np.multiply,
    "sqrt": np.sqrt,
    "log1p": np.log1p,
    "power": np.power,
}


def task(name: str, accuracies: NDArray[np.float64], **scores: NDArray[np.float64]) -> SplitTask:
    """Return a task whose architectures are all for training."""
    names = tuple(f"net{index}" for index in range(len(accuracies)))
    empty = np.empty(0, np.int64)
    return SplitTask(
        TaskScores(name, names, accuracies, scores), Split(np.arange(len(accuracies)), empty, empty), False, 1.0
    )


def scores_of(program: str, **columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate a weighted sum by NumPy alone."""

    def value(node: Node) -> NDArray[np.float64]:
        if node.kind is Kind.LITERAL:
            return np.float64(node.name)
        return _FUNCTIONS[node.name](*map(value, node.args)) if node.args else columns[node.name.partition(".")[2]]

    return value(parse(program))


@pytest.fixture
def planted() -> tuple[list[SplitTask], dict[str, NDArray[np.float64]]]:
    rng = np.random.default_rng(0)
    columns = {name: np.exp(rng.normal(size=60)) for name in "abcd"}
    accuracies = 3 * np.log1p(columns["b"]) - 0.5 * columns["d"]
    return [task("space/one", accuracies, **columns)], columns


def test_planted_terms_are_the_last_that_remain(
    planted: tuple[list[SplitTask], dict[str, NDArray[np.float64]]],
) -> None:
    tasks, columns = planted
    programs = WeightedSums("abcd", tasks, [1.0], RIDGE).fit(5)
    assert [program.text.count("scale(") for program in programs] == [5, 4, 3, 2]
    two = programs[-1]
    assert "score.b" in two.text
    assert "score.a" not in two.text
    assert kendalltau(scores_of(two.text, **columns), tasks[0].task.accuracies).statistic > 0.9
    assert parse(two.text) is two


def test_weights_minimise_the_loss_written_out_pair_by_pair() -> None:
    rng = np.random.default_rng(1)
    tasks = []
    for name, count in (("space/one", 7), ("space/two", 12)):
        scores = {column: rng.normal(size=count) for column in "ab"}
        accuracies = np.round(scores["a"] + scores["b"] + rng.normal(size=count), 0)  # with ties
        tasks.append(task(name, accuracies, **scores))
    program = WeightedSums("ab", tasks, [1.0, 3.0], RIDGE).fit(2)[0]

    centred = {
        test.task.name: np.stack([test.task.scores[column] - test.task.scores[column].mean() for column in "ab"])
        for test in tasks
    }
    spread = np.sqrt(np.mean([np.square(values).mean(axis=1) for values in centred.values()], axis=0))

    def loss(weights: NDArray[np.float64]) -> float:
        total = RIDGE * float(weights @ weights)
        for test, share in zip(tasks, (0.25, 0.75), strict=True):
            score = weights @ (centred[test.task.name] / spread[:, None])
            labels = test.task.accuracies
            pairs = [(i, j) for i in range(len(labels)) for j in range(len(labels)) if labels[i] > labels[j]]
            total += share * float(np.mean([np.log1p(np.exp(score[j] - score[i])) for i, j in pairs]))
        return total

    expected = minimize(loss, np.zeros(2), tol=1e-10).x / spread
    found = scores_of(program.text, a=np.array([1.0, 0.0]), b=np.array([0.0, 1.0]))
    np.testing.assert_allclose(found, expected, rtol=5e-3)


def test_a_column_with_zeros_gives_finite_terms_and_one_with_an_outlier_none() -> None:
    rng = np.random.default_rng(2)
    zero, outlier = rng.random(200), rng.random(200)
    zero[3], outlier[5] = 0.0, 1e6
    sums = WeightedSums(
        ("zero", "outlier", "constant"),
        [task("space/one", zero + 0.1 * rng.random(200), zero=zero, outlier=outlier, constant=np.ones(200))],
        [1.0],
        RIDGE,
    )
    longest = sums.fit(100)[0].text
    for term in ("score.zero", "power(relu(score.zero), 0.1)", "log1p(relu(score.zero))", "sqrt(relu(score.zero))"):
        assert f"scale({term}, " in longest
    assert "scale(score.outlier, " not in longest
    assert "constant" not in longest


def test_no_term_is_added_twice() -> None:
    rng = np.random.default_rng(3)
    good, noise = rng.normal(size=(2, 80))
    programs = WeightedSums(("good", "noise"), [task("space/one", good, good=good, noise=noise)], [1.0], RIDGE).fit(5)
    assert [program.text.count("score.good") for program in programs] == [1]
    assert [program.text.count("score.noise") for program in programs] == [1]


def test_a_task_of_equal_accuracies_is_left_out_of_the_loss() -> None:
    rng = np.random.default_rng(4)
    good, noise = rng.normal(size=(2, 80))
    tasks = [task("space/one", good, good=good, noise=noise), task("space/two", np.ones(80), good=noise, noise=good)]
    program = WeightedSums(("good", "noise"), tasks, [1.0, 1.0], RIDGE).fit(2)[0]
    assert kendalltau(scores_of(program.text, good=good, noise=noise), good).statistic > 0.9


@pytest.mark.parametrize(("fits_in_time", "sizes"), [(0, [6]), (1, [6]), (5, [6, 4])])
def test_a_stopped_fit_returns_the_longest_sums(
    planted: tuple[list[SplitTask], dict[str, NDArray[np.float64]]], fits_in_time: int, sizes: list[int]
) -> None:
    tasks, _ = planted
    fits = iter(range(100))
    programs = WeightedSums("abcd", tasks, [1.0], RIDGE).fit(6, lambda: next(fits) < fits_in_time)
    assert [program.text.count("scale(") for program in programs] == sizes


@pytest.mark.usefixtures("without_pictures")
def test_a_run_reports_and_resumes_weighted_sums(score_file: Path, tmp_path: Path) -> None:
    with score_file.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        synflow, nwot, noise = (float(row[name]) for name in COLUMNS)
        row["accuracy"] = str(3 * np.log1p(synflow) - 0.5 * nwot + 1.3 * noise**0.1)
    with score_file.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    options = {"population": 60, "offspring": 16, "workers": 1, "time_budget": "10m", "progress": False}
    run = eznas.evolve(scores=score_file, weighted_terms=3, generations=5, out=tmp_path / "run", **options)
    sums = [row for row in run.summary["hall_of_fame"] if "scale(" in row["program"]]
    problem = ScoresProblem.of(ScoresConfig(scores=score_file))
    assert sums
    for row in sums:
        for test in problem.tasks:
            scores = program_scores(problem.table, test.task, row["program"])[test.split.test]
            tau = kendalltau(scores, test.task.accuracies[test.split.test]).statistic
            assert row["tasks"][test.task.name]["tau"] == pytest.approx(tau)
    resumed = ScoresRun.open(tmp_path / "run").resume(generations=10)
    whole = eznas.evolve(scores=score_file, weighted_terms=3, generations=10, out=tmp_path / "whole", **options)
    assert resumed.summary["hall_of_fame"] == whole.summary["hall_of_fame"]
