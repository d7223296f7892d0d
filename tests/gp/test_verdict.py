from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eznas.gp.verdict import TaskScores, verdict
from eznas.ranking import paired_difference

Vector = NDArray[np.float64]
N = 60


def noisy(accuracies: Vector, noise: float, seed: int) -> Vector:
    return accuracies + noise * np.random.default_rng(seed).normal(size=len(accuracies))


def task(name: str, noise: float, *, held_out: bool = False, n: int = N) -> TaskScores:
    """A program with this noise beside baselines with noise 1 and 2."""
    accuracies = np.random.default_rng(len(name)).normal(size=n)
    scores = {"best": noisy(accuracies, noise, 1), "params": noisy(accuracies, 2, 2), "zico": noisy(accuracies, 1, 3)}
    return TaskScores(name, accuracies, scores, held_out)


BETTER, LEVEL, WORSE = task("good", 0.1), task("level", 1.0), task("bad", 20.0)


def test_one_task_in_words() -> None:
    assert verdict([BETTER])["sentence"] == "better than every baseline"
    assert verdict([LEVEL])["sentence"] == "not clearly better or worse than zico"
    assert verdict([WORSE])["sentence"] == "worse than zico"


def test_several_tasks_in_words() -> None:
    found = verdict([BETTER, LEVEL, BETTER, WORSE])
    assert found["sentence"] == "better than every baseline on 2 of 4 tasks, worse than a baseline on 1, undecided on 1"
    assert (found["better"], found["worse"], found["undecided"]) == (2, 1, 1)
    assert verdict([WORSE, LEVEL])["sentence"] == "worse than a baseline on 1 of 2 tasks, undecided on 1"
    assert verdict([LEVEL, LEVEL])["sentence"] == "undecided on all 2 tasks"
    assert found["held_out"] is None


def test_the_caller_names_the_baselines() -> None:
    assert verdict([BETTER], rivals="the two best columns")["sentence"] == "better than the two best columns"
    found = verdict([BETTER, WORSE], rivals="the two best columns")
    assert found["sentence"] == "better than the two best columns on 1 of 2 tasks, worse than a baseline on 1"


def test_tasks_held_out_are_also_counted_alone() -> None:
    found = verdict([BETTER, task("unseen", 20.0, held_out=True)])
    assert found["sentence"] == "better than every baseline on 1 of 2 tasks, worse than a baseline on 1"
    assert found["held_out"] == {"sentence": "worse than zico", "better": 0, "worse": 1, "undecided": 0}


def test_a_record_has_the_paired_difference_to_the_best_baseline() -> None:
    [record] = verdict([BETTER], seed=3)["tasks"]
    want = paired_difference(BETTER.scores["best"], BETTER.scores["zico"], BETTER.accuracies, seed=3)
    assert (record["baseline"], record["n"], record["networks"]) == ("zico", N, N)
    assert (record["difference"], record["low"], record["high"]) == (want.difference, want.low, want.high)
    assert (record["tau"], record["tau_baseline"]) == (want.first, want.second)


def test_architectures_without_a_score_are_left_out_of_the_pairs() -> None:
    scores = {name: values.copy() for name, values in BETTER.scores.items()}
    scores["zico"][:10] = np.nan
    scores["best"][5:20] = np.inf
    [record] = verdict([TaskScores("t", BETTER.accuracies, scores)])["tasks"]
    want = paired_difference(scores["best"][20:], scores["zico"][20:], BETTER.accuracies[20:])
    assert (record["n"], record["difference"], record["low"]) == (40, want.difference, want.low)


def test_a_baseline_on_few_networks_does_not_decide() -> None:
    scores = dict(BETTER.scores)
    scores["lucky"] = np.where(np.arange(N) < 4, BETTER.accuracies, np.nan)
    found = verdict([TaskScores("t", BETTER.accuracies, scores)])
    assert found["sentence"] == "better than every baseline"
    assert found["tasks"][0]["not_compared"] == {"lucky": "only 4 networks have both scores"}
    assert found["notes"] == ["lucky is not compared on t: only 4 networks have both scores."]


def test_every_baseline_must_be_beaten() -> None:
    """A baseline with few values is not the one with the highest tau, but leaves the verdict undecided."""
    scores = dict(BETTER.scores)
    scores["rare"] = np.where(np.arange(N) < 8, noisy(BETTER.accuracies, 0.7, 9), np.nan)
    [record] = verdict([TaskScores("t", BETTER.accuracies, scores)])["tasks"]
    assert (record["verdict"], record["baseline"], record["n"]) == ("undecided", "rare", 8)


@pytest.mark.parametrize(
    ("accuracies", "program", "reason"),
    [
        (np.arange(4.0), np.arange(4.0), "only 4 networks have both scores"),
        (np.arange(0.0), np.arange(0.0), "only 0 networks have both scores"),
        (np.arange(9.0), np.full(9, np.nan), "only 0 networks have both scores"),
        (np.arange(9.0), np.ones(9), "the program is constant"),
        (np.ones(9), np.arange(9.0), "all accuracies are equal"),
    ],
)
def test_a_task_without_a_comparison_says_why(accuracies: Vector, program: Vector, reason: str) -> None:
    scores = {"best": program, "zico": np.arange(float(len(accuracies)))[::-1].copy()}
    found = verdict([TaskScores("t", accuracies, scores)])
    [record] = found["tasks"]
    assert (record["verdict"], record["reason"], record["baseline"]) == ("undecided", reason, None)
    assert found["sentence"] == f"not compared with baselines: {reason}"
    both = verdict([TaskScores("t", accuracies, scores), BETTER])
    assert both["sentence"] == "better than every baseline on 1 of 2 tasks, undecided on 1"
    assert f"t is undecided: {reason}." in both["notes"]


def test_no_baseline_and_no_task() -> None:
    assert verdict([TaskScores("t", np.arange(9.0), {"best": np.arange(9.0)})])["tasks"][0]["reason"] == (
        "there is no baseline"
    )
    assert verdict([])["sentence"] == "not compared with baselines: there is no task"


def monotone(sign: float, *, exactly: bool) -> TaskScores:
    sizes = np.random.default_rng(0).permutation(N).astype(float)
    program = sign * np.exp(sizes / 10)
    if not exactly:
        program[[0, 1]] = program[[1, 0]]
    scores = {"best": program, "params": np.random.default_rng(1).permutation(N) * 1.0, "flops": sizes}
    return TaskScores("m", noisy(sizes, 9, 1), scores)


def test_a_program_that_orders_by_size_says_so() -> None:
    found = verdict([monotone(1, exactly=True)])
    assert found["tasks"][0]["monotone"] == {"flops": pytest.approx(1.0)}
    [note] = found["notes"]
    assert note.startswith("The best program orders the networks by their flops on m (Spearman's rho 1.000): ")
    [note] = verdict([monotone(-1, exactly=True), monotone(-1, exactly=True)])["notes"][:1]
    assert "by their reversed flops on m" in note


def test_several_tasks_give_the_weakest_rho() -> None:
    tasks = [monotone(1, exactly=True), TaskScores("other", *_parts(monotone(1, exactly=False)))]
    found = verdict(tasks)
    weakest = found["tasks"][1]["monotone"]["flops"]
    assert 0.98 < weakest < 1
    assert f"by their flops on every task (Spearman's rho at least {weakest:.3f})" in found["notes"][0]
    assert "on m (Spearman's rho 1.000)" in verdict([tasks[0], BETTER])["notes"][0]


def _parts(task: TaskScores) -> tuple[Vector, Any]:
    return task.accuracies, task.scores


def test_a_program_that_is_not_monotone_has_no_note() -> None:
    assert verdict([BETTER])["notes"] == []


values = st.one_of(st.integers(-2, 2).map(float), st.just(np.nan), st.just(np.inf))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 9).flatmap(lambda n: st.tuples(*[st.lists(values, min_size=n, max_size=n)] * 4)))
def test_no_scores_crash_and_the_verdict_is_json(columns: tuple[list[float], ...]) -> None:
    accuracies, *scores = map(np.array, columns)
    given_scores = dict(zip(("best", "params", "zico"), scores, strict=True))
    found = verdict([TaskScores("t", accuracies, given_scores)])
    json.dumps(found, allow_nan=False)
    assert found["better"] + found["worse"] + found["undecided"] == 1
    assert found["tasks"][0]["reason"] or found["tasks"][0]["verdict"] != "undecided"
