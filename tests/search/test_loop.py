from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from eznas.errors import InputError
from eznas.search.domain import Domain
from eznas.search.guide import Guide
from eznas.search.loop import Objective, SearchBudget, search
from eznas.search.protocol import ALGORITHMS, Proposal, SearchContext, Searcher
from eznas.search.signals import TabularSignal
from eznas.seeds import python_rng
from eznas.testing.landscapes import Letters

if TYPE_CHECKING:
    from eznas.search.loop import Run
    from eznas.search.signals import Observation

SPACE = Letters(places=2, letters=2)
VALUES = {"a-a": 1.0, "a-b": math.nan, "b-a": 3.0, "b-b": 2.0}


class Scripted(Searcher):
    """Asks for what it was given, and keeps what it was told."""

    def __init__(self, context: SearchContext, script: list[str | tuple[str, int]]) -> None:
        super().__init__(context)
        self.script = [Proposal(one) if isinstance(one, str) else Proposal(*one) for one in script]
        self.asked: Proposal | None = None
        self.told: list[Observation] = []

    def ask(self) -> Proposal | None:
        self.asked = self.script.pop(0) if self.script else None
        return self.asked

    def tell(self, proposal: Proposal, observation: Observation) -> None:
        assert proposal is self.asked
        self.told.append(observation)


def run(
    script: list[str | tuple[str, int]], budget: SearchBudget, objective: Objective | None = None
) -> tuple[Run, list[Observation]]:
    domain = Domain(SPACE)
    guide = Guide(domain, python_rng(0, "guide"))
    searcher = Scripted(SearchContext(domain, python_rng(0), guide), script)
    seconds = {"a-a": 10.0, "a-b": 20.0, "b-a": 30.0, "b-b": 40.0}
    truth = {"a-a": 90.0, "a-b": 91.0, "b-a": 92.0, "b-b": 93.0}
    usual = Objective([TabularSignal("value", VALUES, seconds, epochs=12)], None, truth)
    return search(searcher, objective or usual, budget, guide, 4), searcher.told


def test_books_are_kept() -> None:
    done, told = run(["a-a", "a-b", "b-b", "b-a"], SearchBudget(queries=10))
    assert [step.seconds for step in done.steps] == [10, 30, 70, 100]
    assert [step.epochs for step in done.steps] == [12, 24, 36, 48]
    assert [step.value for step in done.steps] == [1.0, None, 2.0, 3.0]
    assert [step.status for step in done.steps] == ["ok", "non_finite", "ok", "ok"]
    assert [step.best for step in done.steps] == ["a-a", "a-a", "b-b", "b-a"]
    assert [step.best_accuracy for step in done.steps] == [90.0, 90.0, 93.0, 92.0]
    assert [one.fitness for one in told] == [1.0, -math.inf, 2.0, 3.0]
    assert done.ended == "every architecture was queried"


def test_the_first_look_may_fail() -> None:
    done, _ = run(["a-b", "a-a"], SearchBudget(queries=2))
    assert [step.best for step in done.steps] == [None, "a-a"]
    assert [step.best_accuracy for step in done.steps] == [None, 90.0]


@pytest.mark.parametrize(
    ("budget", "looks"),
    [
        (SearchBudget(queries=2), 2),
        (SearchBudget(seconds=29), 2),  # the look that goes beyond is the last
        (SearchBudget(seconds=30), 2),
        (SearchBudget(seconds=31), 3),
        (SearchBudget(epochs=24), 2),
        (SearchBudget(epochs=25), 3),
        (SearchBudget(queries=3, epochs=12), 1),
        (SearchBudget(seconds=0), 0),
        (SearchBudget(epochs=0), 0),
    ],
)
def test_budgets_end_a_search(budget: SearchBudget, looks: int) -> None:
    done, _ = run(["a-a", "a-b", "b-b", "b-a"], budget)
    assert len(done.steps) == looks
    assert done.ended == "budget"


def test_a_repeat_is_told_again_for_nothing() -> None:
    done, told = run(["a-a", "a-a", "b-b"], SearchBudget(queries=2))
    assert [step.architecture for step in done.steps] == ["a-a", "b-b"]
    assert [one.fitness for one in told] == [1.0, 1.0, 2.0]
    assert (done.repeats, done.steps[-1].seconds) == (1, 50)


def test_repeats_can_be_counted() -> None:
    done, _ = run(["a-a", "a-a", "b-b"], SearchBudget(queries=2, repeats=True))
    assert [step.architecture for step in done.steps] == ["a-a", "a-a"]
    assert (done.repeats, done.steps[-1].seconds) == (1, 20)


def test_a_search_that_only_repeats_itself_ends() -> None:
    done, told = run(["a-a"] * 2000, SearchBudget(queries=2))
    assert done.ended == "1000 repeats in a row"
    assert len(told) == 1001


def test_nothing_more_to_propose_is_an_end() -> None:
    done, _ = run(["a-a"], SearchBudget(queries=2))
    assert done.ended == "no further proposals"


def test_what_was_trained_longer_is_the_best() -> None:
    low, full = (
        TabularSignal("low", {"a-a": 9.0, "b-b": 8.0}, epochs=1),
        TabularSignal("full", {"a-a": 2.0, "b-b": 3.0}, epochs=4),
    )
    objective = Objective([low, full], None, {})
    done, _ = run([("a-a", 0), ("b-b", 0), ("a-a", 1), ("b-b", 1)], SearchBudget(queries=4), objective)
    assert [(step.best, step.best_value) for step in done.steps] == [
        ("a-a", 9.0),
        ("a-a", 9.0),
        ("a-a", 2.0),
        ("b-b", 3.0),
    ]
    assert [step.epochs for step in done.steps] == [1, 2, 6, 10]


def test_less_is_better_where_the_signal_says_so() -> None:
    objective = Objective([TabularSignal("error", VALUES, direction=-1)], None, {})
    done, _ = run(["b-a", "a-a", "b-b"], SearchBudget(queries=3), objective)
    assert (done.steps[-1].best, done.steps[-1].best_value) == ("a-a", 1.0)


def test_the_second_objective_is_looked_at_and_paid_for() -> None:
    objective = Objective([TabularSignal("value", VALUES)], TabularSignal("cost", {"a-a": 7.0}, {"a-a": 0.5}), {})
    done, told = run(["a-a", "b-b"], SearchBudget(queries=2), objective)
    assert [step.cost for step in done.steps] == [7.0, None]
    assert done.steps[0].seconds == 0.5
    assert math.isnan(told[1].cost)


def test_a_record_is_parallel_lists() -> None:
    done, _ = run(["a-a", "b-a"], SearchBudget(queries=2))
    record = done.record()
    assert (record["best"], record["accuracy"], record["queries"], record["seconds"]) == ("b-a", 92.0, 2, 40)
    assert record["steps"]["architecture"] == ["a-a", "b-a"]
    assert record["steps"]["best_accuracy"] == [90.0, 92.0]


def test_a_run_without_looks_has_a_record() -> None:
    done, _ = run([], SearchBudget(queries=2))
    record = done.record()
    assert (record["best"], record["accuracy"], record["queries"]) == (None, None, 0)
    assert record["steps"]["value"] == []


@pytest.mark.parametrize("budget", [{}, {"queries": -1}, {"seconds": math.nan}, {"epochs": -1.0}])
def test_a_budget_must_be_one(budget: dict[str, float]) -> None:
    with pytest.raises(InputError, match="a budget must have"):
        SearchBudget(**budget)  # type: ignore[arg-type]


def test_what_leads_is_charged_to_the_budget() -> None:
    domain = Domain(SPACE)
    heights = {one: SPACE.height(one) for one in SPACE.architectures()}
    guide = Guide(domain, python_rng(0), TabularSignal("valid12", heights, dict.fromkeys(heights, 5.0), epochs=12), 100)
    searcher = ALGORITHMS["random"].searcher(SearchContext(domain, python_rng(1), guide))
    objective = Objective([TabularSignal("value", heights, dict.fromkeys(heights, 100.0), epochs=200)], None, {})
    done = search(searcher, objective, SearchBudget(epochs=4 * 12 + 1), guide, 4)
    assert [(step.architecture, step.epochs, step.seconds) for step in done.steps] == [("b-b", 248.0, 120.0)]
