from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from eznas.config import EvolveConfig
from eznas.gp import confirmation as module
from eznas.gp.fitted_sum import FittedSum
from eznas.gp.individual import Individual, TauFitness
from eznas.programs import parse
from eznas.progress import Progress
from eznas.scoring import SERIAL, Proxy, ScoreMatrix
from eznas.status import Score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from eznas.gp.problem import EvolutionProblem
    from eznas.gp.task import EvolutionTask
    from eznas.programs import Node
    from eznas.scoring import Panel

RISING = [1.0, 2.0, 3.0, 4.0]
FALLING = RISING[::-1]
FIRST, SECOND = "sum(mean(weight))", "exp(sum(l1(weight)))"
SUM = "add(scale(max(l1(weight)), 3), scale(sum(l1(weight)), 2))"


class FakeCondition(str):
    __slots__ = ()

    @property
    def key(self) -> str:
        return str(self)


FULL = FakeCondition("full")


@dataclasses.dataclass(frozen=True)
class FakeTask:
    name: str = "task"
    validation: tuple[str, ...] = ("a", "b", "c", "d")
    test: tuple[str, ...] = ("e", "f", "g", "h")
    full: FakeCondition = FULL
    weight: float = 1.0
    held_out: bool = False

    def accuracies(self, architectures: Sequence[str]) -> Any:
        return np.array(RISING[: len(architectures)])


@dataclasses.dataclass(frozen=True)
class FakeProblem:
    tasks: tuple[FakeTask, ...] = (FakeTask(),)
    held_out: tuple[FakeTask, ...] = ()

    @property
    def every_task(self) -> tuple[FakeTask, ...]:
        return self.tasks + self.held_out


class FakePanel:
    def __init__(self, rows: list[list[float]]) -> None:
        self.rows = rows
        self.table = self
        self.left_out: dict[str, str] = {}
        self.architectures = ("x", "y", *FakeTask.validation)

    def scores(self, programs: Sequence[Node]) -> Any:
        assert len(programs) == len(self.rows)
        return np.array(self.rows)


class Scorer:
    """Gives the two candidates the scores of a table, by the condition of a task, and baselines those of the second.

    Args:
        scores: By condition and program, the scores on the validation networks, then on the test networks.
    """

    def __init__(self, scores: Mapping[str, Mapping[str, list[float]]]) -> None:
        self.scores = scores
        self.calls: list[tuple[str, ...]] = []

    def __call__(
        self, proxies: Any, condition: str, architectures: Any, _: object, __: object, keep: Any, **___: object
    ) -> ScoreMatrix:
        self.calls.append(architectures)
        for architecture in architectures:
            keep(architecture, ())
        part = slice(4) if architectures == FakeTask.validation else slice(4, None)
        rows = [self.scores[condition].get(proxy.program, self.scores[condition][SECOND])[part] for proxy in proxies]
        scores = tuple(tuple(Score.of(value) for value in row) for row in rows)
        return ScoreMatrix(tuple(proxies), tuple(architectures), scores, (0.0,) * len(architectures))


def finished(
    monkeypatch: pytest.MonkeyPatch,
    scorer: Scorer,
    problem: FakeProblem | None = None,
    panels: Mapping[str, FakePanel] | None = None,
    margins: Sequence[float] = (),
    held_out: list[dict[str, float]] | None = None,
    first_seconds: float = 2.0,
    **options: object,
) -> module.Finished:
    monkeypatch.setattr(module, "score_networks", scorer)
    monkeypatch.setattr(module, "seconds_of", lambda proxies, *_: first_seconds if proxies[0].program == FIRST else 1.0)
    problem = problem or FakeProblem()
    taus = tuple(0.5 + place / 10 for place in range(len(problem.tasks)))
    candidates = [Individual(parse(text), 0.5, 0.5, taus, b"", TauFitness((0.5,))) for text in (FIRST, SECOND)]
    config = EvolveConfig.model_validate(options)
    trivial = [(0.0, margin) for margin in margins or (0.0,) * len(problem.tasks)]
    confirmation = module.Confirmation(cast("EvolutionProblem", problem), config, trivial, SERIAL, Progress())
    fitted = None
    if held_out is not None:
        fitted = FittedSum(parse(SUM), tau_train=1.0, tasks=taus, held_out=tuple(held_out), taus=(1.0,))
    return confirmation.finish(candidates, cast("Mapping[str, Panel]", panels or {}), fitted)


def one_task(first: list[float], second: list[float]) -> Scorer:
    return Scorer({"full": {FIRST: first, SECOND: second}})


def test_the_best_on_validation_comes_first_whatever_the_test_networks_say(monkeypatch: pytest.MonkeyPatch) -> None:
    fair = [1.0, 2.0, 4.0, 3.0]
    for tested in (FALLING, [math.nan, 1.0, 2.0, 3.0], RISING):
        rows = finished(monkeypatch, one_task([*RISING, *tested], [*fair, *RISING])).evolved
        assert [row.program for row in rows] == [FIRST, SECOND]
        assert [row.name for row in rows] == ["rank0", "rank1"]


def test_a_missing_validation_score_costs_the_first_place(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [math.nan, 2.0, 3.0, 4.0]
    rows = finished(monkeypatch, one_task([*missing, *missing], [*FALLING, *RISING])).evolved
    assert [row.program for row in rows] == [SECOND, FIRST]
    assert rows[1].tasks["task"].coverage == 3 / 4
    assert rows[1].tasks["task"].statuses == {"non_finite": 1, "ok": 3}
    assert rows[0].tau_validation == -1.0
    assert rows[0].tasks["task"].tau_train == 0.5


def test_values_of_the_validation_networks_that_a_promotion_left_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = FakePanel([[9.0, 9.0, *FALLING], [0.0, 0.0, *RISING]])  # training networks first
    scorer = one_task([*RISING, *RISING], [*RISING, *RISING])
    rows = finished(monkeypatch, scorer, panels={"task": panel}).evolved
    assert [row.program for row in rows] == [SECOND, FIRST]
    assert [row.tau_validation for row in rows] == [1.0, -1.0]
    assert scorer.calls == [FakeTask.test]


def test_baselines_are_tested_and_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    done = finished(monkeypatch, one_task([*RISING, *RISING], [*RISING, *RISING]))
    assert [row.name for row in done.baselines] == list(module.BASELINES)
    assert all(math.isnan(row.tau_validation) for row in done.baselines)
    assert all(row.tau_test == 1.0 for row in done.baselines)
    assert done.tested == {"task": FakeTask.test}


@pytest.mark.parametrize(("fitness", "best"), [("least", SECOND), ("mean", FIRST), ("weighted", SECOND)])
def test_several_tasks_choose_as_the_fitness_says(monkeypatch: pytest.MonkeyPatch, fitness: str, best: str) -> None:
    """One program has tau 1 and 0, the other one 1/3 and 1/3; a task that is held out does not matter."""
    even, level = [1.0, 4.0, 3.0, 2.0], [2.0, 3.0, 1.0, 4.0]  # tau 0 and 1/3
    scorer = Scorer({
        "easy": {FIRST: [*RISING, *FALLING], SECOND: [*level, *RISING]},
        "hard": {FIRST: [*even, *RISING], SECOND: [*level, *RISING]},
        "other": {FIRST: [*RISING, *FALLING], SECOND: [*RISING, *FALLING]},
    })  # fmt: skip
    tasks = FakeTask("easy", full=FakeCondition("easy")), FakeTask("hard", full=FakeCondition("hard"), weight=3.0)
    problem = FakeProblem(tasks, (FakeTask("other", full=FakeCondition("other"), held_out=True),))
    done = finished(monkeypatch, scorer, problem, fitness=fitness)
    assert done.evolved[0].program == best
    row = next(row for row in done.evolved if row.program == FIRST)
    assert row.tau_test == {"least": -1.0, "mean": 0.0, "weighted": 0.5}[fitness]
    assert row.tasks["easy"].tau_train == 0.5
    assert row.tasks["hard"].tau_train == 0.6
    assert row.tasks["other"].test.tau == -1.0
    assert row.tasks["other"].validation is None
    assert math.isnan(row.tasks["other"].tau_train)


def test_programs_above_the_bound_on_seconds_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = one_task([*RISING, *RISING], [*FALLING, *FALLING])
    free, bounded = (finished(monkeypatch, scorer, max_cost=bound).evolved for bound in (None, 1.5))
    assert [row.program for row in free] == [FIRST, SECOND]
    assert [row.program for row in bounded] == [SECOND, FIRST]
    assert [row.seconds for row in bounded] == [1.0, 2.0]


@pytest.mark.parametrize(("order", "place", "tau"), [(RISING, 0, 1.0), (FALLING, 2, -1.0)])
@pytest.mark.parametrize("promoted", [True, False])
def test_a_sum_is_ranked_by_its_cross_validated_scores(
    monkeypatch: pytest.MonkeyPatch, order: list[float], place: int, tau: float, promoted: bool
) -> None:
    fair, worse = [1.0, 2.0, 4.0, 3.0], [1.0, 4.0, 3.0, 2.0]
    panels = {"task": FakePanel([[9.0, 9.0, *fair], [0.0, 0.0, *worse]])} if promoted else None
    scorer = one_task([*fair, *RISING], [*worse, *RISING])
    rows = finished(monkeypatch, scorer, panels=panels, held_out=[dict(zip("abcd", order, strict=True))]).evolved
    assert [row.program for row in rows].index(SUM) == place
    assert rows[place].tau_validation == tau


def test_candidates_are_compared_on_the_networks_that_a_sum_has_scores_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without network a, the order of the others is right in the sum and wrong in both programs."""
    rows = finished(
        monkeypatch, one_task([*FALLING, *RISING], [*FALLING, *RISING]), held_out=[{"b": 1.0, "c": 2.0, "d": 3.0}]
    ).evolved
    assert rows[0].program == SUM
    assert [row.tasks["task"].validation.n for row in rows] == [3, 3, 3]  # type: ignore[union-attr]


def test_a_program_that_was_not_timed_does_not_keep_a_bound_on_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = one_task([*RISING, *RISING], [*FALLING, *FALLING])
    rows = finished(monkeypatch, scorer, first_seconds=math.nan, max_cost=1.5).evolved
    assert [row.program for row in rows] == [SECOND, FIRST]


def test_the_best_program_is_tested_without_each_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    done = finished(monkeypatch, one_task([*FALLING, *RISING], [*RISING, *FALLING]))
    [part] = done.ablation
    assert (part.without, part.program) == ("exp of sum(l1(weight))", "sum(l1(weight))")
    assert part.taus == {"task": -1.0}  # the scorer gives it those of the second program


def test_test_networks_without_a_score_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = [math.nan, 2.0, 3.0, 4.0]
    done = finished(monkeypatch, one_task([*RISING, *missing], [*RISING, *missing]))
    assert done.failures == {"task": {"e": "the value is nan"}}


def test_a_relative_fitness_chooses_by_the_margin_over_trivial_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first program has the taus 1 and 0, the second one 1/3 and 1/3, and trivial proxies have 0 and -1."""
    even, level = [1.0, 4.0, 3.0, 2.0], [2.0, 3.0, 1.0, 4.0]
    scorer = Scorer({
        "easy": {FIRST: [*RISING, *RISING], SECOND: [*level, *RISING]},
        "hard": {FIRST: [*even, *RISING], SECOND: [*level, *RISING]},
    })  # fmt: skip
    problem = FakeProblem((FakeTask("easy", full=FakeCondition("easy")), FakeTask("hard", full=FakeCondition("hard"))))
    assert finished(monkeypatch, scorer, problem).evolved[0].program == SECOND
    best = finished(monkeypatch, scorer, problem, margins=(0.0, -1.0)).evolved[0]
    assert best.program == FIRST
    assert best.tau_validation == 0.0


def test_tasks_on_the_same_networks_are_scored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = one_task([*RISING, *RISING], [*FALLING, *FALLING])
    problem = FakeProblem((FakeTask("first"), FakeTask("second")))
    rows = finished(monkeypatch, scorer, problem).evolved
    assert (
        [row.tasks["first"].test.tau for row in rows] == [row.tasks["second"].test.tau for row in rows] == [1.0, -1.0]
    )
    assert scorer.calls == [FakeTask.validation, FakeTask.test]


@pytest.mark.parametrize(
    ("end", "deadline", "expected"),
    [
        (2000.0, 2000.0, [14.0, 12.0, 10.0, 8.0]),
        (1009.0, 2000.0, [10.0, 8.0, 6.0, 4.0]),
        (2000.0, 1005.0, [11.0, 9.0, 8.0, 8.0]),
    ],
)
def test_the_time_left_is_estimated_from_the_networks_that_are_scored(
    end: float, deadline: float, expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network takes 2 s, so 6, 4, 2 and 0 s are left of the stage; 5 s wait behind it, and 3 s of writing."""
    now = iter([1000.0, 1002.0, 1004.0, 1006.0, 1008.0])
    heard: list[float] = []

    class Listening(Progress):
        def remaining(self, seconds: float) -> None:
            heard.append(seconds)

    confirmation = module.Confirmation(
        cast("EvolutionProblem", FakeProblem()), EvolveConfig(), [(0.0, 0.0)], SERIAL, Listening(), 3.0
    )
    confirmation.schedule.begin(1e9, {("validation", "task"): 4.0, ("test", "task"): 5.0})
    confirmation.schedule.deadline(("validation", "task"))
    confirmation.schedule.end = end
    monkeypatch.setattr(confirmation.schedule, "deadline", lambda _: deadline)
    monkeypatch.setattr(module, "score_networks", one_task([*RISING, *RISING], [*RISING, *RISING]))
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: next(now)))
    confirmation._scored([Proxy(FIRST, FIRST)], cast("EvolutionTask", FakeTask()), "validation")
    assert heard == expected
